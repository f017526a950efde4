"""One worker: source, core, writer, dead letters, changelog and state, wired; partitions come and go.

Data flows down: `Poller` -> `Partition` (core, writer). Acknowledgements come up: the partition's `next_offset`, committed by
`Commits`, and only for partitions that are still owned.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from processor.backfill.pace import Live, Pace
from processor.backfill.share import Share
from processor.telemetry.lost_events import LostEvents
from processor.worker.added_partitions import AddedPartitions
from processor.worker.commits import Commits
from processor.worker.dead_letter_limit import DeadLetterLimit, let_through
from processor.worker.health import Health
from processor.worker.in_flight_bound import InFlightBound
from processor.worker.owned_partitions import OwnedPartitions
from processor.worker.partition_backfill import Backfilling
from processor.worker.partition_ends import PartitionEnds
from processor.worker.partition_factory import PartitionFactory, Shared
from processor.worker.polling import Poller
from processor.worker.reach import advanced_reach, reached_and_end
from processor.worker.takeover import Takeover
from processor.worker.topic_watch import check_topics, watch_topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager

    from processor.backfill.note import BackfillNote
    from processor.kafka.heartbeats import Heartbeats
    from processor.kafka.offsets import Reach
    from processor.kafka.source import Source
    from processor.kafka.source_history import SourceHistory
    from processor.kafka.topics import ChangelogShape
    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.settings import Settings
    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.telemetry.status import Status
    from processor.telemetry.traces import Tracer
    from processor.worker.dead_letter_stage import WriteDeadLetters
    from processor.worker.partition import Partition
    from processor.worker.state_changelog import StateChangelog

log = structlog.get_logger(__name__)

_MISSED_HEARTBEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of, beside its source; all of it is started before the pipeline and stopped after it."""

    core: Core
    writer: Writer
    write_dead_letters: WriteDeadLetters
    changelog: StateChangelog
    changelog_shape: ChangelogShape
    heartbeats: Heartbeats
    stream: str
    committed_elsewhere: Mapping[str, Mapping[int, int]]
    """Offsets that the group has committed of other topics."""
    source_is_compacted: bool
    open_history: Callable[[], AbstractAsyncContextManager[SourceHistory]]
    """Connects to read what the source has."""
    check_room: Callable[[int], None]
    """Raises `StateError` where so many stores cannot be open at once."""
    open_store: Callable[[int], Awaitable[Store]]
    disk: Disk
    state_memory_bytes: Callable[[], int]


