"""Moving state after partitions were added to the source: `processor state repartition`.

Each profile's record goes to the partition that Kafka's default partitioner now gives its key, in the changelog, which gets
as many partitions as the source. A record says which event made it, by an offset of its former partition; in the new one it
stands before the first offset that is not taken there yet, so that every event to come is newer.

All is looked at before anything is written: that what the former partitions still hold is of keys which stay, and that keys
are where the default partitioner puts them. Then every committed offset says that a repartition is under way, which no start
takes; records are appended where they go, and after all of them deleted where they were; and last the offsets say that
it is done. Broken off anywhere, it may be run again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from processor.backfill.note import BackfillNote, decode_note, encode_note
from processor.errors import StateRefused
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, STREAM_KEY, Changelog
from processor.kafka.changelog_batches import Deletion
from processor.kafka.commit_metadata import START, Mark, Repartition
from processor.kafka.dead_letter_reader import open_reader
from processor.kafka.offline_group import Kept, offline_group
from processor.kafka.offsets import Bounds
from processor.kafka.topics import open_topics
from processor.profile.state_record import decode_record, encode_record, has_departed, record_origin
from processor.state.directory import StateDirectory
from processor.state.overlay import Overlay
from processor.state.store_contents import opened
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from processor.worker.added_partitions import partition_of
from processor.worker.checkpoint import Checkpoint
from processor.worker.consistency import check_changelog
from processor.worker.restore import restore
from processor.worker.takeover import is_of_use

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from processor.kafka.commit_metadata import Committed
    from processor.kafka.dead_letter_reader import TopicReader
    from processor.kafka.offline_group import OfflineGroup
    from processor.kafka.topics import Topics
    from processor.settings import Settings

_RECORDS_AT_ONCE: Final = 2_000
_LOOKED_AT_OF_NEW: Final = 1_000
"""So many events of a new partition show whether keys are where they should be."""
_ELSE: Final = "start a new group, which exports every profile anew"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: from how many partitions to how many, profiles moved to each, and where each goes on."""

    before: int
    now: int
    moved: Counter[int]
    goes_on_at: Mapping[int, int]


async def repartition(settings: Settings, on_progress: Callable[[str, int], None]) -> Outcome:
    """Move the state to as many partitions as the source has now.

    `on_progress` is called with what is being done, and how many profiles it was done with.

    Raises:
        StateRefused: there is nothing to move, the group has members, or events of keys that move are not taken yet; nothing
            was changed then.
        StateError: the state directory cannot be used.
        KafkaRefused, KafkaUnavailable: Kafka failed; it may be run again.

    """
    kafka = settings.kafka
    async with offline_group(kafka) as group, open_topics(kafka) as topics:
        source = (await topics.shape(kafka.topic)).partitions
        changelog = (await topics.shape(settings.changelog_topic)).partitions
        bounds = await group.bounds(range(source))
        committed = await group.committed(range(source))
        begun = next((each.repartition for each in committed.values() if each.repartition), None)
        if begun is None and changelog >= source:
            raise StateRefused(
                f"{kafka.topic} has {source} partitions and its changelog {changelog}: there is nothing to move"
            )
        plan = begun or Repartition(changelog, source)
        starts = {
            each: committed[each].offset if each in committed else bounds[each].begin
            for each in range(plan.now)
        }
        work = _Work(settings, plan, starts, on_progress)
        async with work.restored(topics, committed) as stores:
            if begun is None:
                await topics.check_may_grow(settings.changelog_topic, plan.now)
                await work.check_keys(stores)
                await work.check_events(bounds)
            await group.commit({each: Kept(starts[each], str(plan)) for each in range(plan.now)})
            await topics.grow(settings.changelog_topic, plan.now)
            return await work.move(stores, group)


