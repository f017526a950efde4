"""What the writer is given and gives back: a batch of exports, each on its way until it is stored or rejected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.lanes import Lane
    from processor.profile.export import Export


class Rejection(NamedTuple):
    """An export, by its position in its ticket, that Kinesis takes under no circumstances."""

    position: int
    code: str


class Ticket:
    """A batch of exports on its way; settled when each is stored or rejected.

    A profile's order is kept among the tickets of one `partition`; keys of two partitions never meet.
    """

    __slots__ = ("_settled", "abandoned", "exports", "items", "partition", "rejections", "unsettled")

    def __init__(self, exports: Sequence[Export], partition: int = 0) -> None:
        self.exports = exports
        self.partition = partition
        self.unsettled = len(exports)
        self.items: list[Item] = []
        """Those that were taken."""
        self.rejections: list[Rejection] = []
        self.abandoned = False
        self._settled = asyncio.Event()
        if not exports:
            self._settled.set()

    async def wait(self) -> Sequence[Rejection]:
        """Wait until all exports are settled; those that were rejected."""
        await self._settled.wait()
        return self.rejections

    def settle_last(self) -> None:
        """All exports are settled: say so."""
        self._settled.set()


class Item:
    """An export on its way; `lane` is None when it is settled."""

    __slots__ = ("attempts", "export", "lane", "position", "rejected_at", "size_bytes", "ticket")

    def __init__(self, export: Export, ticket: Ticket, position: int, lane: Lane, size_bytes: int) -> None:
        self.export = export
        self.ticket = ticket
        self.position = position
        self.lane: Lane | None = lane
        self.size_bytes = size_bytes
        self.attempts = 0
        self.rejected_at: int | None = None


def size_of(export: Export) -> int:
    """What Kinesis counts: data and partition key."""
    key = export.partition_key
    return len(export.data) + (len(key) if key.isascii() else len(key.encode()))
