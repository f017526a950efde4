"""What an answer means for each record of its call; on virtual time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from processor.kinesis.kinesis_json import Answer, Result
from processor.kinesis.settlement import THROTTLED
from processor.kinesis.ticket import Rejection, Ticket
from tests.kinesis.parts import Parts
from tests.support.kinesis_writer import export
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

STORED = Result(None, "shard")


def settling(test: Callable[[Parts], None]) -> None:
    """Run a test's body with parts of a writer, within a loop."""

    async def world() -> None:
        test(Parts())

    run_in_virtual_time(world())


def answer(*codes: str | None) -> Answer:
    """A record's code each; None where it is stored."""
    results = [Result(code) if code else STORED for code in codes]
    return Answer(results, sum(code is not None for code in codes))


def test_a_call_that_is_stored_settles_its_tickets_and_makes_room() -> None:
    def body(parts: Parts) -> None:
        one, other = Ticket([export(1, 0), export(2, 0)]), Ticket([export(3, 0), export(4, 0)])
        parts.take(one)
        parts.take(other)
        call = parts.packed()
        parts.settlement.answered(call, answer(None, None, None, None), 0.0)
        assert (one.unsettled, other.unsettled) == (0, 0)
        assert (parts.figures.stored, parts.figures.buffered_bytes) == (4, 0)
        assert [lane.held_bytes for lane in parts.lanes] == [0]
        assert parts.room.is_set()

    settling(body)


def test_only_what_failed_is_sent_again_by_its_code() -> None:
    def body(parts: Parts) -> None:
        ticket = Ticket([export(profile, 0) for profile in range(4)])
        items = parts.take(ticket)
        parts.settlement.answered(parts.packed(), answer(None, THROTTLED, "InternalFailure", None), 0.0)
        assert ticket.unsettled == 2
        assert set(map(id, parts.retries)) == {id(items[1]), id(items[2])}
        assert parts.figures.retried == {THROTTLED: 1, "InternalFailure": 1}
        (lane,) = parts.lanes
        assert (lane.stored, lane.throttled) == (2, 1)
        assert lane.held_bytes == parts.figures.buffered_bytes == sum(item.size_bytes for item in items[1:3])

    settling(body)


def test_the_next_of_a_profile_goes_once_the_one_before_is_stored_and_not_when_it_failed() -> None:
    def body(parts: Parts) -> None:
        parts.take(Ticket([export(1, 0), export(1, 1), export(2, 0), export(2, 1)]))
        parts.settlement.answered(parts.packed(), answer(None, "InternalFailure"), 0.0)
        assert parts.ready() == [export(1, 1)]
        assert parts.fill.wait_s(0.0) < math.inf

    settling(body)


@pytest.mark.parametrize(("behind", "wait_s"), [(8, 0.005), (9, 0.0)])
def test_the_next_of_a_profile_that_many_wait_behind_goes_at_once(behind: int, wait_s: float) -> None:
    def body(parts: Parts) -> None:
        parts.take(Ticket([export(1, number) for number in range(1 + behind)]))
        parts.settlement.answered(parts.packed(), answer(None), 0.0)
        assert parts.fill.wait_s(0.0) == wait_s

    settling(body)


def test_a_lane_that_takes_nothing_is_paused_and_its_records_wait_in_it() -> None:
    def body(parts: Parts) -> None:
        ticket = Ticket([export(1, 0)])
        parts.take(ticket)
        (lane,) = parts.lanes
        parts.settlement.answered(parts.packed(), answer("InternalFailure"), 0.0)
        is_failing = [lane.is_failing]
        (again,) = parts.retries
        parts.retries.drop_abandoned()
        parts.lanes.put_back([again])
        parts.settlement.answered(parts.packed(), answer("InternalFailure"), 0.0)
        is_failing.append(lane.is_failing)
        assert parts.ready() == list(ticket.exports)
        assert 0 < lane.wait_s(0.0) < math.inf
        parts.settlement.answered(parts.lanes.packed(10.0, 500, 1 << 20), answer(None), 10.0)
        is_failing.append(lane.is_failing)
        assert is_failing == [False, True, False], "once may be chance"

    settling(body)


def test_a_record_that_is_given_up_is_settled_as_rejected_and_lets_the_next_of_its_profile_go() -> None:
    def body(parts: Parts) -> None:
        ticket = Ticket([export(1, 0), export(1, 1)])
        items = parts.take(ticket)
        parts.packed()
        parts.settlement.give_up(items[0])
        assert ticket.rejections == [Rejection(0, "ValidationException")]
        assert (ticket.unsettled, parts.figures.rejected) == (1, 1)
        assert parts.ready() == [export(1, 1)]
        assert parts.figures.buffered_bytes == items[1].size_bytes == next(iter(parts.lanes)).held_bytes

    settling(body)