@dataclass(slots=True)
class _Work:
    settings: Settings
    plan: Repartition
    starts: Mapping[int, int]
    on_progress: Callable[[str, int], None]
    _stream: str | None = None
    _notes: list[BackfillNote | None] = field(default_factory=list)

    @asynccontextmanager
    async def restored(
        self, topics: Topics, committed: Mapping[int, Committed]
    ) -> AsyncIterator[Mapping[int, Path]]:
        """Bring the stores of the former partitions up to the changelog, and return where they are."""
        settings, kafka = self.settings, self.settings.kafka
        shape = await topics.trusted_changelog(settings.changelog_topic)
        directory = await asyncio.to_thread(
            StateDirectory, settings.state, kafka.group, kafka.topic, await topics.cluster_id(), partitions=1
        )
        changelog = Changelog(kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
        found: dict[int, Path] = {}
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, directory.close)
            stack.push_async_callback(changelog.stop)
            await changelog.start()
            for partition in range(self.plan.before):
                store = await directory.open(
                    partition,
                    deletions_kept_ms=shape.delete_retention_ms,
                    purged_kept_ms=shape.min_compaction_lag_ms,
                )
                try:
                    each = committed.get(partition)
                    each = each and each._replace(repartition=None)
                    bounds = await changelog.bounds(partition)
                    if not is_of_use(partition, each, store, changelog.identity, bounds):
                        await store.clear()
                    check_changelog(partition, each, bounds, store.position)
                    outdated = await restore(changelog, partition, store, bounds.end, lambda _: None)
                    if outdated:
                        checkpoint = Checkpoint(partition, changelog, Overlay(store), Status())
                        await checkpoint.reassert(outdated, bounds.end)
                    self._stream = self._stream or store.stream
                    self._notes.append(None if store.backfill is None else decode_note(store.backfill))
                    if changelog.identity is not None:
                        store.note(changelog=changelog.identity.topic)
                finally:
                    await store.close()
                found[partition] = store.path
                self.on_progress(f"partition {partition} is restored", 0)
            yield found

    async def check_keys(self, stores: Mapping[int, Path]) -> None:
        """Check that the former partitions hold the profiles that the default partitioner puts there.

        Raises:
            StateRefused: they do not.

        """
        for partition, path in stores.items():
            strangers = await asyncio.to_thread(self._strangers, partition, path)
            if strangers:
                raise StateRefused(
                    f"{strangers} profiles of partition {partition} are not where Kafka's default partitioner puts their keys, of "
                    f"{self.plan.before} partitions: the producers choose partitions in another way, or events of keys that had "
                    f"moved were taken before the service knew of the new partitions. Which state belongs where cannot be known: {_ELSE}"
                )

    def _strangers(self, partition: int, path: Path) -> int:
        with opened(path) as contents:
            return sum(partition_of(key, self.plan.before) != partition for key, _ in contents.records())

    async def check_events(self, bounds: Mapping[int, Bounds]) -> None:
        """Check that what is not taken yet is of keys that are where they stay.

        Raises:
            StateRefused: events that belong to a state elsewhere are not taken yet.

        """
        async with open_reader(self.settings.kafka) as reader:
            for partition in range(self.plan.now):
                start, end = self.starts[partition], bounds[partition].end
                is_new = partition >= self.plan.before
                if is_new:
                    end = min(end, start + _LOOKED_AT_OF_NEW)
                start = max(start, bounds[partition].begin)
                strangers = await self._strange_events(reader, partition, start, end)
                if strangers is None:
                    continue
                if is_new:
                    raise StateRefused(
                        f"partition {partition} has events of keys that Kafka's default partitioner does not put there: state "
                        f"cannot be moved by it. Instead {_ELSE}"
                    )
                raise StateRefused(
                    f"partition {partition}: events from offset {strangers.begin} to {strangers.end} are of keys that have moved, "
                    "and are not taken yet. Start the service, wait until it has finished the former partitions, and see "
                    "that every producer knows the new ones. Where they stand behind events of keys that moved here, they "
                    f"cannot be taken in order any more: {_ELSE}"
                )

    async def _strange_events(
        self, reader: TopicReader, partition: int, start: int, end: int
    ) -> Bounds | None:
        """Return the first and the last offset of events whose keys are not at home in a partition; None where there are none."""
        first = last = -1
        async with aclosing(reader.read(self.settings.kafka.topic, partition, start, end)) as records:
            async for record in records:
                if record.key is not None and partition_of(record.key, self.plan.now) != partition:
                    first, last = record.offset if first < 0 else first, record.offset
        return None if first < 0 else Bounds(first, last)

    async def move(self, stores: Mapping[int, Path], group: OfflineGroup) -> Outcome:
        """Append every record where it goes, delete it where it was, and commit offsets that mark the move as done."""
        settings, moved = self.settings, Counter[int]()
        changelog = Changelog(settings.kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
        await changelog.start()
        try:
            for partition in range(self.plan.before, self.plan.now):
                own = {CONSUMED_KEY: str(self.starts[partition]).encode()}
                if self._stream is not None:
                    own[STREAM_KEY] = self._stream.encode()
                await changelog.append(partition, own)
            note = moved_note(self._notes, self.plan.now)
            if note is not None:
                for partition in range(self.plan.now):
                    await changelog.append(partition, {BACKFILL_KEY: encode_note(note)})
            for partition, path in stores.items():
                async with aclosing(self._leaving(partition, path)) as chunks:
                    async for chunk in chunks:
                        await self._append(changelog, chunk)
                        moved.update(partition_of(key, self.plan.now) for key in chunk)
                        self.on_progress("moving", moved.total())
            # Only now: broken off before this, all is where it was.
            deleted = 0
            for partition, path in stores.items():
                async with aclosing(self._leaving(partition, path)) as chunks:
                    async for chunk in chunks:
                        gone = {key: Deletion(*record_origin(record)) for key, record in chunk.items()}
                        await changelog.append(partition, gone)
                        deleted += len(gone)
                        self.on_progress("deleting where they were", deleted)
            ends = {each: (await changelog.bounds(each)).end for each in range(self.plan.now)}
        finally:
            await changelog.stop()
        await group.commit(
            {
                each: Kept(self.starts[each], str(Mark(changelog.identity, end)))
                if end
                else Kept(self.starts[each], START)
                for each, end in ends.items()
            }
        )
        return Outcome(self.plan.before, self.plan.now, moved, self.starts)

    async def _append(self, changelog: Changelog, chunk: Mapping[bytes, bytes]) -> None:
        by_partition: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        for key, record in chunk.items():
            to = partition_of(key, self.plan.now)
            before_all = msgspec.structs.replace(
                decode_record(record), offset=self.starts[to] - 1, backfill=0
            )
            by_partition[to][key] = encode_record(before_all)
        for to, entries in by_partition.items():
            await changelog.append(to, entries)

    async def _leaving(self, partition: int, path: Path) -> AsyncGenerator[dict[bytes, bytes], None]:
        """Yield the profiles that leave a partition, with their records; those that are in no segment have nothing to take along."""
        with ExitStack() as stack:
            contents = await asyncio.to_thread(stack.enter_context, opened(path))
            records = (
                (key, record)
                for key, record in contents.records()
                if not has_departed(record) and partition_of(key, self.plan.now) != partition
            )
            while chunk := await asyncio.to_thread(_some, records):
                yield chunk


def moved_note(notes: Sequence[BackfillNote | None], partitions: int) -> BackfillNote | None:
    """Return the note of every partition once state has moved among them; None where no state had one.

    State is complete for a configuration where that of each former partition was. Else each looks at its events once more.
    """
    known = [each for each in notes if each is not None]
    if not known:
        return None
    newest = max(known, key=lambda each: each.number)
    is_complete = all(
        each is not None and each.is_complete and each.fingerprint == newest.fingerprint for each in notes
    )
    return BackfillNote(
        newest.number + 1,
        newest.fingerprint,
        is_complete,
        former=newest.former,
        request=newest.request,
        partitions=partitions,
    )


def _some(records: Iterator[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return dict(islice(records, _RECORDS_AT_ONCE))
