"""Rebalances that meet the end, restores, and each other; and what a restore leaves in the changelog."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from processor.errors import StateError, StateUnavailable
from processor.kafka.changelog import STREAM_KEY
from processor.kafka.changelog_batches import Deletion
from processor.kafka.offsets import SourceBounds
from processor.kafka.topics import ChangelogShape
from processor.kinesis.writer import Writer
from processor.profile.state_record import encode_departed
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from processor.worker.disk_trouble import CONDITION as DISK
from processor.worker.pipeline import Parts, Pipeline
from tests.kafka.model import MemoryChangelog
from tests.simulation.disk import NoDisk
from tests.simulation.workload import core, workload
from tests.support.memory_history import MemoryHistory
from tests.support.memory_store import MemoryStore
from tests.support.restored_store import member, restored
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import (
    Answered,
    DeadLettersInMemory,
    MemoryChangelogs,
    ScriptedSource,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.state.store import Store

DRAIN_S, SHUTDOWN_S = 2.0, 5.0
STREAM = "eu-west-1/exports"


def answering(faults: Faults) -> Writer:
    """The writer to a stream with such faults."""
    rng = random.Random(0)
    kinesis = ScriptedKinesis(rng, faults=faults)
    kinesis.check_order = False  # both partitions have the same events
    return Writer(kinesis, settings_of().kinesis, rng, Fence(lambda: 0.0, 1.0))


def black_hole() -> Writer:
    """A writer whose exports are never answered."""
    return answering(Faults(black_hole=True))


def taking() -> Writer:
    """A writer whose exports are all stored, a little later."""
    return answering(Faults(latency_ms=(100, 100)))


class FullDisk(NoDisk):
    """A disk that takes nothing while it `is_full`."""

    is_full = False

    async def check(self) -> None:
        if self.is_full:
            raise StateUnavailable("the disk is full: make room")


class World:
    """A pipeline that runs, with a partition 0 that does not drain."""

    def __init__(self, writer: Writer | None = None) -> None:
        self.source = ScriptedSource(workload(0).events[:20])
        self.disk = FullDisk()
        self.stores: dict[int, list[MemoryStore]] = {}
        self.changelogs = MemoryChangelogs()
        self.status = Status()
        self.stop = asyncio.Event()
        self.may_open = {0: asyncio.Event(), 1: asyncio.Event()}
        self.may_open[0].set()
        self.room = 2
        settings = settings_of(
            kafka_drain_timeout_ms=int(1000 * DRAIN_S), shutdown_timeout_ms=int(1000 * SHUTDOWN_S)
        )
        parts = Parts(
            core=core(),
            writer=writer or black_hole(),
            write_dead_letters=DeadLettersInMemory().write,
            changelog=self.changelogs,
            changelog_shape=ChangelogShape(
                partitions=2, max_message_bytes=1 << 20, delete_retention_ms=0, min_compaction_lag_ms=0
            ),
            heartbeats=Answered(),
            stream=STREAM,
            committed_elsewhere={},
            source_is_compacted=False,
            open_history=MemoryHistory().opened,  # type: ignore[arg-type]  # a stand-in
            check_room=self._check_room,
            open_store=self._open,
            disk=self.disk,
            state_memory_bytes=lambda: 0,
        )
        self.pipeline = Pipeline(settings, parts, self.source, self.status)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[asyncio.Task[None]]:
        """The pipeline's run, with events of partition 0 in flight, and partition 1 before its restore."""
        running = asyncio.create_task(self.pipeline.run(self.stop))
        await asyncio.sleep(0)
        await self.pipeline.assigned([0, 1])
        while not self.status.figures.in_flight:
            await asyncio.sleep(0.1)
        yield running
        self.stop.set()
        await asyncio.wait([running], timeout=10 * SHUTDOWN_S)
        is_done = running.done()
        running.cancel()
        await asyncio.wait([running])
        assert is_done, "the pipeline did not end"
        running.result()

    def _check_room(self, stores: int) -> None:
        if stores > self.room:
            raise StateError(f"{stores} do not fit")

    async def _open(self, number: int) -> Store:
        await self.may_open[number].wait()
        self.stores.setdefault(number, []).append(MemoryStore())
        return self.stores[number][-1]


