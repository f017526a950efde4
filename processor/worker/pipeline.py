"""One worker: source, core, writer, dead letters, changelog and state, wired; partitions come and go.

Data flows down: `poll` -> `Partition` (core, writer). Acknowledgements come up: the partition's `next_offset`,
committed here, and only for partitions that are still owned.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaError, KafkaUnavailable, StateError, StateUnavailable
from processor.kafka.changelog import RECORD_OVERHEAD_BYTES
from processor.kafka.commit_metadata import Mark
from processor.kafka.source import Source
from processor.state.overlay import Overlay
from processor.telemetry.losses import Losses
from processor.worker import disk_trouble
from processor.worker.added_partitions import Growth
from processor.worker.checkpoint import Checkpoint
from processor.worker.dead_letter_limit import DeadLetterLimit, let_through
from processor.worker.health import tell_of_kafka, tell_of_kinesis
from processor.worker.in_flight_bound import STARVED_AFTER_S, Bound
from processor.worker.partition import Partition, Stages
from processor.worker.partition_ends import Tail
from processor.worker.takeover import take_over
from processor.worker.topic_watch import check_topics, watch_topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from processor.kafka.changelog import Changelog
    from processor.kafka.dead_letters import DeadLetters
    from processor.kafka.heartbeats import Heartbeats
    from processor.kafka.offsets import Reach
    from processor.kafka.source import Records
    from processor.kafka.topics import ChangelogShape
    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.settings import Settings
    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.telemetry.status import Status
    from processor.telemetry.traces import Tracer

log = structlog.get_logger(__name__)

_POLL_RETRY_S: Final = 1.0
_LAST_COMMIT_S: Final = 3.0
_HEALTH_INTERVAL_S: Final = 0.5
_MISSED_HEARTBEATS: Final = 3
_PROGRESS_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker's partitions share; all of it is started before the pipeline and stopped after it."""

    core: Core
    writer: Writer
    dead_letters: DeadLetters
    changelog: Changelog
    changelog_shape: ChangelogShape
    heartbeats: Heartbeats
    stream: str
    committed_elsewhere: Mapping[str, Mapping[int, int]]
    """Offsets that the group has committed of other topics."""
    source_is_compacted: bool
    check_room: Callable[[int], None]
    """Raises where so many stores cannot be open at once."""
    open_store: Callable[[int], Awaitable[Store]]
    disk: Disk
    state_memory_bytes: Callable[[], int]