class Pipeline:
    """Works on the partitions that are assigned to this worker until it is stopped, then drains.

    The service makes its parts and its source, and starts the source with the pipeline as its assignment.
    """

    def __init__(
        self, settings: Settings, parts: Parts, source: Source, status: Status, tracer: Tracer | None = None
    ) -> None:
        kafka, changelog = settings.kafka, parts.changelog
        wake = asyncio.Event()
        self.source = source
        self.disk = parts.disk
        self.status = status
        self.dead_letter_limit = DeadLetterLimit(settings.service, status)
        self._settings = settings
        self._parts = parts
        self._lost_events = LostEvents(status, parts.committed_elsewhere)
        self._commits = Commits(source, changelog, status, kafka.commit_interval_ms / 1000)
        takeover = Takeover(
            source,
            changelog,
            status,
            self._lost_events,
            stream=parts.stream,
            offset_reset=kafka.offset_reset,
        )
        shared = Shared(
            writer=parts.writer,
            write_dead_letters=parts.write_dead_letters,
            changelog=changelog,
            max_message_bytes=parts.changelog_shape.max_message_bytes,
            open_store=parts.open_store,
            disk=parts.disk,
            limit=self.dead_letter_limit,
            on_room=wake.set,
            backfilling=Backfilling(
                parts.open_history,
                Share(settings.backfills.backfill_max_events_per_s, Pace(self._live)),
                status.backfills,
                is_off=settings.backfills.backfill == "off",
                source_may_lack=parts.source_is_compacted,
            ),
            tracer=tracer,
        )
        self._restorer = PartitionFactory(parts.core, shared, takeover, status)
        self._owned = OwnedPartitions(
            source,
            self._restorer,
            self._commits,
            self.dead_letter_limit,
            status,
            check_room=parts.check_room,
            on_begun=wake.set,
            drain_timeout_s=kafka.drain_timeout_ms / 1000,
        )
        self.partitions: Mapping[int, Partition] = self._owned.partitions
        """Those that are worked on, by number, at any time."""
        self._poller = Poller(
            source,
            self.partitions,
            InFlightBound(settings.service.in_flight_bytes, kafka.max_poll_records),
            status,
            wake=wake,
            growth=lambda: self._growth,
        )
        self._health = Health(
            source,
            parts.heartbeats,
            parts.writer,
            self._owned,
            status,
            silence_max_s=_MISSED_HEARTBEATS * kafka.heartbeat_interval_ms / 1000,
            growth=lambda: self._growth,
        )
        self.tail = PartitionEnds(
            kafka, source, self.partitions, status, may_have_gaps=parts.source_is_compacted
        )
        self._growth: AddedPartitions | None = None
        self._letting_through: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._is_ending = False

    @property
    def state_memory_bytes(self) -> int:
        """What the partitions' stores hold in memory."""
        return self._parts.state_memory_bytes()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then drain within the shutdown's deadline, commit, and return.

        Raises:
            ExceptionGroup: what a stage could not get over.

        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._owned.start(tasks)
            topics = self.source, self._parts.changelog, self.status
            background = [
                tasks.create_task(self._parts.writer.run(), name="writer"),
                tasks.create_task(self._commits.run(self.partitions), name="commits"),
                # What goes wrong in a rebalance would otherwise only be logged.
                tasks.create_task(self.source.failed(), name="watch"),
                tasks.create_task(
                    watch_topics(*topics, self._settings.kafka.metadata_max_age_ms / 1000),
                    name="watch-topics",
                ),
                tasks.create_task(self._health.run(), name="health"),
                tasks.create_task(self.tail.run(), name="tail"),
                tasks.create_task(self.disk.run(), name="disk"),
                tasks.create_task(self.source.follow_ends(lambda: self._owned.numbers), name="log-ends"),
            ]
            polling = tasks.create_task(self._poller.run(), name="poll")
            try:
                await stop.wait()
            finally:
                self._is_ending = True
                self._owned.close()
            self.status.unhealthy("draining", "shutting down")
            polling.cancel()
            if self._letting_through is not None:
                self._letting_through.cancel()
            await self._owned.release(self._owned.numbers, self._settings.service.shutdown_timeout_ms / 1000)
            for task in background:
                task.cancel()

    async def assigned(self, partitions: Collection[int]) -> None:
        """See `Assignment`."""
        if self._tasks is None:
            raise RuntimeError("partitions were assigned before the pipeline runs")
        # Another count of partitions is how the group hears first of a source that was deleted and made anew.
        await check_topics(self.source, self._parts.changelog, self.status)
        if self._is_ending:
            return  # a rebalance met the end: what is not begun is the next owner's, once this member has left
        self.source.pause(partitions)
        known = self._parts.changelog_shape.partitions
        if self.source.partition_count > known:
            self._growth = AddedPartitions(self.source.topic, known, self.source.partition_count)
        partitions = [number for number in partitions if number < known]
        self._owned.begin(partitions)
        self.status.rebalanced()
        log.info("partitions assigned", partitions=sorted(partitions))

    async def revoked(self, partitions: Collection[int]) -> None:
        """See `Assignment`."""
        self.status.unhealthy("rebalancing", "joining the group")
        if not partitions:
            return
        if self.source.is_expelled:
            # Another member may own them by now: nothing that is begun here could be kept.
            log.warning("the group has gone on without this member", partitions=sorted(partitions))
            await self._owned.release(partitions, 0)
        else:
            await self._owned.release(partitions, self._settings.kafka.drain_timeout_ms / 1000)
        log.info("partitions revoked", partitions=sorted(partitions))

    def deleted(self, partition: int, first: int, end: int) -> None:
        """See `Assignment`."""
        self._lost_events.deleted(partition, first, end)

    def reach(self, number: int) -> Reach | None:
        """Return how far a partition that is worked on is read, past what is no event, and how far it goes; None where it is not known yet."""
        return advanced_reach(self.partitions[number], self.source)

    def follow(self, core: Core) -> None:
        """Have every partition's next batch worked on by another core."""
        self._owned.follow(core)

    def _live(self) -> Live:
        ends = reached_and_end(self.partitions, self.source)
        return Live(
            self.status.figures.received, sum(max(end - reached, 0) for reached, end in ends.values())
        )

    def request(self, request: str) -> None:
        """Have all profiles looked at again, of every partition that this worker has now or later, unless that was done for this request before."""
        self._owned.request_backfill(request)

    @property
    def backfill_notes(self) -> dict[int, BackfillNote]:
        """Which configuration the state of each partition that is worked on is complete for, of those of which it is noted."""
        notes = {number: each.backfill_note for number, each in self.partitions.items()}
        return {number: note for number, note in notes.items() if note is not None}

    def let_through(self) -> None:
        """Have dead letters written again, and those of what the topic has by now not counted."""
        if self._letting_through is not None:
            self._letting_through.cancel()
        if self._tasks is not None and not self._is_ending:
            through = let_through(self.dead_letter_limit, self.source.ends)
            self._letting_through = self._tasks.create_task(through, name="let-through")
