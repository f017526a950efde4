"""What tests of a worker's parts are made of: the real ones, on a source by a script, a changelog and stores in memory."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from processor.errors import StateError
from processor.kafka.commit_metadata import Committed
from processor.kafka.heartbeats import Heartbeats
from processor.kafka.offsets import Bounds, SourceBounds
from processor.kafka.source import Source
from processor.kinesis.writer import Writer
from processor.settings import load_settings
from processor.state.overlay import Overlay
from processor.telemetry.lost_events import LostEvents
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from processor.worker.checkpoint import Checkpoint
from processor.worker.commits import Commits
from processor.worker.dead_letter_limit import DeadLetterLimit
from processor.worker.owned_partitions import OwnedPartitions
from processor.worker.partition import Partition, Stages
from processor.worker.partition_backfill import PartitionBackfill
from processor.worker.partition_factory import PartitionFactory, Shared
from processor.worker.takeover import Takeover
from tests.kafka.model import Kept, MemoryChangelog
from tests.simulation.workload import core
from tests.support.memory_history import MemoryHistory, backfilling
from tests.support.memory_store import MemoryStore
from tests.support.scripted_kinesis import ScriptedKinesis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence

    from processor.kafka.changelog import Span
    from processor.kafka.changelog_batches import Deletion
    from processor.kafka.commit_metadata import Mark
    from processor.kafka.offsets import Reach
    from processor.kafka.poll_room import Room
    from processor.kafka.source import Records
    from processor.kinesis.ticket import Ticket
    from processor.profile.core import Core
    from processor.profile.dead_letter import DeadLetter
    from processor.settings import Settings
    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.worker.partition_backfill import Backfilling
    from processor.worker.state_changelog import StateChangelog


def settings_of(**changes: int) -> Settings:
    return load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": "scripted:9092",
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "group",
            **{f"PROCESSOR_{name.upper()}": str(value) for name, value in changes.items()},
        }
    )


class Event(NamedTuple):
    """A record of the source: a tombstone of a profile that nobody knows changes no state, and exports nothing."""

    offset: int
    key: bytes | None = b"profile"
    value: bytes | None = None
    timestamp: int = 1_700_000_000_000
    headers: tuple[tuple[str, bytes | None], ...] = ()


class ScriptedSource(Source):
    """A member's share of a topic: the events of each partition come once, when it is resumed. No client is made."""

    is_expelled = False
    rival: str | None = None
    refusal: str | None = None
    is_there = True
    partition_count = 2

    def __init__(self, events: Records = ()) -> None:
        self.topic = "events"
        self.resumed: list[int] = []
        self.paused: set[int] = set()
        self.resumed_at: dict[int, int] = {}
        self.committed_offsets: dict[int, int] = {}
        self.marks: dict[int, Mark] = {}
        self.taken_away: set[int] = set()
        self.bounds_of: dict[int, SourceBounds] = {}
        self.reaches: dict[int, Reach] = {}
        self.failures: list[Exception] = []
        """What the next polls and commits raise."""
        self._events = events
        self._fresh: list[int] = []

    def use(self, events: Records) -> None:
        """Have these come, of partitions that are resumed from now on."""
        self._events = events

    async def check_identity(self) -> None:
        """It stays the topic that it is."""

    def has(self, partition: int) -> bool:
        return partition not in self.taken_away

    def pause(self, partitions: Collection[int]) -> None:
        self.paused.update(partitions)
        self._fresh = [number for number in self._fresh if number not in partitions]

    def resume(self, partition: int, offset: int) -> None:
        self.paused.discard(partition)
        self.resumed.append(partition)
        self.resumed_at[partition] = offset
        self._fresh.append(partition)

    def reach(self, partition: int) -> Reach | None:
        return self.reaches.get(partition)

    async def committed(self, partition: int) -> Committed | None:
        offset = self.committed_offsets.get(partition)
        return None if offset is None else Committed(offset, is_start=True)

    async def commit_start(self, partition: int, offset: int) -> None:
        self.committed_offsets[partition] = offset

    async def bounds(self, partition: int) -> SourceBounds:
        return self.bounds_of.get(partition, SourceBounds(0, 1000, 1000))

    async def poll(self, room: Room) -> Mapping[int, Records]:
        await asyncio.sleep(0.1)
        self._fail_as_scripted()
        fresh = [number for number in self._fresh if number in room.shares]
        self._fresh = [number for number in self._fresh if number not in fresh]
        return dict.fromkeys(fresh, self._events)

    async def commit(self, offsets: Mapping[int, int], marks: Mapping[int, Mark]) -> bool:
        self._fail_as_scripted()
        self.committed_offsets.update(offsets)
        self.marks.update(marks)
        return True

    async def failed(self) -> None:
        await asyncio.Event().wait()

    async def follow_ends(self, partitions: Callable[[], Collection[int]]) -> None:
        """They are not asked for."""

    def _fail_as_scripted(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class Answered(Heartbeats):
    """Of a member whose heartbeats are all answered at once, until it `is_silent_for_s`."""

    is_silent_for_s = 0.0

    @property
    def silence_s(self) -> float:
        return self.is_silent_for_s


class MemoryChangelogs:
    """The changelog of several partitions."""

    identity = None

    def __init__(self) -> None:
        self._partitions: dict[int, MemoryChangelog] = {}

    def of(self, partition: int) -> MemoryChangelog:
        if partition not in self._partitions:
            self._partitions[partition] = self.new()
        return self._partitions[partition]

    def new(self) -> MemoryChangelog:
        """One partition's."""
        return MemoryChangelog()

    async def check_identity(self) -> None:
        """It stays the topic that it is."""

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        return await self.of(partition).append(partition, entries)

    async def bounds(self, partition: int) -> Bounds:
        return await self.of(partition).bounds(partition)

    def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Kept], None]:
        return self.of(partition).read(partition, start, end)


