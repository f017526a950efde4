"""The batches of one partition that are in flight: worked on, and not acknowledged yet.

A batch is on its way until none of its exports is, and its dead letters are written. Then it is settled: it holds its state
changes alone, and waits for these to be kept. Batches settle, and are acknowledged, in their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.kinesis.ticket import Ticket
    from processor.profile.batch import Batch
    from processor.telemetry.traces import Span

_SETTLED_MAX: Final = 64
"""So many batches are settled at once, at most: they share one append to the changelog."""


class OnItsWay(NamedTuple):
    """A batch whose exports are on their way, or whose dead letters are."""

    batch: Batch
    ticket: Ticket
    span: Span


class Settled(NamedTuple):
    """A batch that has come where it was to come, but for its changes; Kinesis took `rejected` of its exports under no circumstances."""

    batch: Batch
    rejected: int
    span: Span


class InFlight:
    """Those of one partition; as an iterable, the batches alone, the oldest first."""

    def __init__(self) -> None:
        self._on_their_way: deque[OnItsWay] = deque()
        self._settled: deque[Settled] = deque()
        self._may_settle = asyncio.Event()
        """Set whenever there may be one that may settle next."""
        self._none = asyncio.Event()
        self._none.set()

    def __iter__(self) -> Iterator[Batch]:
        return chain([each.batch for each in self._settled], [each.batch for each in self._on_their_way])

    def __bool__(self) -> bool:
        return bool(self._settled or self._on_their_way)

    @property
    def spans(self) -> list[Span]:
        """Those of all batches."""
        return [*(each.span for each in self._settled), *(each.span for each in self._on_their_way)]

    @property
    def tickets(self) -> list[Ticket]:
        """Those of the batches that are not settled."""
        return [each.ticket for each in self._on_their_way]

    @property
    def settled(self) -> list[Settled]:
        """The batches that wait for their changes to be kept."""
        return list(self._settled)

    @property
    def has_settled(self) -> bool:
        """Whether there are such batches."""
        return bool(self._settled)

    @property
    def is_full(self) -> bool:
        """Whether no other batch may settle before some are acknowledged."""
        return len(self._settled) >= _SETTLED_MAX

    @property
    def exports_of_the_oldest(self) -> int:
        """How many exports of the oldest batch are neither stored nor rejected."""
        return 0 if self._settled or not self._on_their_way else self._on_their_way[0].ticket.unsettled

    def add(self, batch: Batch, ticket: Ticket, span: Span) -> None:
        """Have a batch be on its way, behind the others."""
        self._on_their_way.append(OnItsWay(batch, ticket, span))
        self._none.clear()
        self._may_settle.set()

    async def next_ticket(self) -> Ticket:
        """Wait until there is a batch that may settle next, and return its ticket."""
        while not self._on_their_way or self.is_full:
            self._may_settle.clear()
            await self._may_settle.wait()
        return self._on_their_way[0].ticket

    def answered(self) -> list[OnItsWay]:
        """The batches that may settle next: no export of theirs is on its way any more, nor of any before them."""
        found = []
        for each in islice(self._on_their_way, _SETTLED_MAX - len(self._settled)):
            if each.ticket.unsettled:
                break
            found.append(each)
        return found

    def settle(self, batches: int) -> tuple[list[Settled], int]:
        """Have so many batches, the oldest that were not, be settled; which these are, and by how many bytes they hold less then."""
        settled, freed_bytes = [], 0
        for _ in range(batches):
            batch, ticket, span = self._on_their_way.popleft()
            # A batch with dead letters holds their records in any case. These are few.
            if not batch.dead_letters and not ticket.rejections:
                freed_bytes += batch.let_go()
            settled.append(Settled(batch, len(ticket.rejections), span))
        self._settled.extend(settled)
        return settled, freed_bytes

    def acknowledge(self, batches: int) -> None:
        """Have so many batches, the oldest, be in flight no more."""
        for _ in range(batches):
            self._settled.popleft()
        self._may_settle.set()
        if not self:
            self._none.set()

    async def none(self) -> None:
        """Wait until no batch is in flight."""
        await self._none.wait()
