"""What the writer is given and gives back: a batch of exports, each on its way until it is stored or rejected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from processor.kinesis.lanes import Lane
    from processor.profile.structs import Export


class Rejection(NamedTuple):
    """An export, by its position in its ticket, that Kinesis takes under no circumstances."""

    position: int
    code: str


class Ticket:
    """A batch of exports on its way; settled when each is stored or rejected.

    A profile's order is kept among the tickets of one `partition`; keys of two partitions never meet. `is_followed`
    tells that more of the partition waits to become exports.
    """

    __slots__ = (
        "_settled",
        "abandoned",
        "busy",
        "exports",
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
        self.taken = 0
        """How many of them the writer has."""
        self.busy: dict[bytes, deque[Item] | None] = {}
        """By profile of the ticket's partition: what queues behind the one that is on its way."""
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


class Case(msgspec.Struct, gc=False):
    """What is known of an export that was rejected; calls are told of by their numbers."""

    rejected_at: int
    """The newest call that was begun when it was first rejected, or last proven to be rejected for itself."""
    alone: int = 0
    """How often it was rejected alone."""
    proofs: int = 0
    """How often it was rejected alone after others had been taken."""


class Item(msgspec.Struct, gc=False, eq=False):
    """An export on its way.

    The garbage collector need not look at it: nothing that it refers to leads back to it once it is settled or
    abandoned.
    """

    export: Export
    ticket: Ticket
    position: int
    lane: Lane
    size_bytes: int
    attempts: int = 0
    case: Case | None = None
    """What speaks against it, once a call with it was rejected."""

    def is_of_the_profile_of(self, other: Item) -> bool:
        """Whether the order of the two matters."""
        return self.ticket.busy is other.ticket.busy and self.export.profile == other.export.profile
