"""How a call begins, ends, and is cancelled; on virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from processor.kinesis.call import call_of_each
from processor.kinesis.ticket import Ticket
from tests.kinesis.parts import Parts
from tests.support.kinesis_writer import export
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KIB = 1024


def calling(
    test: Callable[[Parts, ScriptedKinesis, asyncio.TaskGroup], Awaitable[None]],
    faults: Faults | None = None,
    **settings: float,
) -> None:
    """Run a test's body with parts of a writer on a scripted stream."""

    async def world() -> None:
        kinesis = ScriptedKinesis(random.Random(5), faults=faults)
        async with asyncio.TaskGroup() as tasks:
            await test(Parts(kinesis, **settings), kinesis, tasks)

    run_in_virtual_time(world())


def test_an_answered_call_settles_its_records() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        ticket = Ticket([export(profile, 0) for profile in range(3)])
        parts.take(ticket)
        parts.calls.begin(parts.packed(), tasks)
        assert (parts.figures.requests_in_flight, len(list(parts.calls))) == (1, 1)
        assert parts.figures.request_bytes_in_flight == parts.figures.buffered_bytes
        assert await ticket.wait() == []
        assert (parts.figures.requests_in_flight, list(parts.calls)) == (0, [])
        assert parts.figures.request_bytes_in_flight == parts.figures.buffered_bytes == 0
        assert len(kinesis.stored) == 3
        assert parts.wake.is_set()

    calling(body)


def test_what_may_go_after_an_answer_goes_in_the_same_task() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        ticket = Ticket([export(1, version) for version in range(4)])
        parts.take(ticket)
        parts.following = lambda: parts.packed() if parts.ready() else None  # type: ignore[method-assign]
        before = asyncio.all_tasks()
        parts.calls.begin(parts.packed(), tasks)
        (sending,) = asyncio.all_tasks() - before
        await sending
        assert [stored.data for stored in kinesis.stored] == [export.data for export in ticket.exports]
        assert (parts.figures.requests, parts.figures.requests_in_flight, list(parts.calls)) == (4, 0, [])

    calling(body)


def test_nothing_follows_a_call_that_is_cancelled() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        ticket = Ticket([export(1, version) for version in range(3)])
        parts.take(ticket)
        parts.following = lambda: parts.packed() if parts.ready() else None  # type: ignore[method-assign]
        parts.calls.begin(parts.packed(), tasks)
        while len(kinesis.requests) < 2:
            await asyncio.sleep(0.001)
        ticket.abandon()
        await parts.calls.cancel_abandoned()
        assert (len(kinesis.requests), parts.figures.requests_in_flight, list(parts.calls)) == (2, 0, [])
        assert parts.ready() == []

    calling(body)


def test_a_refused_call_is_trouble_until_one_is_taken() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        ticket = Ticket([export(1, 0)])
        parts.take(ticket)
        parts.calls.begin(parts.packed(), tasks)
        await asyncio.sleep(0.1)
        troubles = [parts.calls.trouble]
        assert parts.ready() == list(ticket.exports)
        assert parts.retries.pause_s(asyncio.get_running_loop().time()) > 0
        kinesis.faults = Faults()
        parts.calls.begin(parts.packed(), tasks)
        await ticket.wait()
        troubles.append(parts.calls.trouble)
        assert troubles == ["PutRecords: AccessDeniedException", None]
        assert not parts.retries.is_failing

    calling(body, Faults(refused="AccessDeniedException"))


def test_a_call_whose_answer_is_lost_is_sent_again_and_may_come_twice() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        ticket = Ticket([export(profile, 0) for profile in range(3)])
        parts.take(ticket)
        parts.calls.begin(parts.packed(), tasks)
        await asyncio.sleep(0.1)
        assert (parts.ready(), parts.figures.possible_duplicates) == (list(ticket.exports), 3)
        assert parts.calls.trouble is None, "waiting cures it"
        kinesis.faults = Faults()
        parts.calls.begin(parts.packed(), tasks)
        await ticket.wait()
        assert len(kinesis.stored) == 6

    calling(body, Faults(lost_after=1))


