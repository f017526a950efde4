"""When failed records are sent again: at once, after a back-off, or after a pause of all calls; on virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from processor.kinesis.backoff import Backoff
from processor.kinesis.ticket import Ticket
from processor.settings import KinesisSettings
from tests.kinesis.parts import Parts
from tests.support.kinesis_writer import export
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from processor.kinesis.call import Call

EXPORTS = [export(profile, 0) for profile in range(3)]


def taken_call(parts: Parts, ticket: Ticket | None = None) -> Call:
    """A call of some records, on its way: none of them is ready any more."""
    parts.take(ticket or Ticket(EXPORTS))
    call = parts.packed()
    assert parts.ready() == []
    return call


async def ready_after_s(parts: Parts, records: int) -> float:
    """How long it takes until so many records are ready."""
    began_s = asyncio.get_running_loop().time()
    while len(parts.ready()) < records:
        await asyncio.sleep(0.001)
    return asyncio.get_running_loop().time() - began_s


def test_what_is_sent_again_at_once_goes_before_all_others_in_its_order() -> None:
    async def world() -> None:
        parts = Parts()
        call = taken_call(parts)
        later = Ticket([export(9, 0)])
        parts.take(later)
        parts.retries.now(call.items, "cancelled")
        assert parts.ready() == [*EXPORTS, *later.exports]
        assert parts.figures.retried == {"cancelled": 3}
        assert parts.wake.is_set()

    run_in_virtual_time(world())


def test_what_is_sent_again_is_no_candidate_any_more() -> None:
    async def world() -> None:
        parts = Parts()
        call = taken_call(parts)
        call.items[0].add_evidence(7)
        parts.retries.now(call.items, "cancelled")
        assert call.items[0].evidence is None

    run_in_virtual_time(world())


def test_nothing_of_an_abandoned_ticket_is_sent_again() -> None:
    async def world() -> None:
        parts, abandoned, kept = Parts(), Ticket([export(1, 0)]), Ticket([export(2, 0)])
        parts.take(abandoned)
        call = taken_call(parts, kept)
        parts.retries.after(1.0, list(call.items), "too-large-alone")
        abandoned.abandon()
        parts.retries.now(call.items, "cancelled")
        assert parts.ready() == list(kept.exports)
        parts.retries.drop_abandoned()
        assert [item.ticket for item in parts.retries] == [kept]

    run_in_virtual_time(world())


def test_what_is_abandoned_while_it_waits_never_comes_back() -> None:
    async def world() -> None:
        parts, ticket = Parts(), Ticket([export(1, 0)])
        parts.retries.after(1.0, taken_call(parts, ticket).items, "too-large-alone")
        ticket.abandon()
        await asyncio.sleep(2)
        assert (parts.ready(), list(parts.retries)) == ([], [])

    run_in_virtual_time(world())


def test_what_failed_by_itself_waits_together_for_its_back_off() -> None:
    async def world() -> None:
        parts = Parts(retry_base_ms=1_000, retry_max_ms=8_000)
        call = taken_call(parts)
        for attempt in range(1, 7):
            parts.retries.later(call.items, "InternalFailure")
            assert list(parts.retries) == call.items
            assert await ready_after_s(parts, 3) <= min(2 ** (attempt - 1), 8) + 0.01
            assert [item.attempts for item in call.items] == [attempt] * 3
            parts.packed()
        assert parts.figures.retried == {"InternalFailure": 18}

    run_in_virtual_time(world())


def test_a_call_that_fails_whole_pauses_all_and_its_records_are_ready_meanwhile() -> None:
    async def world() -> None:
        parts, loop = Parts(retry_base_ms=1_000), asyncio.get_running_loop()
        assert (parts.retries.is_failing, parts.retries.pause_s(loop.time()) > 0) == (False, False)
        parts.retries.whole(taken_call(parts), "unavailable")
        assert parts.retries.is_failing
        assert 0 < parts.retries.pause_s(loop.time()) <= 1
        assert parts.ready() == EXPORTS
        parts.retries.succeeded()
        assert (parts.retries.is_failing, parts.retries.pause_s(loop.time()) > 0) == (False, False)

    run_in_virtual_time(world())


def test_calls_that_were_in_flight_together_and_fail_together_lengthen_the_pause_once() -> None:
    async def world() -> None:
        parts, loop = Parts(retry_base_ms=1_000), asyncio.get_running_loop()
        calls = [taken_call(parts, Ticket([export(profile, 0)])) for profile in range(20)]
        parts.retries.whole(calls[0], "unavailable")
        pause_s = parts.retries.pause_s(loop.time())
        for call in calls[1:]:
            parts.retries.whole(call, "unavailable")
        assert parts.retries.pause_s(loop.time()) == pause_s

    run_in_virtual_time(world())


def test_while_a_person_must_mend_something_pauses_are_long_and_do_not_grow() -> None:
    async def world() -> None:
        parts, loop = Parts(slow_retry_ms=4_000), asyncio.get_running_loop()
        parts.take(Ticket(EXPORTS))
        for _ in range(20):
            parts.retries.whole_slowly(parts.packed(), "refused")
            pause_s = parts.retries.pause_s(loop.time())
            assert 2 <= pause_s <= 4
            await asyncio.sleep(pause_s)

    run_in_virtual_time(world())


def test_a_probe_whose_call_fails_whole_may_be_followed_by_another() -> None:
    async def world() -> None:
        parts = Parts()
        (lane,) = parts.lanes
        for _ in range(2):
            lane.answered(0.0, 0, 0, 1)
        call = taken_call(parts)
        assert lane.wait_s(0.0) == float("inf"), "a probe is under way"
        parts.retries.whole(call, "unavailable")
        assert lane.wait_s(0.0) < float("inf")

    run_in_virtual_time(world())


@pytest.mark.parametrize(("attempts", "most_ms"), [(1, 50), (2, 100), (5, 800), (7, 3_000), (10_000, 3_000)])
def test_a_back_off_is_drawn_from_a_range_that_doubles_up_to_a_bound(attempts: int, most_ms: int) -> None:
    backoff = Backoff(
        KinesisSettings.model_validate({"retry_base_ms": 50, "retry_max_ms": 3_000}), random.Random(1)
    )
    waits_ms = [backoff.wait_s(attempts) * 1000 for _ in range(1_000)]
    assert 0 <= min(waits_ms) < 0.05 * most_ms
    assert 0.95 * most_ms < max(waits_ms) <= most_ms
