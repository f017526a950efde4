"""What the writer promises, under faults by a script, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.ticket import Ticket
from tests.support.kinesis_writer import MIB, assert_balanced, export, numbers_by_profile, writing
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.writer import Writer
    from processor.profile.structs import Export


async def write(kinesis: ScriptedKinesis, batches: Sequence[Sequence[Export]], **changes: float) -> Writer:
    async with writing(kinesis, **changes) as writer:
        tickets = [Ticket(batch) for batch in batches]
        for ticket in tickets:
            await writer.submit(ticket)
        for ticket in tickets:
            await ticket.wait()
    return writer


shares = st.sampled_from([0, 0, 0.05, 0.3, 0.7])


@given(
    st.integers(0, 2**32),
    st.builds(
        Faults, throttled=shares, failed=shares, lost_before=shares, lost_after=shares, unavailable=shares
    ),
    st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=8),
    st.sampled_from([1, 3, 500]),
)
def test_first_occurrences_of_a_profile_reach_the_stream_in_order_whatever_fails(
    seed: int, faults: Faults, profiles: list[list[int]], records_per_request: int
) -> None:
    kinesis = ScriptedKinesis(random.Random(seed), faults=faults)
    counts: dict[int, int] = defaultdict(int)
    batches = []
    for batch in profiles:
        exports = []
        for profile in batch:
            exports.append(export(profile, counts[profile]))
            counts[profile] += 1
        batches.append(exports)
    writer = run_in_virtual_time(write(kinesis, batches, max_records_per_request=records_per_request))
    found = numbers_by_profile([record.data for record in kinesis.stored])
    assert found == {profile: list(range(count)) for profile, count in counts.items()}
    submitted = sum(map(len, batches))
    assert writer.figures.stored == submitted
    assert len(kinesis.stored) - submitted <= kinesis.unknown_outcomes == writer.figures.possible_duplicates
    assert_balanced(writer)


def test_only_failed_records_are_sent_again() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(throttled=0.3, failed=0.1))
    writer = run_in_virtual_time(write(kinesis, [[export(profile, 0) for profile in range(2_000)]]))
    assert len(kinesis.stored) == 2_000
    assert set(writer.figures.retried) == {"ProvisionedThroughputExceededException", "InternalFailure"}
    assert sum(kinesis.requests) == 2_000 + writer.figures.retried.total()


def test_calls_are_filled_up_to_what_kinesis_takes() -> None:
    kinesis = ScriptedKinesis(random.Random(5))
    run_in_virtual_time(write(kinesis, [[export(profile, 0) for profile in range(1_200)]], linger_ms=10))
    assert sorted(kinesis.requests) == [200, 500, 500]


def test_calls_are_bounded_by_bytes() -> None:
    kinesis = ScriptedKinesis(random.Random(5))
    large = [export(profile, 0, MIB - 100) for profile in range(25)]
    run_in_virtual_time(write(kinesis, [large], linger_ms=10, buffer_bytes=100 * MIB))
    assert max(kinesis.requests) == 9


def calls_of_two(first: Ticket, second: Ticket, **settings: float) -> list[int]:
    """How many records went in each call, when the second ticket comes 20 ms after the first."""
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis, **settings) as writer:
            await writer.submit(first)
            await asyncio.sleep(0.02)
            await writer.submit(second)
            await first.wait()
            await second.wait()

    run_in_virtual_time(world())
    return kinesis.requests


@pytest.mark.parametrize(("linger_ms", "expected"), [(0, [1, 1]), (50, [2])])
def test_a_record_waits_for_more_as_long_as_linger_says(linger_ms: int, expected: list[int]) -> None:
    first, second = Ticket([export(1, 0)]), Ticket([export(2, 0)])
    assert calls_of_two(first, second, linger_ms=linger_ms) == expected


@pytest.mark.parametrize(("is_followed", "expected"), [(False, [1, 1]), (True, [2])])
def test_a_record_waits_longer_while_more_events_wait_to_become_records(
    is_followed: bool, expected: list[int]
) -> None:
    first, second = Ticket([export(1, 0)], is_followed=is_followed), Ticket([export(2, 0)])
    assert calls_of_two(first, second, linger_ms=5, busy_linger_ms=25) == expected


def test_a_profile_with_many_records_does_not_wait_for_more_with_each() -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> float:
        async with writing(kinesis, linger_ms=5, busy_linger_ms=1000) as writer:
            ticket = Ticket([export(1, number) for number in range(100)], is_followed=True)
            began_s = asyncio.get_running_loop().time()
            await writer.submit(ticket)
            await ticket.wait()
            return asyncio.get_running_loop().time() - began_s

    # The first, and the last ones, behind which few wait, do; 90 others at a second each would take a minute and a half.
    assert run_in_virtual_time(world()) < 20
    assert len(kinesis.stored) == 100


@pytest.mark.parametrize(("behind", "expected"), [(7, []), (8, [1])])
def test_a_record_that_waits_for_more_goes_at_once_as_many_come_to_wait_behind_it(
    behind: int, expected: list[int]
) -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> list[int]:
        async with writing(kinesis, linger_ms=5, busy_linger_ms=60_000) as writer:
            await writer.submit(Ticket([export(1, 0)], is_followed=True))
            await asyncio.sleep(1)
            assert kinesis.requests == []
            await writer.submit(Ticket([export(1, 1 + number) for number in range(behind)], is_followed=True))
            await asyncio.sleep(0.001)
            return [*kinesis.requests]

    assert run_in_virtual_time(world())[:1] == expected


def test_nothing_waits_longer_once_no_event_waits() -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis, linger_ms=5, busy_linger_ms=60_000) as writer:
            tickets = [Ticket([export(1, 0)], is_followed=True), Ticket([export(2, 0)])]
            for ticket in tickets:
                await writer.submit(ticket)
            async with asyncio.timeout(1):
                for ticket in tickets:
                    await ticket.wait()

    run_in_virtual_time(world())
    assert kinesis.requests == [2]


def test_profiles_on_other_shards_do_not_wait_for_a_dead_one() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(dead_shards={"shardId-000000000000"}))
    profiles = range(200)
    alive = [
        profile for profile in profiles if kinesis.shard_of(f"key-{profile}") is not kinesis.all_shards[0]
    ]

    async def world() -> None:
        async with writing(kinesis) as writer:
            tickets = [Ticket([export(profile, 0)]) for profile in profiles]
            for ticket in tickets:
                await writer.submit(ticket)
            for profile in alive:
                await tickets[profile].wait()
            await writer.abandon(0, tickets)
            assert writer.figures.abandoned == len(profiles) - len(alive)
            assert writer.figures.in_flight == writer.figures.buffered_bytes == 0

    run_in_virtual_time(world())
    assert len(kinesis.stored) == len(alive)


def test_a_refusal_is_reported_and_tried_again_slowly_until_it_is_mended() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(refused="AccessDeniedException"))
    ticket = Ticket([export(1, 0)])

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(ticket)
            await asyncio.sleep(30)
            assert writer.trouble == "PutRecords: AccessDeniedException"
            assert 25 <= len(kinesis.requests) <= 60
            kinesis.faults = Faults()
            await ticket.wait()
            assert writer.trouble is None

    run_in_virtual_time(world())


def test_the_buffer_is_bounded_in_bytes_and_submit_waits_for_room() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(black_hole=True))

    async def world() -> None:
        async with writing(kinesis, buffer_bytes=MIB) as writer:
            ticket = Ticket([export(profile, 0, 100_000) for profile in range(100)])
            submitting = asyncio.create_task(writer.submit(ticket))
            await asyncio.sleep(60)
            assert not submitting.done()
            assert 900_000 < writer.figures.buffered_bytes <= MIB
            submitting.cancel()
            await asyncio.wait([submitting])
            await writer.abandon(0, [ticket])
            assert writer.figures.in_flight == writer.figures.buffered_bytes == 0
            assert_balanced(writer)

    run_in_virtual_time(world())


def test_abandoning_one_partition_leaves_the_others_alone() -> None:
    """The same key in two partitions, as a changed partitioner leaves it, is two profiles to the writer."""
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(refused="ExpiredTokenException"))

    async def world() -> None:
        async with writing(kinesis) as writer:
            leaving, staying = (
                Ticket([export(1, 0)], partition=0),
                Ticket([export(2, 0), export(2, 1)], partition=1),
            )
            for ticket in (leaving, staying):
                await writer.submit(ticket)
            await asyncio.sleep(5)
            await writer.abandon(leaving.partition, [leaving])
            kinesis.faults = Faults()
            await staying.wait()
            assert leaving.unsettled == 1
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert numbers_by_profile([record.data for record in kinesis.stored]) == {2: [0, 1]}


def test_ending_the_writer_with_a_black_hole_takes_no_time() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(black_hole=True))

    async def world() -> float:
        async with writing(kinesis) as writer:
            await writer.submit(Ticket([export(profile, 0) for profile in range(100)]))
            await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(world()) < 60.1
