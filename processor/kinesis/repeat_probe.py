"""The control: a record that Kinesis took, sent again to tell whether it takes any at present.

Where a record is rejected and there is nothing else to send, no other record could tell: the topic is quiet, or the
partition holds all that it may, and takes no more before the record is settled. Both would wait for each other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import structlog

from processor.kinesis.ticket import Item, Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.lanes import Lanes
    from processor.profile.structs import Export


log = structlog.get_logger(__name__)


class _Taken(NamedTuple):
    export: Export
    partition: int


class Control:
    """Of one writer, whose lanes, figures and busy profiles these are; at most one is under way."""

    def __init__(
        self, lanes: Lanes, figures: WriterFigures, busy: dict[int, dict[bytes, deque[Item] | None]]
    ) -> None:
        self._lanes = lanes
        self._figures = figures
        self._busy = busy
        self._newest: _Taken | None = None
        self._under_way: Ticket | None = None

    def took(self, items: Sequence[Item]) -> None:
        """Kinesis has these now. The last of them is its profile's newest, until Kinesis has others."""
        if items:
            self._newest = _Taken(items[-1].export, items[-1].ticket.partition)

    @property
    def is_under_way(self) -> bool:
        """Whether one was sent, and Kinesis has not taken it yet."""
        return self._under_way is not None and self._under_way.unsettled > 0

    def is_it(self, item: Item) -> bool:
        """Whether an item is the one that was sent again last."""
        return item.ticket is self._under_way

    def repeated(self, suspects: Sequence[Item]) -> Item | None:
        """The record that was taken last, to be sent again, alone; None where there is none, or one is under way.

        It takes its profile's turn, so that nothing of the profile overtakes it, none of the `suspects` either: what is
        of the same profile queues behind. And it takes no room of the buffer: that may be full of what waits.
        """
        if self._newest is None or self.is_under_way:
            return None
        export, partition = self._newest
        profile, busy = export.profile, self._busy.setdefault(partition, {})
        if profile not in busy:
            busy[profile] = None
        else:
            behind = [
                each for each in suspects if each.ticket.busy is busy and each.export.profile == profile
            ]
            if not behind:
                return None
            busy[profile] = deque([*behind, *(busy[profile] or ())])
        log.info(
            "the record that was taken last is sent again",
            reason="another is rejected, and nothing else tells whether any is taken",
            partition=partition,
        )
        ticket = self._under_way = Ticket([export], partition)
        ticket.busy, ticket.taken = busy, 1
        return self._on_its_way(export, ticket)

    def let_go(self, partition: int) -> list[Ticket]:
        """Another member may own a partition soon, and write: the ticket of what is under way, if it is of this one."""
        if self._newest is not None and self._newest.partition == partition:
            self._newest = None
        under_way = self._under_way
        if under_way is None or under_way.partition != partition:
            return []
        self._under_way = None
        return [under_way]

    def _on_its_way(self, export: Export, ticket: Ticket) -> Item:
        key = export.partition_key.encode()
        (lane,) = self._lanes.of([key])
        item = Item(export, ticket, 0, lane, len(export.data) + len(key))
        lane.held_bytes += item.size_bytes
        figures = self._figures
        figures.submitted += 1
        figures.buffered_bytes += item.size_bytes
        figures.possible_duplicates += 1
        return item