def test_a_worker_that_is_stopped_while_the_group_rebalances_takes_nothing_more() -> None:
    async def live() -> None:
        world = World()
        async with world.busy():
            world.stop.set()
            await asyncio.sleep(SHUTDOWN_S / 2)
            world.may_open[1].set()
            await world.pipeline.assigned([1])
            await asyncio.sleep(SHUTDOWN_S)
            assert world.source.resumed == [0]

    run_in_virtual_time(live())


def test_a_worker_that_is_stopped_while_partitions_are_released_ends() -> None:
    async def live() -> None:
        world = World()
        async with world.busy() as running:
            revoking = asyncio.create_task(world.pipeline.revoked([0, 1]))
            await asyncio.sleep(DRAIN_S / 2)
            world.stop.set()
            await asyncio.sleep(0)
            assert not running.done()
            await revoking
        assert world.status.figures.in_flight == 0

    run_in_virtual_time(live())


def test_a_partition_whose_restore_would_end_while_others_drain_is_not_begun() -> None:
    async def live() -> None:
        world = World()
        async with world.busy():
            revoking = asyncio.create_task(world.pipeline.revoked([0, 1]))
            await asyncio.sleep(DRAIN_S / 2)
            world.may_open[1].set()
            await revoking
            assert world.source.resumed == [0]
            assert not world.pipeline.partitions
            assert world.status.partitions == set()

    run_in_virtual_time(live())


def test_more_partitions_than_can_be_open_at_once_wait_for_a_share_that_can_be() -> None:
    async def live() -> None:
        world = World()
        async with world.busy():
            await world.pipeline.revoked([0, 1])
            world.room = 1
            await world.pipeline.assigned([0, 1])
            assert "2 do not fit" in world.status.conditions["open files"]
            assert not world.status.partitions
            await world.pipeline.revoked([0, 1])
            await world.pipeline.assigned([1])
            assert "open files" not in world.status.conditions
            assert world.status.partitions == {1}

    run_in_virtual_time(live())


@pytest.mark.parametrize("newest", [member(7), Deletion(7)], ids=["a state", "a deletion"])
def test_an_older_append_that_landed_late_does_not_outlive_the_restore_that_meets_it(
    newest: bytes | Deletion,
) -> None:
    async def live() -> MemoryChangelog:
        world = World()
        changelog = world.changelogs.of(0)
        changelog.put({STREAM_KEY: STREAM.encode(), b"p": newest})
        changelog.put({b"p": member(5)})
        world.source.committed_offsets[0] = 8
        async with world.busy():
            pass
        assert world.status.figures.intruder_records == 1
        return changelog

    changelog = run_in_virtual_time(live())
    compacted = MemoryChangelog()
    compacted.records = [record._replace(offset=at) for at, record in enumerate(changelog.compacted())]
    assert restored(compacted).records == {
        b"p": encode_departed(7) if isinstance(newest, Deletion) else newest
    }


def trouble_with(world: World, number: int) -> None:
    """What a partition's store meets when it is written next."""
    world.disk.is_full = True
    world.stores[number][-1].trouble = "the disk is full: make room"


def test_a_partition_whose_disk_is_full_ends_in_order_and_is_begun_anew_once_there_is_room() -> None:
    async def live() -> None:
        world = World(taking())
        world.may_open[1].set()
        async with world.busy():
            trouble_with(world, 0)
            await asyncio.sleep(30)
            assert world.status.conditions[DISK] == "the disk is full: make room"
            assert world.status.partitions == {0, 1}
            assert list(world.pipeline.partitions) == [1]
            # What was under way was done and committed: it is not repeated.
            assert world.status.figures.abandoned == 0
            assert world.status.figures.in_flight == 0
            assert world.source.committed_offsets[0] == workload(0).events[19].offset + 1
            world.disk.is_full = False
            await asyncio.sleep(6)
            assert world.status.is_ready
            assert sorted(world.pipeline.partitions) == [0, 1]
            assert world.source.resumed.count(0) == 2
            old, new = world.stores[0]
            assert new.records
            assert new.trouble is None
            assert old is not new

    run_in_virtual_time(live())


