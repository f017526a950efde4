"""One worker: source, core, writer, dead letters and state, wired; partitions come and go.

Data flows down: `poll` -> `Partition` (core, writer). Acknowledgements come up: the partition's `next_offset`,
committed here, and only for partitions that are still owned.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from processor.errors import KafkaError, KafkaUnavailable
from processor.kafka.source import Source
from processor.partition import Partition
from processor.state.memory import MemoryStore
from processor.state.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Collection

    from processor.kafka.dead_letters import DeadLetters
    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.settings import Settings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

_POLL_RETRY_S = 1.0
_LAST_COMMIT_S = 3.0
_HEALTH_INTERVAL_S = 0.5
_MISSED_HEARTBEATS = 3


class Pipeline:
    """Runs until `stop` is set, then drains. Its clients are started before and stopped after, by the service."""

    def __init__(
        self, settings: Settings, core: Core, writer: Writer, dead_letters: DeadLetters, status: Status
    ) -> None:
        self.source = Source(settings.kafka, self)
        self.status = status
        self.partitions: dict[int, Partition] = {}
        self._settings = settings
        self._core = core
        self._writer = writer
        self._dead_letters = dead_letters
        self._running: dict[int, asyncio.Task[None]] = {}
        self._committing = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._stirred = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then drain within the shutdown's deadline, commit, and return.

        Raises:
            ExceptionGroup: what a stage could not get over.

        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            writing = tasks.create_task(self._writer.run(), name="writer")
            committing = tasks.create_task(self._commit_now_and_then(), name="commits")
            polling = tasks.create_task(self._poll(), name="poll")
            watching = tasks.create_task(self._watch(), name="watch")
            tending = tasks.create_task(self._tend_health(), name="health")
            await stop.wait()
            self.status.unhealthy("draining", "shutting down")
            polling.cancel()
            await self._let_go(list(self.partitions), self._settings.service.shutdown_timeout_ms)
            for task in (committing, watching, tending, writing):
                task.cancel()

    async def assigned(self, partitions: Collection[int]) -> None:
        """See `Assignment`."""
        for number in partitions:
            self._begin(number)
        self.status.healthy("starting")
        self.status.healthy("rebalancing")
        log.info("partitions assigned", partitions=sorted(partitions))

    async def revoked(self, partitions: Collection[int]) -> None:
        """See `Assignment`."""
        self.status.unhealthy("rebalancing", "joining the group")
        if not partitions:
            return
        await self._let_go(partitions, self._settings.kafka.drain_timeout_ms)
        log.info("partitions revoked", partitions=sorted(partitions))

    def _begin(self, number: int) -> None:
        if self._tasks is None:
            raise RuntimeError("a partition was assigned before the pipeline runs")
        partition = Partition(
            number,
            core=self._core,
            state=Overlay(MemoryStore()),
            writer=self._writer,
            dead_letters=self._dead_letters,
            status=self.status,
            on_room=self._stirred.set,
        )
        self.partitions[number] = partition
        self.status.partitions.add(number)
        self._running[number] = self._tasks.create_task(partition.run(), name=f"partition-{number}")
        self._stirred.set()

    async def _poll(self) -> None:
        """Take records for the partitions that have room, as long as there are any."""
        while True:
            room = self._settings.service.in_flight_bytes // max(len(self.partitions), 1)
            wanted = [number for number, p in self.partitions.items() if p.held_bytes < room]
            if not wanted:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            try:
                batches = await self.source.poll(wanted)
            except KafkaError as error:
                self.status.unhealthy("fetching", str(error))
                log.warning("fetching failed, trying again", reason=str(error))
                await asyncio.sleep(_POLL_RETRY_S)
                continue
            self.status.healthy("fetching")
            for number, records in batches.items():
                # Between the poll and here nothing was awaited, but during the poll a partition may have gone.
                if number in self.partitions:
                    self.partitions[number].offer(records)

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
        """Tell whether both ends answer; the clients themselves only retry."""
        patience_s = _MISSED_HEARTBEATS * self._settings.kafka.heartbeat_interval_ms / 1000
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            silence_s = self.source.silence_s
            if silence_s < patience_s:
                self.status.healthy("kafka")
            else:
                self.status.unhealthy("kafka", f"no heartbeat was answered for {silence_s:.0f} s")
            if self._writer.trouble is None:
                self.status.healthy("kinesis")
            else:
                self.status.unhealthy("kinesis", self._writer.trouble)

    async def _commit(self, partitions: Collection[Partition]) -> None:
        # One at a time: an older commit that is still on its way must not arrive after a newer one.
        async with self._committing:
            offsets = {
                partition: partition.next_offset
                for partition in partitions
                if partition.next_offset is not None and partition.next_offset != partition.committed_offset
            }
            if offsets and await self.source.commit({p.number: offset for p, offset in offsets.items()}):
                for partition, offset in offsets.items():
                    partition.committed(offset)

    async def _let_go(self, numbers: Collection[int], timeout_ms: int) -> None:
        """Drain partitions, together, within one deadline; commit what is acknowledged; close them."""
        leaving = {number: self.partitions.pop(number) for number in numbers if number in self.partitions}
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await asyncio.gather(*(partition.drain() for partition in leaving.values()))
        except TimeoutError:
            log.warning("draining took too long", timeout_ms=timeout_ms, partitions=sorted(leaving))
        await self._end([self._running.pop(number) for number in leaving])
        for partition in leaving.values():
            await partition.abandon()
        try:
            async with asyncio.timeout(_LAST_COMMIT_S):
                await self._commit(leaving.values())
        except (KafkaUnavailable, TimeoutError) as error:
            log.warning("the last commit failed; what it covers will be repeated", reason=str(error))
        for number, partition in leaving.items():
            partition.close()
            self.status.partitions.discard(number)

    async def _end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
