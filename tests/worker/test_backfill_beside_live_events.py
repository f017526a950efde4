"""A backfill beside live events: they come first, they win, and it takes no more than its share."""

from __future__ import annotations

import asyncio

from processor.errors import KafkaUnavailable
from processor.worker.backfill_run import SLICE_EVENTS
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import (
    JOINED,
    ONE,
    TWO,
    World,
    all_agree,
    event,
    everywhere,
    until,
)
from tests.worker.parts import Event


def test_a_profile_with_a_live_event_since_is_not_looked_at_any_more() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=4) as owner:
            await until(lambda: owner.progress is not None and owner.progress.profiles > 0)
            looked_at = set(owner.later)
            left, stays = [b"p%d" % number for number in range(20) if b"p%d" % number not in looked_at][:2]
            await owner.live(event(20, left.decode()), event(21, stays.decode(), "ups", "crm"))
            await owner.complete()
            assert owner.later == {
                **{b"p%d" % number: JOINED for number in range(20)},
                left: [{"ups": "exited"}],
                stays: [{"ups": "existing", "crm": "realized"}],
            }
            assert owner.progress.profiles == 18
        await all_agree(world)

    run_in_virtual_time(live())


def test_exports_of_backfill_and_of_live_events_follow_each_other_as_the_state_says() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=4) as owner:
            await until(lambda: owner.progress is not None and owner.progress.profiles > 0)
            seen = next(iter(owner.later))
            await owner.live(event(20, seen.decode(), "crm"))
            await owner.complete()
            assert owner.later[seen] == [*JOINED, {"ups": "exited", "crm": "existing"}]

    run_in_virtual_time(live())


def test_live_events_that_are_taken_and_not_worked_on_yet_are_behind_the_boundary() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
            owner.exports_before = len(owner.exports)
            owner.partition.follow(TWO)
            owner.offer(event(3, "p0"))
            await owner.complete()
            assert owner.later == {b"p0": [{"ups": "exited"}], b"p1": JOINED, b"p2": JOINED}
            assert world.notes[-2].boundary in {3, 4}

    run_in_virtual_time(live())


def test_live_events_have_their_turn_after_each_slice() -> None:
    async def live() -> None:
        world = World(*everywhere(1_000))
        async with world.exported(TWO) as owner:
            await until(lambda: len(owner.later) > 100)
            owner.offer(*[event(offset, f"new{offset}", "ups") for offset in range(1_000, 1_300)])
            at = len(owner.exports)
            await owner.complete()
            first_live = next(
                number for number, (profile, _) in enumerate(owner.exports) if profile.startswith(b"new")
            )
            assert first_live - at <= SLICE_EVENTS
            assert sum(map(len, owner.later.values())) == 1_300

    run_in_virtual_time(live())


def test_no_more_than_a_thousand_profiles_are_on_their_way_before_live_exports() -> None:
    async def live() -> None:
        world = World(*everywhere(3_000))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.black_hole = True
            await asyncio.sleep(100)
            # And a slice of those that come where no live ones do.
            assert 900 < len(owner.later) < 1_000 + 256 + SLICE_EVENTS

    run_in_virtual_time(live())


def test_so_many_profiles_with_live_events_are_marked_before_they_are_too_many() -> None:
    """While nothing of the backfill goes on."""

    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.black_hole = True
            world.history.failures = [KafkaUnavailable("as scripted")] * 100
            await asyncio.sleep(5)
            owner.offer(*[Event(offset, b"q%d" % offset) for offset in range(10, 70_010)])
            await asyncio.sleep(5)
            assert len(world.store._marked) >= 50_000

    run_in_virtual_time(live())


def test_the_rate_is_kept_to() -> None:
    async def live() -> None:
        world = World(*everywhere(100))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            began_s = asyncio.get_running_loop().time()
            while len(owner.later) < 100:
                await asyncio.sleep(0.1)
                assert len(owner.later) <= 10 * (asyncio.get_running_loop().time() - began_s) + 15
            await owner.complete()

    run_in_virtual_time(live())