def test_where_nothing_can_drain_it_is_given_up_after_the_drain_s_time_and_begun_anew() -> None:
    async def live() -> None:
        world = World()
        world.may_open[1].set()
        async with world.busy():
            trouble_with(world, 0)
            world.disk.is_full = False
            await asyncio.sleep(DRAIN_S + 5)
            assert len(world.stores[0]) == 2
            assert world.status.figures.abandoned == 20
            assert world.source.resumed.count(0) == 2

    run_in_virtual_time(live())


@pytest.mark.parametrize("keeps", [True, False])
def test_a_rebalance_that_meets_a_full_disk_takes_what_it_takes(*, keeps: bool) -> None:
    async def live() -> None:
        world = World()
        world.may_open[1].set()
        async with world.busy():
            trouble_with(world, 0)
            await asyncio.sleep(DRAIN_S / 2)
            world.source.taken_away = set() if keeps else {0}
            await world.pipeline.revoked([0, 1])
            assert world.status.partitions == set()
            assert DISK not in world.status.conditions
            await world.pipeline.assigned([0, 1] if keeps else [1])
            world.disk.is_full = False
            await asyncio.sleep(10)
            assert world.status.partitions == ({0, 1} if keeps else {1})
            assert DISK not in world.status.conditions
            assert set(world.pipeline.partitions) == world.status.partitions

    run_in_virtual_time(live())


def test_the_end_does_not_wait_for_room_on_the_disk() -> None:
    async def live() -> None:
        world = World(taking())
        async with world.busy() as running:
            trouble_with(world, 0)
            await asyncio.sleep(10)
            world.stop.set()
            await asyncio.sleep(1)
            assert running.done()

    run_in_virtual_time(live())


def test_a_restore_onto_a_full_disk_is_broken_off_and_begun_anew() -> None:
    async def live() -> None:
        world = World(taking())
        world.changelogs.of(1).put({STREAM_KEY: STREAM.encode(), b"p": member(5)})
        world.source.committed_offsets[1] = 8
        async with world.busy():
            world.may_open[1].set()
            while len(world.stores.get(1, [])) < 1:
                await asyncio.sleep(0)
            trouble_with(world, 1)
            await asyncio.sleep(20)
            assert "the disk is full" in world.status.conditions[DISK]
            assert len(world.stores[1]) == 1
            assert 1 not in world.source.resumed
            world.disk.is_full = False
            await asyncio.sleep(6)
            assert world.status.is_ready
            assert world.stores[1][-1].records[b"p"] == member(5)

    run_in_virtual_time(live())


def test_a_backfill_whose_disk_is_full_in_its_midst_begins_anew_with_the_partition() -> None:
    class FullStore(MemoryStore):
        async def clear_marks(self) -> None:
            raise StateUnavailable("the disk is full: make room")

    async def live() -> None:
        world = World(taking())
        world.may_open[1].set()
        events = [event for event in workload(0).events if event.partition == 0][:20]
        end = events[-1].offset + 1
        world.source.use(events)
        world.source.bounds_of = dict.fromkeys([0, 1], SourceBounds(0, end, end))
        async with world.busy():
            while world.status.figures.in_flight:
                await asyncio.sleep(0.1)
            world.disk.is_full = True
            world.stores[0][-1].__class__ = FullStore
            world.pipeline.request("r1")
            await asyncio.sleep(30)
            assert world.status.conditions[DISK] == "the disk is full: make room"
            assert list(world.pipeline.partitions) == [1]
            assert heeded(world) == {1: "r1"}, "the other has had its turn"
            world.disk.is_full = False
            await asyncio.sleep(6)
            assert world.status.is_ready
            assert heeded(world) == {0: "r1", 1: "r1"}
            assert {progress.stage for progress in world.status.backfills.progress.values()} == {"complete"}

    run_in_virtual_time(live())


def heeded(world: World) -> dict[int, str | None]:
    """By partition that is worked on, the request that it heeded last."""
    notes = {number: each.backfill_note for number, each in world.pipeline.partitions.items()}
    return {number: note.request for number, note in notes.items() if note is not None}
