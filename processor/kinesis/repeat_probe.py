"""The probe: the record that Kinesis took last, sent again to find out whether it takes any at present.

Where a record is rejected and there is nothing else to send, no other record could show that: the topic is quiet, or
the partition holds all that it may, and takes no more before the record is settled. Both would wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from processor.kinesis.lane import Item
from processor.kinesis.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.lanes import Lanes
    from processor.kinesis.profile_order import ProfileOrder
    from processor.profile.structs import Export


log = structlog.get_logger(__name__)


class _Taken(NamedTuple):
    export: Export
    partition: int


class RepeatProbe:
    """Sends the record that was taken last again, when it is asked to; at most one is under way."""

    def __init__(self, lanes: Lanes, order: ProfileOrder, figures: WriterFigures) -> None:
        self._lanes = lanes
        self._order = order
        self._figures = figures
        self._newest: _Taken | None = None
        self._under_way: Ticket | None = None

    def took(self, items: Sequence[Item]) -> None:
        """Kinesis has stored these. The last of them is its profile's newest, until Kinesis has stored others."""
        if items:
            self._newest = _Taken(items[-1].export, items[-1].ticket.partition)

    @property
    def is_under_way(self) -> bool:
        """Whether one was sent, and Kinesis has not taken it yet."""
        return self._under_way is not None and self._under_way.unsettled > 0

    def is_it(self, item: Item) -> bool:
        """Whether an item is the probe that was begun last."""
        return item.ticket is self._under_way

    def begin(self, candidates: Sequence[Item]) -> Item | None:
        """The record that was taken last, to be sent again, alone; None where there is none, or one is under way.

        It takes its profile's turn, so that nothing of the profile overtakes it, none of the `candidates` either: one
        that is of the same profile queues behind. It takes no room of the buffer, which may be full of what waits.
        """
        if self._newest is None or self.is_under_way:
            return None
        export, partition = self._newest
        if not self._order.go_before(candidates, partition, export.profile):
            return None
        log.info(
            "the record that was taken last is sent again",
            reason="another is rejected, and nothing else shows whether any is taken",
            partition=partition,
        )
        ticket = self._under_way = Ticket([export], partition)
        ticket.take(1)
        return self._on_its_way(export, ticket)

    def release(self, partition: int) -> list[Ticket]:
        """Send nothing of a partition again, for another member may own it soon; the ticket of a probe of it, if any."""
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
        lane.hold(item.size_bytes)
        self._figures.count_submitted(1, item.size_bytes)
        self._figures.count_possible_duplicates(1)
        return item
