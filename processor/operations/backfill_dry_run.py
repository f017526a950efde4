"""What a backfill would export of the real topic, worked out on this machine: nothing is written anywhere, and no group is joined."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processor.backfill.latest_events import LatestEvents, Read, count_unmet
from processor.backfill.note import decode_note
from processor.errors import ConfigurationError, Problem, StateRefused
from processor.governance.fingerprint import fingerprint
from processor.kafka.changelog import RECORD_OVERHEAD_BYTES, RESTORED_BY, Changelog
from processor.kafka.offline_group import looked_at_group
from processor.kafka.offsets import Bounds
from processor.kafka.source_history import open_history
from processor.kafka.source_topic import look_at_source
from processor.kafka.topics import open_topics
from processor.kinesis.connection import RECORD_BYTES_DEFAULT
from processor.operations.backfill_dry_run_figures import DryRunFigures
from processor.profile.batch import Again, Limits
from processor.profile.core import Core
from processor.profile.processing import process_again
from processor.state.directory import StateDirectory
from processor.waiting.fence import Fence
from processor.worker.added_partitions import AddedPartitions, partition_of
from processor.worker.consistency import check_changelog, check_stream
from processor.worker.restore import restore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from processor.governance.plan import Plan
    from processor.kafka.commit_metadata import Committed
    from processor.kafka.source_history import SourceHistory
    from processor.kafka.topics import ChangelogShape
    from processor.profile.source_record import Record
    from processor.settings import Settings
    from processor.state.store import Store

_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""What the store of the dry run may hold: it may run beside a worker, within the same bound."""
_EVENTS_AT_ONCE: Final = 256
_NO_CHANGELOG: Final = (
    "the group has exported nothing yet, so that there is nothing to look at again; else have " + RESTORED_BY
)


