"""Making a partition that can be worked on: its store opened and restored, its stages put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.kafka.changelog import RECORD_OVERHEAD_BYTES
from processor.state.overlay import Overlay
from processor.worker import disk_trouble
from processor.worker.checkpoint import Checkpoint
from processor.worker.partition import Partition, Stages
from processor.worker.partition_backfill import PartitionBackfill

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.telemetry.status import Status
    from processor.telemetry.traces import Tracer
    from processor.worker.dead_letter_limit import DeadLetterLimit
    from processor.worker.dead_letter_stage import WriteDeadLetters
    from processor.worker.partition_backfill import Backfilling
    from processor.worker.state_changelog import StateChangelog
    from processor.worker.takeover import Start, Takeover


@dataclass(frozen=True, slots=True)
class Shared:
    """What the partitions of a worker share. A record of the changelog is `max_message_bytes` large at most."""

    writer: Writer
    write_dead_letters: WriteDeadLetters
    changelog: StateChangelog
    max_message_bytes: int
    open_store: Callable[[int], Awaitable[Store]]
    disk: Disk
    limit: DeadLetterLimit
    on_room: Callable[[], None]
    """Called whenever a partition has room again."""
    backfilling: Backfilling
    tracer: Tracer | None


class PartitionFactory:
    """Makes a worker's partitions. They work with `core` until they follow another."""

    def __init__(self, core: Core, shared: Shared, takeover: Takeover, status: Status) -> None:
        self._core = core
        self._shared = shared
        self._takeover = takeover
        self._status = status
        self._request: str | None = None

    def request_backfill(self, request: str) -> None:
        """Make partitions whose profiles are looked at again for this request, unless they were before."""
        self._request = request

    def follow(self, core: Core) -> None:
        """Make partitions that work with another core, from now on."""
        self._core = core

    @asynccontextmanager
    async def restored(self, number: int) -> AsyncIterator[Partition]:
        """Wait for the disk and for Kafka as long as it takes, and yield the partition; its store is closed at the end.

        Raises:
            StateUnavailable: the disk takes nothing any more in the midst of the restore.
            StateError, InvalidStateRecord: its state cannot be restored, and no waiting cures that.
            KafkaRefused: Kafka refused what the take-over needs.

        """
        store = await disk_trouble.opened(number, self._shared.open_store, self._shared.disk, self._status)
        try:
            start = await self._takeover.take_over(number, store)
            yield self._partition(number, store, start)
        finally:
            await store.close()

    def _partition(self, number: int, store: Store, start: Start) -> Partition:
        shared, state = self._shared, Overlay(store)
        checkpoint = Checkpoint(number, shared.changelog, state, self._status)
        backfill = PartitionBackfill(
            number, store, checkpoint, shared.backfilling, caught_up_at=start.caught_up_at
        )
        backfill.request(self._request)
        stages = Stages(self._core, state, shared.writer, shared.write_dead_letters, checkpoint, shared.limit)
        return Partition(
            number,
            stages,
            self._status,
            start_offset=start.offset,
            state_bytes_max=shared.max_message_bytes - RECORD_OVERHEAD_BYTES,
            on_room=shared.on_room,
            tracer=shared.tracer,
            backfill=backfill,
        )
