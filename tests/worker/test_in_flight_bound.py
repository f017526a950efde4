"""The bound over what all partitions hold: passed by one batch at most, and nobody starves."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kafka.poll_room import Room
from processor.profile.source_record import size_bytes
from processor.worker.in_flight_bound import STARVED_AFTER_S, InFlightBound


class Record(NamedTuple):
    value: bytes
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


LIMIT = 1 << 20


@given(
    partitions=st.integers(1, 40),
    record_bytes=st.integers(0, 20_000),
    batch_records=st.integers(1, 200),
    stuck=st.integers(0, 39),
    seed=st.integers(0, 1 << 30),
)
def test_all_that_is_held_is_within_the_bound_and_one_batch_and_every_partition_gets_on(
    partitions: int, record_bytes: int, batch_records: int, stuck: int, seed: int
) -> None:
    rng = random.Random(seed)
    batch = [Record(b"x" * record_bytes)] * batch_records
    batch_bytes, record_size = size_bytes(batch), size_bytes(batch[:1])
    bound = InFlightBound(LIMIT, 2000)
    held = dict.fromkeys(range(partitions), 0)
    taken = dict.fromkeys(range(partitions), 0)
    stuck = min(stuck, partitions - 1)
    now_s = 0.0
    for _ in range(60 * partitions):
        room = bound.room(held, now_s)
        if room is None:
            now_s += STARVED_AFTER_S
        else:
            for number in rng.sample(list(room.shares), len(room.shares)):
                while room.has_any(number) and rng.random() < 0.9:
                    fitting = room.take(number, batch, batch_bytes)
                    held[number] += size_bytes(batch[:fitting])
                    taken[number] += fitting
        # One record each, where that is more than a part of what is kept for those that would get nothing.
        assert sum(held.values()) <= LIMIT + batch_bytes + partitions * record_size
        for number in range(stuck, partitions):  # those before never give back what they hold
            if rng.random() < 0.5:
                held[number] = 0
        if all(taken.values()):
            break
    assert all(taken.values()), "a partition got nothing"


COMMON = LIMIT * 7 // 8


def grown(held: dict[int, int], numbers: range) -> None:
    """Have some partitions, in turns, take all that they may, in small batches."""
    bound, has_grown = InFlightBound(LIMIT, 2000), True
    while has_grown:
        has_grown = False
        for number in numbers:
            room = bound.room(held, 0.0)
            if room is not None and number in room.shares:
                held[number] += min(room.shares[number], 500)
                has_grown = True


@pytest.mark.parametrize("partitions", [3, 12, 600])
def test_a_partition_beside_others_that_hold_nothing_may_hold_a_quarter_of_the_bound_beyond_its_share(
    partitions: int,
) -> None:
    held = dict.fromkeys(range(partitions), 0)
    grown(held, range(1))
    assert held[0] == COMMON // partitions + COMMON // 4


@pytest.mark.parametrize(("partitions", "still"), [(12, 4), (48, 24), (200, 20)])
def test_those_that_stand_still_hold_no_more_than_that_together(partitions: int, still: int) -> None:
    held = dict.fromkeys(range(partitions), 0)
    grown(held, range(still))
    assert sum(held.values()) == still * (COMMON // partitions) + COMMON // 4
    room = InFlightBound(LIMIT, 2000).room(held, 0.0)
    assert room is not None
    assert set(room.shares) == set(range(still, partitions)), "shares are left to the others"


def test_where_all_is_held_nothing_is_taken_until_some_have_waited_for_long() -> None:
    bound, held = InFlightBound(LIMIT, 2000), {0: LIMIT + 5_000_000, 1: 0, 2: 0}
    assert bound.room(held, 10.0) is None
    assert bound.room(held, 11.9) is None
    room = bound.room(held, 12.0)
    assert room is not None
    assert set(room.shares) == {1, 2}
    assert sum(room.shares.values()) <= LIMIT // 8
    # Room again: the next wait begins anew.
    assert bound.room({0: 5, 1: 0, 2: 0}, 13.0) is not None
    assert bound.room(held, 14.0) is None


def test_without_partitions_there_is_nothing_to_take() -> None:
    assert InFlightBound(LIMIT, 2000).room({}, 0.0) is None


def test_a_room_counts_what_is_taken() -> None:
    room = Room(15, 100_000, {0: 10_000, 1: 10_000})
    assert room.take(0, [Record(b"")] * 10, 9_000) == 10
    assert room.has_any(0)
    room.take(0, [Record(b"")] * 5, 2_000)
    assert not room.has_any(0)
    assert not room.has_any(1), "so many records are enough for one poll"
