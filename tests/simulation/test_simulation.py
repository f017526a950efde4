"""Lives by the hundred, and the proof that a life can fail."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import failure
from tests.simulation.mistakes import MISTAKES
from tests.simulation.world import World

LIVES = 200
SEEDS_MAX = 500

# The seeds of the lives in which it was found; the world has grown since, so they are other lives now.
FOUND = {
    34: "a worker that was told to stop in a rebalance was given partitions, and never ended",
    269: "an old assignment was a sign of life to a member that was frozen while it joined",
    271: "a partition that was restored while others were drained was begun, and never let go of",
    374: "an append that landed late was met by a restore, and left for compaction to prefer",
    1096: "the same, in a store that had forgotten the profile",
}


@pytest.mark.parametrize("first", range(0, LIVES, 50))
def test_what_must_hold_does_whatever_happens(first: int) -> None:
    told = {seed: wrong for seed in range(first, first + 50) if (wrong := failure(seed))}
    assert not told, "make simulate SEED=… tells what happened"


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_is_not_found_again(seed: int) -> None:
    assert failure(seed) is None


def test_a_seed_lives_the_same_life_again() -> None:
    one, other = World(7).run(), World(7).run()
    assert (one.trace, one.loop.turns) == (other.trace, other.loop.turns)
    assert one.kinesis.stored == other.kinesis.stored


# A life with a mistake in it may leave anything behind.
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(name: str) -> None:
    for seed in range(SEEDS_MAX):
        with MISTAKES[name]():
            if failure(seed):
                return
    pytest.fail(f"not found in {SEEDS_MAX} lives")
