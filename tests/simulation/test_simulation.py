"""Lives by the hundred, and the proof that a life can fail."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.simulation.backfill_mistakes import BACKFILL_MISTAKES
from tests.simulation.mistakes import MISTAKES
from tests.simulation.shrinking import failure
from tests.simulation.world import World

LIVES = 200
"""Half of them are lives in which the configuration changes."""
SEEDS_MAX = 500
"""Of lives of one kind."""


class Found(NamedTuple):
    """A life in which something was found, and what must be found in it now: nothing, once it is mended."""

    seed: int
    what: str
    expected: str | None = None


# The world has grown since: they are other lives now. What was found has tests of its own beside this one.
FOUND = [
    Found(34, "a worker that was asked to stop in a rebalance was given partitions, and never ended"),
    Found(269, "an old assignment was a sign of life to a member that was frozen while it joined"),
    Found(271, "a partition that was restored while others were drained was begun, and never released"),
    Found(374, "an append that landed late was met by a restore, and left for compaction to prefer"),
    Found(1096, "the same, in a store that had forgotten the profile"),
    Found(443, "a record was given up while Kinesis rejected all, for a late answer to an earlier call"),
    Found(
        272,
        "a member that appended when it thawed took its own store for the newest, and got the partition back",
    ),
    Found(500632, "a good record was given up while Kinesis rejected everything after an outage"),
    Found(700506, "the same, after throttling"),
    Found(705203, "a rejected record waited for others to be taken, and they for the room that it held"),
    Found(713766, "the same, in a topic where nothing else came"),
    Found(703759, "an intruder's record stood behind ours of the same profile, and compaction preferred it"),
    Found(209, "compaction preferred an older note of backfills"),
    Found(343, "other files took a request with them that was being heeded"),
    Found(407, "a partition that was drained while profiles were struck out took itself for idle"),
    Found(1275, "what came late was newer than that there is nothing, under the configuration of now"),
    Found(1787, "the same, of a profile that a backfill had taken out"),
    Found(1897, "the same, at the offset of this owner's own record"),
    Found(3061, "the source lost a profile's latest event while an older one was read already"),
    Found(3353, "a profile with a live event was marked while another call asked whether it was"),
    Found(4631, "what came late was taken for the state by the next owner"),
    Found(
        45323,
        "a note that came late was newer than that of an owner who follows what the state is complete for",
    ),
    Found(62181, "an owner outnumbered its own note, which was appended twice"),
    Found(9017, "what came late was answered under the configuration before the one that was being noted"),
]


@pytest.mark.parametrize("first", range(0, LIVES, 50))
def test_what_must_hold_does_whatever_happens(first: int) -> None:
    wrongs = {seed: wrong for seed in range(first, first + 50) if (wrong := failure(seed))}
    assert not wrongs, "make simulate SEED=… shows what happened"


@pytest.mark.parametrize("found", FOUND, ids=lambda found: str(found.seed))
def test_what_was_found_once_is_not_found_again(found: Found) -> None:
    assert failure(found.seed) == found.expected


def test_a_seed_lives_the_same_life_again() -> None:
    one, other = World(7).run(), World(7).run()
    assert (one.trace, one.loop.turns) == (other.trace, other.loop.turns)
    assert one.kinesis.stored == other.kinesis.stored


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_lives_the_same_life_in_other_processes(hash_seed: str) -> None:
    seeds = range(7, 10)
    printed = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import digest_of; print(*map(digest_of, {seeds!r}))"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == [digest_of(seed) for seed in seeds]


def digest_of(seed: int) -> str:
    """A digest of all that happened in the life of a seed."""
    world = World(seed).run()
    happened = world.trace, world.loop.turns, world.kinesis.stored
    return hashlib.sha256(repr(happened).encode()).hexdigest()


# A life with a mistake in it may leave anything behind.
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", [*MISTAKES, *BACKFILL_MISTAKES])
def test_a_planted_mistake_is_found(name: str) -> None:
    kind = name in BACKFILL_MISTAKES
    for seed in range(kind, 2 * SEEDS_MAX, 2):
        with (BACKFILL_MISTAKES if kind else MISTAKES)[name]():
            if failure(seed):
                return
    pytest.fail(f"not found in {SEEDS_MAX} lives")
