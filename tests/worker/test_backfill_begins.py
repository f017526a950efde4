"""When a partition's backfill begins: once all agrees, in its turn, and on request where it is off."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from processor.backfill.note import BackfillNote
from processor.telemetry.status import Status
from tests.support.memory_history import backfilling
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import (
    JOINED,
    ONE,
    TWO,
    A,
    B,
    Owner,
    World,
    event,
    everywhere,
    until,
)
from tests.worker.parts import PartitionParts


def test_none_begins_before_the_partition_has_caught_up_with_who_had_it_before() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
        async with world.owner(TWO, caught_up_at=6) as owner:
            await owner.live(event(3, "q", "crm"))
            await asyncio.sleep(100)
            assert owner.progress.stage == "waiting"
            assert world.notes[-1] == BackfillNote(1, B, False, former=A, since=1)
            await owner.live(event(4, "q", "crm"))
            assert world.history.spans == []
            # What stands at 5 is no event.
            owner.partition.pass_to(6)
            await owner.complete()
            assert world.notes[-2].boundary == 6
            assert set(owner.later) >= {b"p0", b"p1", b"p2"}

    run_in_virtual_time(live())


def test_off_one_is_said_to_be_due_and_begins_once_it_is_asked_for_once() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.exported(TWO, is_off=True) as owner:
            await asyncio.sleep(100)
            assert owner.progress.stage == "off"
            assert (owner.progress.cause.fingerprint, owner.progress.cause.former) == (B, A)
            assert owner.later == {}
            owner.partition.request_backfill("r1")
            await owner.complete()
            assert owner.later == {b"p%d" % number: JOINED for number in range(3)}
            owner.partition.request_backfill("r1")
            await asyncio.sleep(100)
            assert owner.parts.status.backfills.figures.begun == 1
        async with world.owner(TWO, is_off=True) as owner:
            owner.partition.request_backfill("r1")
            await asyncio.sleep(100)
            assert owner.progress is None, "who comes next knows that it was heeded"

    run_in_virtual_time(live())


def test_off_one_that_has_begun_is_brought_to_its_end_by_who_comes_next() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, is_off=True, max_events_per_s=4) as owner:
            await asyncio.sleep(1)
            owner.partition.request_backfill("r1")
            await until(lambda: 0 < len(owner.later) < 20)
        async with world.owner(TWO, is_off=True) as owner:
            await owner.complete()
            assert world.notes[-1] == BackfillNote(3, B, True, former=A, request="r1", since=1)

    run_in_virtual_time(live())


def test_a_second_look_that_is_asked_for_exports_nothing() -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            await owner.complete()
            exports, records = len(owner.exports), dict(world.store.records)
            owner.partition.request_backfill("r1")
            await until(lambda: owner.parts.status.backfills.figures.completed == 2)
            assert len(owner.exports) == exports
            assert world.store.records == records
            assert owner.progress.profiles == 10

    run_in_virtual_time(live())


def test_what_is_asked_for_while_one_runs_begins_behind_it() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            await until(lambda: bool(owner.later))
            owner.partition.request_backfill("r1")
            owner.partition.request_backfill("r2")
            await until(lambda: owner.parts.status.backfills.figures.completed == 2)
            await asyncio.sleep(100)
            assert owner.parts.status.backfills.figures.begun == 2
            assert world.notes[-1].request == "r2"

    run_in_virtual_time(live())


def test_partitions_of_a_worker_have_their_turns_and_one_that_is_released_meanwhile_begins_none() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        status = Status()
        shared = backfilling(world.history, status.backfills, max_events_per_s=10)
        async with AsyncExitStack() as others:
            await others.enter_async_context(shared.share.turn())
            parts = PartitionParts(
                changelog=world.changelog, store=world.store, its_core=ONE, backfilling=shared, status=status
            )
            async with parts.running() as partition:
                owner = Owner(world, parts, partition)
                await owner.live(*world.before)
                partition.follow(TWO)
                await asyncio.sleep(10)
                assert owner.progress.stage == "waiting"
                await partition.drain()
                await others.aclose()
                await asyncio.sleep(10)
                assert world.notes[-1] == BackfillNote(1, B, False, former=A, since=1)
                assert world.history.spans == []

    run_in_virtual_time(live())
