"""How long what is ready waits for more before a call goes; on virtual time."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from processor.kinesis.shards import Shard, ShardMap
from processor.kinesis.ticket import Ticket
from tests.kinesis.parts import Parts
from tests.support.kinesis_writer import export
from tests.support.scripted_kinesis import HASH_KEYS
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


def filling(test: Callable[[Parts], None], **settings: float) -> None:
    """Run a test's body with parts of a writer, within a loop whose time is 0."""

    async def world() -> None:
        test(Parts(None, **settings))

    run_in_virtual_time(world())


def test_where_nothing_is_ready_nothing_is_waited_for() -> None:
    def body(parts: Parts) -> None:
        assert parts.fill.wait_s(0.0) == math.inf
        assert parts.fill.packed(0.0).items == []

    filling(body)


def test_what_is_ready_again_wakes_who_sends() -> None:
    def body(parts: Parts) -> None:
        parts.fill.ready()
        assert not parts.wake.is_set(), "who has it ready looks"
        parts.fill.ready_again()
        assert parts.wake.is_set()

    filling(body)


def test_what_is_ready_waits_as_long_as_linger_says_from_the_first_on() -> None:
    async def world() -> None:
        parts = Parts(linger_ms=10)
        parts.take(Ticket([export(1, 0)]))
        parts.fill.ready()
        await asyncio.sleep(0.004)
        parts.fill.ready()
        assert parts.fill.wait_s(0.004) == pytest.approx(0.006)
        assert parts.fill.wait_s(0.010) == 0

    run_in_virtual_time(world())


@pytest.mark.parametrize(("busy_linger_ms", "wait_s"), [(100, 0.1), (0, 0.01)])
def test_while_more_follows_the_longer_of_both_lingers_counts(busy_linger_ms: int, wait_s: float) -> None:
    def body(parts: Parts) -> None:
        parts.fill.follow(is_followed=True)
        parts.fill.ready()
        assert parts.fill.wait_s(0.0) == wait_s

    filling(body, linger_ms=10, busy_linger_ms=busy_linger_ms)


def test_what_is_ready_again_does_not_wait_for_what_follows() -> None:
    def body(parts: Parts) -> None:
        parts.fill.follow(is_followed=True)
        parts.fill.ready_again()
        assert parts.fill.wait_s(0.0) == 0.01

    filling(body, linger_ms=10, busy_linger_ms=100)


def test_what_much_waits_behind_goes_at_once() -> None:
    def body(parts: Parts) -> None:
        parts.fill.ready()
        assert parts.fill.wait_s(0.0) == 0.01
        parts.fill.ready_at_once()
        assert parts.fill.wait_s(0.0) == 0

    filling(body, linger_ms=10)


@pytest.mark.parametrize("settings", [{"max_records_per_request": 5}, {"max_request_bytes": 1024}], ids=str)
def test_a_full_call_goes_at_once(settings: dict[str, float]) -> None:
    def body(parts: Parts) -> None:
        parts.take(Ticket([export(profile, 0, 300) for profile in range(3)]))
        parts.fill.ready()
        assert parts.fill.wait_s(0.0) > 0
        parts.take(Ticket([export(profile, 0, 300) for profile in range(3, 5)]))
        assert parts.fill.wait_s(0.0) == 0

    filling(body, **settings)


def test_a_call_is_packed_of_all_that_is_ready_and_the_next_waits_anew() -> None:
    def body(parts: Parts) -> None:
        items = parts.take(Ticket([export(profile, 0) for profile in range(3)]))
        parts.fill.ready()
        assert parts.fill.packed(0.02).items == items
        assert parts.fill.wait_s(0.02) == pytest.approx(0.01)
        assert parts.fill.packed(0.04).items == []
        assert parts.fill.wait_s(0.04) == math.inf

    filling(body, linger_ms=10)


def test_where_the_shards_limits_let_few_records_go_they_are_gathered_for_a_moment() -> None:
    def body(parts: Parts) -> None:
        parts.lanes.use(ShardMap([Shard("shard", 0, HASH_KEYS - 1)]), 0.0)
        parts.take(Ticket([export(profile, 0) for profile in range(1_000)]))
        parts.fill.ready()
        assert len(parts.fill.packed(0.0).items) == 250, "a burst"
        parts.fill.ready_at_once()
        assert len(parts.fill.packed(0.001).items) < 250
        assert parts.fill.wait_s(0.001) == pytest.approx(0.005)

    filling(body)