def test_a_record_that_is_too_large_alone_waits_and_pauses_no_other() -> None:
    async def body(parts: Parts, _: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        parts.take(Ticket([export(1, 0, 20 * KIB)]))
        parts.calls.begin(parts.packed(), tasks)
        await asyncio.sleep(0.1)
        assert (parts.ready(), len(list(parts.retries))) == ([], 1)
        assert not parts.retries.is_failing
        await asyncio.sleep(1)
        assert len(parts.ready()) == 1

    calling(body, Faults(body_bytes_max=10 * KIB), slow_retry_ms=1_000)


def test_a_rejected_call_is_halved() -> None:
    async def body(parts: Parts, _: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        items = parts.take(Ticket([export(profile, 0) for profile in range(4)]))
        parts.calls.begin(parts.packed(), tasks)
        await asyncio.sleep(0.1)
        assert [parts.bisection.next_part(), parts.bisection.next_part()] == [items[:2], items[2:]]
        assert parts.ready() == []

    calling(body, Faults(is_poison=lambda _: True))


def test_while_calls_fail_one_alone_may_be_in_flight() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        parts.take(Ticket([export(1, 0)]))
        parts.calls.begin(parts.packed(), tasks)
        may_begin = [parts.calls.may_begin]
        await asyncio.sleep(0.1)
        assert parts.retries.is_failing
        kinesis.faults = Faults()
        parts.calls.begin(parts.packed(), tasks)
        may_begin.append(parts.calls.may_begin)
        await asyncio.sleep(0.1)
        may_begin.append(parts.calls.may_begin)
        assert may_begin == [True, False, True]

    calling(body, Faults(unavailable=1))


def test_no_call_begins_while_those_in_flight_have_as_many_bytes_as_may_be() -> None:
    async def body(parts: Parts, _: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        may_begin = []
        for profile in range(2):
            may_begin.append(parts.calls.may_begin)
            parts.calls.begin(call_of_each(parts.take(Ticket([export(profile, 0, 600 * KIB)]))), tasks)
        may_begin.append(parts.calls.may_begin)
        await asyncio.sleep(0.1)
        may_begin.append(parts.calls.may_begin)
        assert may_begin == [True, True, False, True]

    calling(body, max_in_flight_bytes=1024 * KIB)


def test_only_calls_that_carry_something_abandoned_are_cancelled_and_the_rest_of_them_goes_again() -> None:
    async def body(parts: Parts, _: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        leaving, staying = Ticket([export(1, 0)], 0), Ticket([export(2, 0)], 1)
        parts.take(leaving)
        parts.take(staying)
        parts.calls.begin(parts.packed(), tasks)
        other = Ticket([export(3, 0)], 2)
        parts.take(other)
        parts.calls.begin(parts.packed(), tasks)
        await asyncio.sleep(1)
        leaving.abandon()
        await parts.calls.cancel_abandoned()
        assert [item.ticket for call in parts.calls for item in call.items] == [other]
        assert parts.ready() == list(staying.exports)
        assert parts.figures.possible_duplicates == 2, "nobody knows how far the call came"
        other.abandon()
        await parts.calls.cancel_abandoned()
        assert list(parts.calls) == []

    calling(body, Faults(black_hole=True))


def test_a_call_that_is_cancelled_before_it_began_is_sent_again_and_comes_once() -> None:
    async def body(parts: Parts, kinesis: ScriptedKinesis, tasks: asyncio.TaskGroup) -> None:
        leaving, staying = Ticket([export(1, 0)], 0), Ticket([export(2, 0)], 1)
        parts.take(leaving)
        parts.take(staying)
        parts.calls.begin(parts.packed(), tasks)
        leaving.abandon()
        await parts.calls.cancel_abandoned()
        await asyncio.sleep(0)
        assert (kinesis.requests, parts.ready()) == ([], list(staying.exports))
        assert parts.figures.requests_in_flight == parts.figures.possible_duplicates == 0

    calling(body)