class NotingWriter(Writer):
    """A writer that keeps the tickets which it was given."""

    def __init__(self, kinesis: ScriptedKinesis | None = None) -> None:
        rng = random.Random(0)
        super().__init__(kinesis or ScriptedKinesis(rng), settings_of().kinesis, rng, Fence(lambda: 0.0, 1.0))
        self.tickets: list[Ticket] = []

    async def submit(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        await super().submit(ticket)


class DeadLettersInMemory:
    """What was written to the dead-letter topic; the next writes raise `failures`."""

    def __init__(self) -> None:
        self.written: list[DeadLetter] = []
        self.failures: list[Exception] = []

    async def write(self, _: int, dead_letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.written.extend(dead_letters)


class PartitionParts:
    """A partition 0 with all that it passes its records to; `status` and what is public here may be looked at.

    It has backfills where it is given what they share; none begins before the partition has reached `caught_up_at`.
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        changelog: StateChangelog | None = None,
        its_core: Core | None = None,
        start_offset: int = 0,
        kinesis: ScriptedKinesis | None = None,
        writer: NotingWriter | None = None,
        backfilling: Backfilling | None = None,
        caught_up_at: int = 0,
        status: Status | None = None,
    ) -> None:
        self.status = status or Status()
        self.writer = writer or NotingWriter(kinesis)
        self.dead_letters = DeadLettersInMemory()
        self.rooms = 0
        """How often there was room again."""
        state = Overlay(store or MemoryStore())
        checkpoint = Checkpoint(0, changelog or MemoryChangelog(), state, self.status)
        limit = DeadLetterLimit(settings_of().service, self.status)
        backfill = None
        if backfilling is not None:
            backfill = PartitionBackfill(0, state.store, checkpoint, backfilling, caught_up_at=caught_up_at)
        self.partition = Partition(
            0,
            Stages(its_core or core(), state, self.writer, self.dead_letters.write, checkpoint, limit),
            self.status,
            start_offset=start_offset,
            state_bytes_max=1 << 20,
            on_room=self._has_room,
            backfill=backfill,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Partition]:
        tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self.partition.run())]
        try:
            yield self.partition
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def _has_room(self) -> None:
        self.rooms += 1


class WorkerParts:
    """The partitions of a worker, and what they are made of: up to two stores at once, in memory."""

    def __init__(
        self,
        writer: Writer,
        disk: Disk,
        *,
        source: ScriptedSource | None = None,
        drain_timeout_s: float = 2.0,
    ) -> None:
        self.status = Status()
        self.source = source or ScriptedSource()
        self.writer = writer
        self.changelogs = MemoryChangelogs()
        self.stores: dict[int, list[MemoryStore]] = {}
        """Of each partition, those that were opened."""
        self.may_open = {0: asyncio.Event(), 1: asyncio.Event()}
        for each in self.may_open.values():
            each.set()
        self.begun = 0
        """How often a partition was begun."""
        self._next_store = MemoryStore()
        limit = DeadLetterLimit(settings_of().service, self.status)
        takeover = Takeover(
            self.source,
            self.changelogs,
            self.status,
            LostEvents(self.status, {}),
            stream="eu-west-1/exports",
            offset_reset="earliest",
        )
        shared = Shared(
            writer,
            DeadLettersInMemory().write,
            self.changelogs,
            1 << 20,
            self._open,
            disk,
            limit,
            on_room=lambda: None,
            backfilling=backfilling(MemoryHistory(), self.status.backfills),
            tracer=None,
        )
        self.owned = OwnedPartitions(
            self.source,
            PartitionFactory(core(), shared, takeover, self.status),
            Commits(self.source, self.changelogs, self.status, 5.0),
            limit,
            self.status,
            check_room=self._check_room,
            on_begun=self._note_begun,
            drain_timeout_s=drain_timeout_s,
        )

    def use_store(self, store: MemoryStore) -> None:
        """Have this one be the store that is opened next."""
        self._next_store = store

    async def _open(self, number: int) -> Store:
        await self.may_open[number].wait()
        store, self._next_store = self._next_store, MemoryStore()
        self.stores.setdefault(number, []).append(store)
        return store

    def _check_room(self, stores: int) -> None:
        if stores > len(self.may_open):
            raise StateError(f"{stores} do not fit")

    def _note_begun(self) -> None:
        self.begun += 1
