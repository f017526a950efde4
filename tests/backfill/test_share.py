"""A backfill's share of a worker: so many events a second, and one partition's backfill at a time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.backfill.pace import Live, Pace
from processor.backfill.share import Share
from tests.support.virtual_time import run_in_virtual_time


def share_of(max_events_per_s: int) -> Share:
    """One beside no live events."""
    return Share(max_events_per_s, Pace(lambda: Live(0, 0)))


def looked_at(share: Share, wanted: int, seconds: float) -> list[tuple[float, int]]:
    """When so many events were looked at, by who takes as many as it may at once."""
    taken: list[tuple[float, int]] = []

    async def look() -> None:
        loop, last = asyncio.get_running_loop(), 0
        while loop.time() < seconds:
            await share.passed(last)
            last = share.most(wanted)
            taken.append((loop.time(), last))

    run_in_virtual_time(look())
    return taken


@given(st.integers(1, 2_000), st.integers(1, 500))
def test_no_more_events_are_looked_at_than_the_rate_allows_with_no_more_than_a_seconds_worth_at_once(
    rate: int, wanted: int
) -> None:
    taken = looked_at(share_of(rate), wanted, 20.0)
    total = 0
    for at_s, events in taken:
        total += events
        assert total <= rate * (at_s + 1) + 1
    assert sum(events for _, events in taken) >= rate * 18, "it is used up"


def test_what_was_left_unused_is_not_saved_up() -> None:
    async def look() -> int:
        share, loop, total = share_of(100), asyncio.get_running_loop(), 0
        await share.passed(share.most(50))
        await asyncio.sleep(1_000)
        until_s, last = loop.time() + 2, 0
        while loop.time() < until_s:
            await share.passed(last)
            last = share.most(50)
            total += last
        return total

    assert run_in_virtual_time(look()) <= 300


def test_without_a_rate_and_without_live_events_it_begins_slowly_and_then_nothing_waits() -> None:
    async def look() -> float:
        share = share_of(0)
        assert share.most(64) == 64
        for _ in range(1_000):
            await share.passed(64)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(look()) < 1


@pytest.mark.parametrize(("rate", "most"), [(1, 1), (2, 1), (10, 5), (127, 63), (10_000, 64)])
def test_as_many_are_looked_at_together_as_half_a_second_is_worth(rate: int, most: int) -> None:
    assert share_of(rate).most(64) == most


def test_partitions_have_their_turns_in_the_order_in_which_they_asked() -> None:
    async def run() -> list[int]:
        share, order = share_of(0), list[int]()

        async def backfill(number: int) -> None:
            async with share.turn():
                order.append(number)
                await asyncio.sleep(1)
                order.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(backfill(number))
        return order

    assert run_in_virtual_time(run()) == [0, 0, 1, 1, 2, 2, 3, 3]
