"""Calls that are too large for the way to Kinesis shrink, and grow again; on virtual time."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from processor.kinesis.lane import Item
from processor.kinesis.lanes import Lanes
from processor.kinesis.shards import Shard, ShardMap
from processor.kinesis.ticket import Ticket
from tests.support.kinesis_writer import MIB, assert_balanced, export, numbers_by_profile, writing
from tests.support.scripted_kinesis import HASH_KEYS, Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

KIB = 1024
_AT_ONCE = 3


async def written_for(
    kinesis: ScriptedKinesis, seconds: float, *, record_bytes: int, **settings: float
) -> tuple[list[int], list[int]]:
    """Keep the writer busy for so long; the sizes of its calls' limit, each second, and what was stored by then."""
    limits, stored = [], []
    async with writing(kinesis, **settings) as writer:
        tickets: list[Ticket] = []

        async def submit() -> None:
            number = 0
            while True:
                ticket = Ticket([export(profile, number, record_bytes) for profile in range(500)])
                tickets.append(ticket)
                await writer.submit(ticket)
                number += 1
                await asyncio.sleep(0.2)
                if len(tickets) > _AT_ONCE:
                    await tickets[-_AT_ONCE].wait()

        submitting = asyncio.create_task(submit())
        for _ in range(round(seconds)):
            await asyncio.sleep(1)
            limits.append(writer.size.limit_bytes)
            stored.append(writer.figures.stored)
        submitting.cancel()
        await asyncio.wait([submitting])
        await writer.abandon(0, tickets)
        assert_balanced(writer)
    return limits, stored


@pytest.mark.parametrize("body_bytes_max", [3 * KIB, 64 * KIB, MIB, 5 * MIB])
def test_calls_that_are_too_large_for_a_proxy_shrink_to_what_it_takes(body_bytes_max: int) -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(body_bytes_max=body_bytes_max))
    record_bytes = min(max(body_bytes_max // 100, KIB), 20 * KIB)
    limits, stored = run_in_virtual_time(written_for(kinesis, 40, record_bytes=record_bytes))
    assert stored[8] > 0
    # It is found by trying, ever more rarely.
    assert 0.5 * body_bytes_max <= limits[-1] <= 1.2 * body_bytes_max


@pytest.mark.parametrize("link_bytes_per_s", [MIB // 4, MIB, 4 * MIB])
@pytest.mark.parametrize("record_bytes", [KIB, 20 * KIB])
def test_on_a_thin_link_calls_shrink_until_they_end_in_time_and_the_link_is_used(
    link_bytes_per_s: int, record_bytes: int
) -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(link_bytes_per_s=link_bytes_per_s, call_s=3.0))
    _, stored = run_in_virtual_time(
        written_for(kinesis, 150, record_bytes=record_bytes, request_timeout_ms=3000)
    )
    taken_bytes_per_s = (stored[149] - stored[49]) * record_bytes / 100
    submitted_bytes_per_s = 2500 * record_bytes
    assert taken_bytes_per_s >= 0.6 * min(link_bytes_per_s, submitted_bytes_per_s)


def test_once_the_way_is_wide_again_calls_are_full_again() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(body_bytes_max=200 * KIB))

    async def world() -> None:
        async with writing(kinesis) as writer:
            for number in range(60):
                if number == 5:
                    assert writer.size.limit_bytes <= 220 * KIB
                    kinesis.faults = Faults()
                ticket = Ticket([export(profile, number, 10 * KIB) for profile in range(500)])
                await writer.submit(ticket)
                await ticket.wait()
                await asyncio.sleep(1)
            assert writer.size.limit_bytes == 9 * MIB
            assert writer.trouble is None

    run_in_virtual_time(world())
    assert max(kinesis.requests[-20:]) == 500


@pytest.mark.parametrize(("breaks", "recovers_s"), [(1, 0), (2, 20), (5, 60)])
def test_a_connection_that_breaks_now_and_then_makes_no_call_smaller_for_long(
    breaks: int, recovers_s: int
) -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis, linger_ms=1) as writer:
            number = 0

            async def write() -> None:
                nonlocal number
                ticket = Ticket([export(profile, number, KIB) for profile in range(500)])
                number += 1
                await writer.submit(ticket)
                await ticket.wait()

            for _ in range(3):
                await write()
                kinesis.faults.lost_before = 1
                unknown = kinesis.unknown_outcomes
                broken = asyncio.create_task(write())
                failed = 0
                while failed < breaks:
                    await asyncio.sleep(0.0001)
                    failed += kinesis.unknown_outcomes > unknown
                    unknown = kinesis.unknown_outcomes
                kinesis.faults.lost_before = 0
                await broken
                for _ in range(recovers_s):
                    await write()
                    await asyncio.sleep(1)
                calls = len(kinesis.requests)
                await write()
                assert kinesis.requests[calls:] == [500]

    run_in_virtual_time(world())


@pytest.mark.parametrize(
    "outage", [Faults(lost_before=1), Faults(lost_after=1), Faults(unreadable=lambda _: True)]
)
def test_an_outage_is_got_over_soon_though_no_size_helped(outage: Faults) -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis) as writer:
            kinesis.faults = outage
            first = Ticket([export(profile, 0, KIB) for profile in range(2_000)])
            await writer.submit(first)
            await asyncio.sleep(120)
            assert writer.figures.stored == 0
            kinesis.faults = Faults()
            async with asyncio.timeout(15):
                await first.wait()
            assert_balanced(writer)

    run_in_virtual_time(world())