class Pipeline:
    """Runs until `stop` is set, then drains. Its clients are started before and stopped after, by the service."""

    def __init__(
        self, settings: Settings, parts: Parts, status: Status, tracer: Tracer | None = None
    ) -> None:
        self.source = Source(settings.kafka, self, parts.heartbeats, gives_id_back=settings.gives_id_back)
        self.disk = parts.disk
        self.status = status
        self.partitions: dict[int, Partition] = {}
        self.dead_letter_limit = DeadLetterLimit(settings.service, status)
        self.tail = Tail(settings.kafka, self, status, may_have_gaps=parts.source_is_compacted)
        self._losses = Losses(status, parts.committed_elsewhere)
        self._settings = settings
        self._bound = Bound(settings.service.in_flight_bytes, settings.kafka.max_poll_records)
        self._parts = parts
        self._tracer = tracer
        self._owned: dict[int, asyncio.Task[None]] = {}
        self._committing = asyncio.Lock()
        self._letting_go = asyncio.Lock()
        self._beginning_anew: set[int] = set()
        self._is_ending = False
        self._growth: Growth | None = None
        self._letting_through: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._stirred = asyncio.Event()

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
            topics = self.source, self._parts.changelog, self.status
            background = [
                tasks.create_task(self._parts.writer.run(), name="writer"),
                tasks.create_task(self._commit_now_and_then(), name="commits"),
                tasks.create_task(self._watch(), name="watch"),
                tasks.create_task(
                    watch_topics(*topics, self._settings.kafka.metadata_max_age_ms / 1000),
                    name="watch-topics",
                ),
                tasks.create_task(self._tend_health(), name="health"),
                tasks.create_task(self.tail.run(), name="tail"),
                tasks.create_task(self.disk.run(), name="disk"),
                tasks.create_task(self.source.follow_ends(lambda: list(self._owned)), name="log-ends"),
            ]
            polling = tasks.create_task(self._poll(), name="poll")
            try:
                await stop.wait()
            finally:
                self._is_ending = True
            self.status.unhealthy("draining", "shutting down")
            polling.cancel()
            if self._letting_through is not None:
                self._letting_through.cancel()
            await self._let_go(list(self._owned), self._settings.service.shutdown_timeout_ms)
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
            self._growth = Growth(self.source.topic, known, self.source.partition_count)
        partitions = [number for number in partitions if number < known]
        for number in partitions if self._is_room_for(partitions) else ():
            self._begin(number, self._tasks)
        self.status.figures.rebalances += 1
        self.status.healthy("starting")
        self.status.healthy("rebalancing")
        log.info("partitions assigned", partitions=sorted(partitions))

    def _is_room_for(self, partitions: Collection[int]) -> bool:
        """Whether the stores of `partitions` can be open; until they can, none of them is begun."""
        try:
            self._parts.check_room(len(self._owned) + len(partitions))
        except StateError as error:
            # The first to join may hold all partitions until the others have; who leaves for it only begins anew.
            self.status.unhealthy("open files", f"{error}. It begins none until it is given fewer")
            return False
        self.status.healthy("open files")
        return True

    async def revoked(self, partitions: Collection[int]) -> None:
        """See `Assignment`."""
        self.status.unhealthy("rebalancing", "joining the group")
        if not partitions:
            return
        if self.source.is_expelled:
            # Another member may own them by now: nothing that is begun here could be kept.
            log.warning("the group has gone on without this member", partitions=sorted(partitions))
            await self._let_go(partitions, 0)
        else:
            await self._let_go(partitions, self._settings.kafka.drain_timeout_ms)
        log.info("partitions revoked", partitions=sorted(partitions))

    def deleted(self, partition: int, first: int, end: int) -> None:
        """See `Assignment`."""
        self._losses.deleted(partition, first, end)

    def reach(self, number: int) -> Reach | None:
        """How far a partition is read, and how far it goes; what was read and is no event is done with from now on."""
        reach = self.source.reach(number)
        if reach is not None:
            self.partitions[number].pass_to(reach.position)
        return reach

    def follow(self, core: Core) -> None:
        """Have every partition's next batch worked on by another core."""
        self._parts = replace(self._parts, core=core)
        for partition in self.partitions.values():
            partition.follow(core)

    def _begin(self, number: int, tasks: asyncio.TaskGroup) -> None:
        self.status.assigned(number)
        self._owned[number] = tasks.create_task(self._own(number), name=f"partition-{number}")

    def let_through(self) -> None:
        """Have dead letters written again, and those of what the topic has by now not counted."""
        if self._letting_through is not None:
            self._letting_through.cancel()
        if self._tasks is not None and not self._is_ending:
            through = let_through(self.dead_letter_limit, self.source.ends)
            self._letting_through = self._tasks.create_task(through, name="let-through")

    async def _own(self, number: int) -> None:
        """Restore a partition, then work on it, until cancelled."""
        try:
            await self._work_on(number)
        except (StateUnavailable, ExceptionGroup) as error:
            why = disk_trouble.cause_of(error)
            if why is None:
                raise
            self._begin_anew_for(number, why)

    async def _work_on(self, number: int) -> None:
        store = await disk_trouble.opened(number, self._parts.open_store, self.disk, self.status)
        try:
            start = await self._taken_over(number, store)
            partition = self._partition(number, store)
            partition.start_offset = start
            self.partitions[number] = partition
            self.status.restored(number)
            log.info("partition restored", partition=number, offset=start, changelog_offset=store.position)
            self.source.resume(number, start)
            self._stirred.set()
            await partition.run()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                # A client's own cancellation: the partition would stand still, and nobody would know.
                raise RuntimeError(f"work on partition {number} was broken off from within") from error
            raise
        finally:
            await store.close()

    def _begin_anew_for(self, number: int, why: str) -> None:
        """Let go of a partition whose disk takes nothing, without giving it up, and begin it anew once it does."""
        self.status.unhealthy(disk_trouble.CONDITION, why, number)
        if self._tasks is not None and number not in self._beginning_anew:
            self._beginning_anew.add(number)
            self._tasks.create_task(self._begin_anew(number, self._tasks), name=f"anew-{number}")

    async def _begin_anew(self, number: int, tasks: asyncio.TaskGroup) -> None:
        async with self._letting_go:
            self._beginning_anew.discard(number)
            if self._is_ending or number not in self._owned:
                return  # the end, or a rebalance, came first
            # Where work on it has ended, nothing would drain it.
            patience_ms = 0 if self._owned[number].done() else self._settings.kafka.drain_timeout_ms
            await self._release(asyncio.get_running_loop().time() + patience_ms / 1000, [number])
            if self.source.has(number):
                self.status.begun_anew(number, disk_trouble.CONDITION)
                self.source.pause([number])
                self._begin(number, tasks)
            else:
                self.status.revoked(number)

    def _partition(self, number: int, store: Store) -> Partition:
        parts, state = self._parts, Overlay(store)
        checkpoint = Checkpoint(number, parts.changelog, state, self.status)
        return Partition(
            number,
            Stages(parts.core, state, parts.writer, parts.dead_letters, checkpoint, self.dead_letter_limit),
            self.status,
            state_bytes_max=parts.changelog_shape.max_message_bytes - RECORD_OVERHEAD_BYTES,
            on_room=self._stirred.set,
            tracer=self._tracer,
        )

    async def _taken_over(self, number: int, store: Store) -> int:
        loop = asyncio.get_running_loop()
        told_at_s = loop.time()
        checkpoint = Checkpoint(number, self._parts.changelog, Overlay(store), self.status)

        def progress(position: int, end: int) -> None:
            nonlocal told_at_s
            self.status.restoring(number, position, end)
            if loop.time() >= told_at_s + _PROGRESS_INTERVAL_S:
                told_at_s = loop.time()
                log.info("restoring", partition=number, changelog_offset=position, of=end)

        while True:
            try:
                return await take_over(
                    number,
                    self.source,
                    self._parts.changelog,
                    store,
                    stream=self._parts.stream,
                    offset_reset=self._settings.kafka.offset_reset,
                    on_progress=progress,
                    overrule=checkpoint.overrule,
                    losses=self._losses,
                )
            except KafkaUnavailable as error:
                log.warning("restoring failed, trying again", partition=number, reason=str(error))
                await asyncio.sleep(_POLL_RETRY_S)

    async def _poll(self) -> None:
        """Take records for the partitions that have room, as long as there are any."""
        loop = asyncio.get_running_loop()
        while True:
            held = {number: partition.held_bytes for number, partition in self.partitions.items()}
            room = self._bound.room(held, loop.time())
            if room is None:
                self._stirred.clear()
                if held:
                    self.status.held_back()
                await self._stir()
                continue
            try:
                batches = await self.source.poll(room)
            except KafkaError as error:
                self.status.unhealthy("fetching", str(error))
                log.warning("fetching failed, trying again", reason=str(error))
                await asyncio.sleep(_POLL_RETRY_S)
                continue
            self.status.healthy("fetching")
            for number, records in batches.items():
                # Between the poll and here nothing was awaited, but during the poll a partition may have gone.
                if number in self.partitions:
                    self._offer(number, records)

    def _offer(self, number: int, records: Records) -> None:
        """Have a partition take what was fetched of it."""
        if self._growth is not None:
            records = self._growth.held_back(number, records, self.source)
        if records:
            reach = self.source.reach(number)
            self.partitions[number].offer(records, None if reach is None else reach.end)

    async def _stir(self) -> None:
        """Wait until a partition has room, or for so long that those which get nothing get something."""
        try:
            async with asyncio.timeout(STARVED_AFTER_S):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        """Raise what went wrong in a rebalance, where it would otherwise only be logged."""
        await self.source.failed()

    async def _commit_now_and_then(self) -> None:
        interval_s = self._settings.kafka.commit_interval_ms / 1000
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self._commit(list(self.partitions.values()))
            except KafkaError as error:
                self.status.unhealthy("commits", str(error))
                log.warning("committing failed, trying again", reason=str(error))
            else:
                self.status.healthy("commits")

    async def _tend_health(self) -> None:
        """Tell whether both ends answer, and begin anew what its disk has failed."""
        patience_s = _MISSED_HEARTBEATS * self._settings.kafka.heartbeat_interval_ms / 1000
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            for number, partition in list(self.partitions.items()):
                if partition.disk_trouble is not None:
                    self._begin_anew_for(number, partition.disk_trouble)
            tell_of_kafka(self.status, self.source, self._parts.heartbeats, patience_s)
            tell_of_kinesis(self.status, self._parts.writer)
            if self._growth is not None:
                self.status.unhealthy("added partitions", self._growth.told(self._owned, self._reached()))

    def _reached(self) -> dict[int, tuple[int, int]]:
        """Of each partition that is worked on: the offset that is reached, and where it ends."""
        reaches = {number: (self.reach(number), each) for number, each in self.partitions.items()}
        return {
            number: (each.start_offset if each.next_offset is None else each.next_offset, reach.end)
            for number, (reach, each) in reaches.items()
            if reach is not None
        }

    async def _commit(self, partitions: Collection[Partition]) -> None:
        # One at a time: an older commit that is still on its way must not arrive after a newer one.
        async with self._committing:
            for number in self.partitions:
                self.reach(number)
            offsets = {
                partition: partition.next_offset
                for partition in partitions
                if partition.next_offset is not None and partition.next_offset != partition.committed_offset
            }
            began_s = time.perf_counter()
            marks = {p.number: Mark(self._parts.changelog.identity, p.changelog_position) for p in offsets}
            if offsets and await self.source.commit({p.number: o for p, o in offsets.items()}, marks):
                self.status.durations.commit.observe(time.perf_counter() - began_s)
                for partition, offset in offsets.items():
                    partition.committed(offset)

    async def _let_go(self, numbers: Collection[int], timeout_ms: int) -> None:
        """Drain partitions, together, within one deadline; commit what is acknowledged; close them."""
        deadline_s = asyncio.get_running_loop().time() + timeout_ms / 1000
        # The end may come while a rebalance lets partitions go; each is let go of once.
        async with self._letting_go:
            await self._let_go_by(deadline_s, [number for number in numbers if number in self._owned])

    async def _let_go_by(self, deadline_s: float, numbers: Collection[int]) -> None:
        await self._release(deadline_s, numbers)
        for number in numbers:
            self.status.revoked(number)

    async def _release(self, deadline_s: float, numbers: Collection[int]) -> None:
        leaving = [self.partitions.pop(number) for number in numbers if number in self.partitions]
        begun = {partition.number for partition in leaving}
        # What is not restored yet must not begin while the others are drained.
        await self._end([self._owned.pop(number) for number in numbers if number not in begun])
        try:
            async with asyncio.timeout_at(deadline_s):
                await asyncio.gather(*(partition.drain() for partition in leaving))
        except TimeoutError:
            log.warning("draining took too long", partitions=sorted(numbers))
        await self._end([self._owned.pop(number) for number in begun])
        for partition in leaving:
            await partition.abandon()
        try:
            async with asyncio.timeout(_LAST_COMMIT_S):
                await self._commit(leaving)
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or f"it was not answered within {_LAST_COMMIT_S:g} s"
            log.warning("the last commit failed; what it covers will be repeated", reason=reason)
        for number in numbers:
            self.dead_letter_limit.forget(number)

    async def _end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
