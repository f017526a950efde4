"""A changelog in memory: one partition, as the checkpoint and the restore see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from processor.errors import KafkaUnavailable
from processor.kafka.changelog import Span
from processor.kafka.changelog_batches import BACKFILL_HEADER, OFFSET_HEADER, Deletion
from processor.kafka.offsets import Bounds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from processor.kafka.topic_ids import TopicIdentity


class Kept(NamedTuple):
    """A record, as a consumer hands it over."""

    offset: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class MemoryChangelog:
    def __init__(self) -> None:
        self.records: list[Kept] = []
        self.identity: TopicIdentity | None = None
        self.failures = 0
        """How many of the next calls fail."""

    def put(self, entries: Mapping[bytes, bytes | Deletion]) -> Span:
        first = len(self.records)
        for offset, (key, entry) in enumerate(entries.items(), start=first):
            if isinstance(entry, Deletion):
                headers = [(OFFSET_HEADER, str(entry.offset).encode())]
                if entry.backfill:
                    headers.append((BACKFILL_HEADER, str(entry.backfill).encode()))
                self.records.append(Kept(offset, key, None, headers))
            else:
                self.records.append(Kept(offset, key, entry, []))
        return Span(first, len(self.records))

    async def check_identity(self) -> None:
        """It stays the topic that it is."""

    async def append(self, _: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        await self._fail_now_and_then()
        return [self.put(entries)] if entries else []

    async def read(self, _: int, start: int, end: int) -> AsyncGenerator[Sequence[Kept], None]:
        await self._fail_now_and_then()
        for at in range(start, end, 3):
            yield self.records[at : min(at + 3, end)]

    async def bounds(self, _: int) -> Bounds:
        await self._fail_now_and_then()
        return Bounds(0, len(self.records))

    async def _fail_now_and_then(self) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise KafkaUnavailable("as scripted")

    def values(self, key: bytes) -> list[bytes]:
        """What was appended under a key, in order, deletions left out."""
        return [record.value for record in self.records if record.key == key and record.value is not None]

    def compacted(self) -> list[Kept]:
        """What compaction leaves at last: of each key the last record."""
        last = {record.key: record for record in self.records}
        return [record for record in self.records if last[record.key] is record]
