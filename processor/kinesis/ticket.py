"""What the writer is given and gives back: a batch of exports, each on its way until it is stored or rejected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.profile.structs import Export


class Rejection(NamedTuple):
    """An export, by its position in its ticket, that Kinesis takes under no circumstances."""

    position: int
    code: str


class Ticket:
    """A batch of exports on its way; it is settled when each of them is stored or rejected.

    The order of a profile's exports is kept among the tickets of one `partition`; equal keys of two partitions are two
    profiles. `is_followed` says that more events of the partition wait to become exports.
    """

    __slots__ = (
        "_is_settled",
        "exports",
        "is_abandoned",
        "is_followed",
        "partition",
        "rejections",
        "taken",
        "unsettled",
    )

    def __init__(self, exports: Sequence[Export], partition: int = 0, *, is_followed: bool = False) -> None:
        self.exports = exports
        self.partition = partition
        self.is_followed = is_followed
        self.unsettled = len(exports)
        """How many exports are neither stored nor rejected."""
        self.taken = 0
        """How many exports, from the first on, the writer has taken into its buffer."""
        self.rejections: list[Rejection] = []
        """The exports that were rejected, in the order in which that was found."""
        self.is_abandoned = False
        """Whether the partition was released: nothing of the ticket is sent any more, and it is never settled."""
        self._is_settled = asyncio.Event()
        if not exports:
            self._is_settled.set()

    async def wait(self) -> Sequence[Rejection]:
        """Wait until every export is settled, and return those that were rejected."""
        await self._is_settled.wait()
        return self.rejections

    def take(self, exports: int) -> None:
        """Count so many more exports as taken into the writer's buffer."""
        self.taken += exports

    @staticmethod
    def settle(tickets: Iterable[Ticket]) -> None:
        """Count one more export of each of `tickets` as stored or rejected; with its last a ticket is settled.

        A ticket may stand there several times.
        """
        for ticket in tickets:
            ticket.unsettled -= 1
            if not ticket.unsettled:
                ticket._is_settled.set()  # noqa: SLF001  its own class's

    def reject(self, position: int, code: str) -> None:
        """Note that Kinesis takes the export at `position` under no circumstances; it still has to be settled."""
        self.rejections.append(Rejection(position, code))

    def abandon(self) -> None:
        """Give up what is not settled: the partition was released."""
        self.is_abandoned = True
