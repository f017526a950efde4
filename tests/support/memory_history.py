"""What the source has, in memory, in the place of a topic that is read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from processor.backfill.pace import Live, Pace
from processor.backfill.share import Share
from processor.kafka.offsets import Bounds
from processor.worker.partition_backfill import Backfilling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from processor.errors import KafkaError
    from processor.profile.source_record import Record
    from processor.telemetry.backfills import Backfills


class MemoryHistory:
    """See `SourceHistory`: one partition's records, `at_once` in each batch; `failures` are raised one by one before a batch comes."""

    def __init__(self, records: Sequence[Record] = (), *, at_once: int = 3) -> None:
        self.records = list(records)
        self.failures: list[KafkaError] = []
        self.spans: list[Bounds] = []
        """Those that were read, in order."""
        self._at_once = at_once

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[MemoryHistory]:
        """See `open_history`."""
        yield self

    async def bounds(self, _: int) -> Bounds:
        """See `SourceHistory`."""
        if not self.records:
            return Bounds(0, 0)
        return Bounds(self.records[0].offset, self.records[-1].offset + 1)

    async def read(self, _: int, span: Bounds) -> AsyncGenerator[Sequence[Record], None]:
        """See `SourceHistory`."""
        self.spans.append(span)
        found = [each for each in self.records if span.begin <= each.offset < span.end]
        for at in range(0, len(found), self._at_once):
            if self.failures:
                raise self.failures.pop(0)
            yield found[at : at + self._at_once]


def backfilling(
    history: MemoryHistory,
    backfills: Backfills,
    *,
    max_events_per_s: int = 0,
    is_off: bool = False,
    source_may_lack: bool = False,
) -> Backfilling:
    """What the partitions of a worker share, with this history; it is 5,000 ms since the epoch."""
    return Backfilling(
        history.opened,  # type: ignore[arg-type]  # a stand-in
        Share(max_events_per_s, Pace(lambda: Live(0, 0))),
        backfills,
        is_off=is_off,
        source_may_lack=source_may_lack,
        clock_ms=lambda: 5_000,
    )
