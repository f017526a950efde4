"""Lives of the definition in Kafka by the hundred, and the proof that a life can fail."""

from __future__ import annotations

import pytest

from tests.simulation.definition_mistakes import DEFINITION_MISTAKES
from tests.simulation.definition_world import DefinitionWorld, failure_of_definition

LIVES = 200
SEEDS_MAX = 500


@pytest.mark.parametrize("first", range(0, LIVES, 50))
def test_what_must_hold_does_whatever_happens(first: int) -> None:
    wrongs = {seed: wrong for seed in range(first, first + 50) if (wrong := failure_of_definition(seed))}
    assert not wrongs, "make simulate DEFINITION_SEED=… shows what happened"


def test_a_seed_lives_the_same_life_again() -> None:
    one, other = DefinitionWorld(7).run(), DefinitionWorld(7).run()
    assert (one.trace, one.loop.turns) == (other.trace, other.loop.turns)


def test_lives_have_what_they_are_lived_for() -> None:
    """Refused proposals, changes of unknown outcome, and what was put back, or they would show nothing."""
    lives = [DefinitionWorld(seed).run() for seed in range(16)]
    told = {change.told for life in lives for change in life.changes}
    assert told == {"accepted", "unknown", "not changed", "begun"}
    assert any("refused" in line for life in lives for line in life.trace)
    assert any(life.was_put_back for life in lives)


# A life with a mistake in it may leave anything behind.
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", DEFINITION_MISTAKES)
def test_a_planted_mistake_is_found(name: str) -> None:
    for seed in range(SEEDS_MAX):
        with DEFINITION_MISTAKES[name]():
            if failure_of_definition(seed):
                return
    pytest.fail(f"not found in {SEEDS_MAX} lives")
