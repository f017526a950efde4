"""What a lane holds and gives, and how calls are packed from all lanes."""

from __future__ import annotations

import math

import pytest

from processor.kinesis.lane import Lane
from processor.kinesis.lanes import Lanes
from processor.kinesis.shards import Shard, ShardMap
from processor.kinesis.ticket import Ticket
from tests.kinesis.parts import items_of
from tests.support.kinesis_writer import export
from tests.support.scripted_kinesis import HASH_KEYS

MIB = 1024 * 1024


def lanes_of(shards: int, lane_bytes_max: float = MIB) -> Lanes:
    lanes = Lanes(0.0, lane_bytes_max)
    lanes.use(_map(range(shards), shards), 0.0)
    return lanes


def _map(numbers: range, shards: int) -> ShardMap:
    return ShardMap(
        [Shard(f"shard-{n}", n * HASH_KEYS // shards, (n + 1) * HASH_KEYS // shards - 1) for n in numbers]
    )


def test_a_lane_admits_until_it_has_no_room_and_counts_what_it_admitted() -> None:
    one, other = Lane("one", 0.0, 100), Lane("other", 0.0, 100)
    assert Lane.admit([one, other, one, one, other], [60, 90, 40, 1, 1]) == 3
    assert (one.held_bytes, other.held_bytes) == (100, 90)
    one.release(60)
    assert Lane.admit([one], [60]) == 1


def test_an_empty_lane_admits_one_item_of_any_size() -> None:
    lane = Lane("shard", 0.0, 100)
    assert Lane.admit([lane, lane], [1_000, 1]) == 1
    assert lane.held_bytes == 1_000


def test_items_are_packed_in_the_order_of_their_lane_and_those_that_failed_go_first() -> None:
    lanes = lanes_of(1)
    items = items_of(lanes, Ticket([export(profile, 0) for profile in range(5)]))
    lanes.add(items[2:])
    lanes.put_back(items[:2])
    assert lanes.ready_records == 5
    call = lanes.packed(0.0, 500, MIB)
    assert call.items == items
    ((lane, start, end, size_bytes),) = call.runs
    assert (lane, start, end) == (items[0].lane, 0, 5)
    assert size_bytes == call.size_bytes == sum(item.size_bytes for item in items)
    assert (lanes.ready_records, lanes.wait_s(0.0)) == (0, math.inf)


def test_a_call_is_spread_over_the_lanes_that_have_something() -> None:
    lanes = lanes_of(4)
    lanes.add(items_of(lanes, Ticket([export(profile, 0) for profile in range(2_000)])))
    call = lanes.packed(0.0, 400, MIB)
    assert [run.end - run.start for run in call.runs] == [100] * 4
    assert len({run.lane.shard_id for run in call.runs}) == 4


def test_what_waits_for_a_shard_that_closed_moves_and_is_counted_where_it_goes() -> None:
    lanes = lanes_of(2)
    items = items_of(lanes, Ticket([export(profile, 0) for profile in range(100)]))
    for item in items:
        item.lane.hold(item.size_bytes)
    former = list(lanes)
    lanes.add(items[:50])
    lanes.use(_map(range(4), 4), 1.0)
    still_open = [lane for lane in lanes if lane in former]
    assert all(lane.is_closed for lane in former if lane not in still_open)
    assert lanes.ready_records == 50
    lanes.add_waited(items[50:])
    by_lane = {lane.shard_id: 0 for lane in lanes}
    for item in items:
        assert not item.lane.is_closed
        by_lane[item.lane.shard_id] += item.size_bytes
    assert {lane.shard_id: lane.held_bytes for lane in lanes} == by_lane


def test_abandoned_items_are_dropped_and_their_lanes_have_no_turn() -> None:
    lanes = lanes_of(1)
    abandoned, kept = Ticket([export(1, 0)]), Ticket([export(2, 0)])
    lanes.add(items_of(lanes, abandoned))
    abandoned.abandon()
    lanes.drop_abandoned()
    assert (lanes.ready_records, lanes.wait_s(0.0)) == (0, math.inf)
    items = items_of(lanes, kept)
    lanes.add(items)
    assert lanes.packed(0.0, 500, MIB).items == items


def failing_lanes() -> tuple[Lanes, Lane]:
    """One lane whose shard takes nothing, with a hundred items."""
    lanes = lanes_of(1)
    lanes.add(items_of(lanes, Ticket([export(profile, 0) for profile in range(100)])))
    (lane,) = lanes
    for _ in range(2):
        lane.answered(0.0, 0, 0, 5)
    assert lane.is_failing
    return lanes, lane


def test_a_lane_that_takes_nothing_is_probed_with_a_few_records_once_at_a_time() -> None:
    lanes, lane = failing_lanes()
    assert len(lanes.packed(0.0, 500, MIB).items) == 10
    assert (lanes.packed(0.0, 500, MIB).items, lane.wait_s(0.0)) == ([], math.inf)
    lane.answered(0.0, 0, 0, 10)
    assert len(lanes.packed(0.0, 500, MIB).items) == 10
    lane.end_probe()
    assert len(lanes.packed(0.0, 500, MIB).items) == 10


def test_a_lane_that_takes_nothing_waits_as_long_as_it_is_paused() -> None:
    lanes, lane = failing_lanes()
    lane.pause_until(5.0)
    assert lanes.packed(4.9, 500, MIB).items == []
    assert lanes.wait_s(4.0) == pytest.approx(1.0, abs=0.01)
    assert len(lanes.packed(5.0, 500, MIB).items) == 10


def test_a_lane_that_takes_something_again_is_no_longer_paused_or_probed() -> None:
    lanes, lane = failing_lanes()
    lane.pause_until(5.0)
    lane.answered(1.0, 1, 0, 9)
    assert not lane.is_failing
    assert len(lanes.packed(1.0, 500, MIB).items) == 100