def test_answers_that_can_be_read_only_of_small_calls_make_calls_small() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(unreadable=lambda records: records > 70))

    async def world() -> None:
        async with writing(kinesis) as writer:
            ticket = Ticket([export(profile, 0) for profile in range(2_000)])
            await writer.submit(ticket)
            async with asyncio.timeout(60):
                await ticket.wait()
            assert writer.figures.unreadable > 0
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert numbers_by_profile([record.data for record in kinesis.stored]) == {n: [0] for n in range(2_000)}


def test_a_record_that_alone_is_too_large_waits_is_reported_and_holds_nothing_else_back() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(body_bytes_max=500 * KIB))

    async def world() -> None:
        async with writing(kinesis) as writer:
            large = Ticket([export(1, 0, 900 * KIB), export(1, 1)])
            await writer.submit(large)
            small = [Ticket([export(profile, n) for profile in range(2, 200)]) for n in range(20)]
            for ticket in small:
                await writer.submit(ticket)
                await ticket.wait()
                await asyncio.sleep(1)
            assert large.unsettled == 2
            assert writer.figures.rejected == 0
            described = writer.size.description(asyncio.get_running_loop().time())
            assert described is not None
            assert "HTTP 413" in described
            assert f"A record of {900 * KIB + 5} bytes does not pass even alone" in described
            kinesis.faults = Faults()
            assert await large.wait() == []
            await asyncio.sleep(10)
            assert writer.size.description(asyncio.get_running_loop().time()) is None
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert numbers_by_profile([record.data for record in kinesis.stored])[1] == [0, 1]


def test_a_record_larger_than_calls_may_be_gets_its_turn_while_others_always_have_records_ready() -> None:
    """Its call has to begin with it."""
    shards = [Shard(f"shard-{n}", n * HASH_KEYS // 3, (n + 1) * HASH_KEYS // 3 - 1) for n in range(3)]
    lanes = Lanes(0.0, math.inf)
    lanes.use(ShardMap(shards), 0.0)
    in_order = list(lanes)
    ticket = Ticket([export(n, 0, 300 * KIB if n == 1_999 else KIB) for n in range(2_000)])
    for n, each in enumerate(ticket.exports):
        lane = in_order[1] if n == 1_999 else in_order[2 * (n % 2)]
        lanes.add([Item(each, ticket, n, lane, len(each.data))])
    calls = [lanes.packed(now_s * 10.0, 50, 200 * KIB) for now_s in range(4)]
    assert [len(call.items) for call in calls if call.size_bytes > 200 * KIB] == [1]


def test_a_partition_is_released_while_a_record_of_it_is_too_large() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(body_bytes_max=10 * KIB))

    async def world() -> None:
        async with writing(kinesis) as writer:
            ticket = Ticket([export(1, 0, 20 * KIB)])
            await writer.submit(ticket)
            await asyncio.sleep(30.5)
            await writer.abandon(0, [ticket])
            assert writer.figures.in_flight == writer.figures.buffered_bytes == 0
            await asyncio.sleep(30)
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert kinesis.stored == []