async def dry_run_backfill(
    settings: Settings, plan: Plan, on_progress: Callable[[DryRunFigures], None]
) -> DryRunFigures:
    """Return what a backfill under `plan` would come to; `on_progress` is called with the figures so far, again and again.

    Partition by partition, the state is restored from the changelog into a store of its own, under the state directory, and the
    source is read from where the group is, backwards. Memory is bounded whatever they hold; the disk has to hold one
    partition's state.

    Raises:
        ConfigurationError, StateUnavailable: the state directory cannot be written.
        StateRefused: state, offsets and stream do not belong together, or partitions were added and the state was not moved yet.
        StateError, InvalidStateRecord: the state cannot be read.
        KafkaRefused, KafkaUnavailable: Kafka cannot be read.

    """
    kafka = settings.kafka
    async with open_topics(kafka) as topics:
        source = await look_at_source(topics, kafka.topic)
        await topics.shape(settings.changelog_topic, _NO_CHANGELOG)
        shape = await topics.trusted_changelog(settings.changelog_topic)
        cluster = await topics.cluster_id()
    if shape.partitions < source.shape.partitions:
        raise StateRefused(AddedPartitions(kafka.topic, shape.partitions, source.shape.partitions).remedy)
    figures = DryRunFigures(shape.partitions)
    changelog = Changelog(kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
    async with looked_at_group(kafka) as group:
        # In this order: what offsets rely on is in the changelog, also where a service runs meanwhile.
        committed = await group.committed(range(shape.partitions))
    async with open_history(kafka, may_have_gaps=source.is_compacted) as history:
        trial = _Trial(plan, history, shape.max_message_bytes, figures, lambda: on_progress(figures))
        for partition in range(shape.partitions):
            async with _store(settings, shape, cluster, partition) as store:
                if await _restored(changelog, partition, store, committed, plan.destination.exported_to):
                    await trial.look(partition, store, _taken_before(committed, partition, store))
            figures.done()
            on_progress(figures)
    return figures


@asynccontextmanager
async def _store(
    settings: Settings, shape: ChangelogShape, cluster: str, partition: int
) -> AsyncIterator[Store]:
    """A store of a partition, empty, and gone afterwards."""
    place = await asyncio.to_thread(_place, settings.state.directory)
    try:
        own = settings.state.model_copy(update={"directory": Path(place.name), "memory_bytes": _MEMORY_BYTES})
        kafka = settings.kafka
        directory = await asyncio.to_thread(
            StateDirectory, own, kafka.group, kafka.topic, cluster, partitions=1
        )
        try:
            store = await directory.open(
                partition,
                deletions_kept_ms=shape.delete_retention_ms,
                purged_kept_ms=shape.min_compaction_lag_ms,
            )
            try:
                yield store
            finally:
                await store.close()
        finally:
            await asyncio.to_thread(directory.close)
    finally:
        await asyncio.to_thread(place.cleanup)


def _place(home: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a directory beside the stores: the one place that a pod with a read-only root may write to."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="dry-run-", dir=home)
    except OSError as error:
        problem = Problem(
            "environment",
            None,
            "PROCESSOR_STATE_DIRECTORY",
            f"{home}: {error.strerror}",
            "Name a directory that can be written, also for a dry run",
        )
        raise ConfigurationError([problem]) from error


async def _restored(
    changelog: Changelog, partition: int, store: Store, committed: Mapping[int, Committed], stream: str
) -> int:
    """Restore the partition's state, and return where its changelog ended: 0 where it has none."""
    bounds = await changelog.bounds(partition)
    check_changelog(partition, committed.get(partition), bounds, 0)
    await restore(changelog, partition, store, bounds.end, lambda _: None)
    check_stream(partition, store.stream, stream)
    return bounds.end


def _taken_before(committed: Mapping[int, Committed], partition: int, store: Store) -> int:
    """The source's offset before which the state knows every event: an older one must not be taken for the latest."""
    offset = committed[partition].offset if partition in committed else 0
    return max(offset, store.consumed or 0, store.highest_offset + 1)


class _Trial:
    """Looks at partitions, one after the other, under `plan`, as of one time for all."""

    def __init__(
        self,
        plan: Plan,
        history: SourceHistory,
        max_message_bytes: int,
        figures: DryRunFigures,
        on_progress: Callable[[], None],
    ) -> None:
        self._core = Core(plan)
        self._fingerprint = fingerprint(plan)
        self._history = history
        self._limits = Limits(RECORD_BYTES_DEFAULT, max_message_bytes - RECORD_OVERHEAD_BYTES)
        self._figures = figures
        self._on_progress = on_progress
        self._at_ms = round(time.time() * 1000)

    async def look(self, partition: int, store: Store, boundary: int) -> None:
        """Count what would come of each profile's latest event before `boundary`."""
        figures, note = self._figures, None if store.backfill is None else decode_note(store.backfill)
        figures.note(note, self._fingerprint)
        begin, end = await self._history.bounds(partition)
        moved_to = None if note is None else note.partitions
        first: Read | None = None

        def count(read: Read) -> None:
            nonlocal first
            figures.add_read(read.events)
            if first is None or read.first_offset < first.first_offset:
                first = read

        search = LatestEvents(
            store,
            count,
            None if moved_to is None else lambda profile: partition_of(profile, moved_to) == partition,
        )
        again = Again(0 if note is None else note.number + 1, boundary - 1, self._at_ms)
        down_to = min(boundary, end)
        while down_to > begin:
            down_to = await search.read(self._history, partition, Bounds(begin, down_to))
            while search.advance():
                await self._look_again(store, search.take(_EVENTS_AT_ONCE), again)
                self._on_progress()
        figures.add_left(untaken=max(end - boundary, 0), unmet=await count_unmet(store))
        if begin > 0 and first is not None:
            figures.lacks_before(first.first_timestamp_ms)

    async def _look_again(self, store: Store, events: list[Record], again: Again) -> None:
        states = await store.get_many([event.key or b"" for event in events])
        for event in events:
            # One by one, for what a policy removes is counted by profile, too.
            batch = process_again(
                self._core, states, [event], self._limits, again, next_offset=again.offset + 1
            )
            self._figures.add(batch)
