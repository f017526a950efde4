"""The record that was taken last, and is sent again to find out whether Kinesis takes any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from processor.kinesis.ticket import Ticket
from tests.kinesis.parts import Parts, items
from tests.support.kinesis_writer import export
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


def probing(test: Callable[[Parts], None]) -> None:
    """Run a test's body with parts of a writer that have taken and stored two records of partition 3."""

    async def world() -> None:
        parts = Parts()
        parts.probe.took(items([export(1, 0), export(2, 0)], 3))
        test(parts)

    run_in_virtual_time(world())


def test_the_last_of_the_records_that_were_taken_is_sent_again_and_may_come_twice() -> None:
    def body(parts: Parts) -> None:
        with capture_logs() as logged:
            item = parts.probe.begin([])
        assert item is not None
        assert (item.export, item.ticket.partition) == (export(2, 0), 3)
        assert parts.probe.is_it(item)
        assert parts.figures.possible_duplicates == parts.figures.in_flight == 1
        assert item.lane.held_bytes == parts.figures.buffered_bytes == item.size_bytes
        assert [each["event"] for each in logged] == ["the record that was taken last is sent again"]

    probing(body)


def test_one_at_most_is_under_way() -> None:
    def body(parts: Parts) -> None:
        first = parts.probe.begin([])
        assert first is not None
        assert (parts.probe.is_under_way, parts.probe.begin([])) == (True, None)
        parts.order.done([first])
        Ticket.settle([first.ticket])
        second = parts.probe.begin([])
        assert second is not None
        assert (parts.probe.is_it(second), parts.probe.is_it(first)) == (True, False)

    probing(body)


def test_where_nothing_was_taken_nothing_is_sent_again() -> None:
    async def world() -> None:
        parts = Parts()
        parts.probe.took([])
        assert (parts.probe.begin([]), parts.probe.is_under_way) == (None, False)

    run_in_virtual_time(world())


def test_nothing_is_sent_again_while_a_later_record_of_its_profile_is_on_its_way() -> None:
    def body(parts: Parts) -> None:
        parts.take(Ticket([export(2, 1)], 3))
        assert (parts.probe.begin([]), parts.probe.is_under_way) == (None, False)

    probing(body)


def test_nothing_of_a_released_partition_is_sent_again() -> None:
    def body(parts: Parts) -> None:
        item = parts.probe.begin([])
        assert item is not None
        assert parts.probe.release(2) == []
        assert parts.probe.release(3) == [item.ticket]
        assert (parts.probe.is_under_way, parts.probe.begin([])) == (False, None)

    probing(body)
