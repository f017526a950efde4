"""A life that fails is shrunk to what it fails by."""

from __future__ import annotations

import pytest

from tests.simulation.backfill_mistakes import BACKFILL_MISTAKES
from tests.simulation.faults import Fault
from tests.simulation.mistakes import MISTAKES
from tests.simulation.shrinking import Life, fails_as, failure, shrunk
from tests.simulation.workload import EVENTS
from tests.simulation.world import World

FAULTS = [Fault(float(at), "crash", at) for at in range(7)]
WHOLE = Life(0, range(EVENTS), FAULTS)


def test_what_a_failure_does_not_need_is_left_out() -> None:
    def fails(life: Life) -> bool:
        return {17, 200} <= set(life.places) and FAULTS[3] in life.faults

    assert shrunk(WHOLE, fails) == Life(0, [17, 200], [FAULTS[3]])


def test_what_can_be_left_out_only_after_something_else_is_left_out_too() -> None:
    def fails(life: Life) -> bool:
        events, faults = len(life.places), len(life.faults)
        return 5 in life.places and (faults >= 3 or events < 200) and (faults < 5 or events == EVENTS)

    assert shrunk(WHOLE, fails) == Life(0, [5], [])


def test_another_chance_is_tried_where_one_no_longer_fails() -> None:
    def fails(life: Life) -> bool:
        return 5 in life.places and life.chance == (0 if len(life.places) > 10 else 2)

    assert shrunk(WHOLE, fails) == Life(0, [5], [], chance=2)


def test_shrinking_ends_early_with_a_life_that_fails() -> None:
    tried = []

    def fails(life: Life) -> bool:
        tried.append(life)
        return 290 in life.places

    found = shrunk(WHOLE, fails, lives_max=5)
    assert len(tried) == 5
    assert found in tried
    assert (290 in found.places, len(found.places) < EVENTS) == (True, True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("name", "events_max", "faults_max"),
    [
        ("dead letters are dropped", 1, 0),
        ("the next batch does not see what is under way", 20, 0),
        ("a failed record goes again after a later one of its profile", 20, 1),
        ("an older event of a chunk is taken for the latest", 2, 0),
    ],
)
def test_a_life_with_a_planted_mistake_is_shrunk_and_replays(
    name: str, events_max: int, faults_max: int
) -> None:
    mistakes, first = (MISTAKES, 0) if name in MISTAKES else (BACKFILL_MISTAKES, 1)
    with mistakes[name]():
        seed, wrong = next((seed, wrong) for seed in range(first, 1000, 2) if (wrong := failure(seed)))
        life = shrunk(Life.of(seed), fails_as(wrong))
        assert (len(life.places) <= events_max, len(life.faults) <= faults_max) == (True, True)
        assert len(life.changes) <= 1
        assert fails_as(wrong)(life)
        assert _told(life) == _told(life)
    assert failure(life) is None


def _told(life: Life) -> tuple[str, list[str], int]:
    """What was wrong, what happened, and in how many turns."""
    world = World(*life)
    with pytest.raises(Exception, match=r".") as found:
        world.run()
    return str(found.value), world.trace, world.loop.turns
