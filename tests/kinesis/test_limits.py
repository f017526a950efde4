"""How much a shard is given and how many calls are in flight, by what their answers show."""

from __future__ import annotations

import pytest

from processor.kinesis.call_limit import InFlightLimit
from processor.kinesis.shard_limiter import SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S, Limiter


def offered(limiter: Limiter, *, seconds: float, start_s: float = 0.0, size_bytes: int = 100) -> int:
    """The records that go in this time when there are always more, all of them stored."""
    sent, now_s = 0, start_s
    while now_s < start_s + seconds:
        count = min(limiter.records_allowed(now_s), 1 + int(limiter.bytes_allowed / size_bytes))
        if count > 0:
            limiter.spend(count, count * size_bytes)
            limiter.answered(now_s, count, 0)
            sent += count
        now_s += 0.01
    return sent


def test_a_shard_is_given_its_published_limits_at_first() -> None:
    assert 0.9 * SHARD_RECORDS_PER_S < offered(Limiter(0.0), seconds=1.0) < 1.6 * SHARD_RECORDS_PER_S
    large = offered(Limiter(0.0), seconds=1.0, size_bytes=10_000)
    assert large * 10_000 < 2.2 * SHARD_BYTES_PER_S


def test_a_shard_that_takes_more_is_given_more() -> None:
    limiter = Limiter(0.0)
    offered(limiter, seconds=10)
    assert limiter.scale > 20


def test_what_is_not_used_says_nothing_about_the_limit() -> None:
    limiter = Limiter(0.0)
    for tenth in range(600):
        assert limiter.records_allowed(tenth / 10) >= 10
        limiter.spend(10, 1_000)
        limiter.answered(tenth / 10, 10, 0)
    assert limiter.scale == 1.0


def test_a_throttle_cuts_the_rate_to_the_share_that_was_stored() -> None:
    limiter = Limiter(0.0)
    limiter.records_allowed(1.0)
    limiter.answered(1.0, 60, 40)
    assert limiter.scale == pytest.approx(0.6)
    limiter.answered(1.1, 60, 40)
    assert limiter.scale == pytest.approx(0.6), "calls that were on their way together count once"


def test_a_shard_that_takes_nothing_says_nothing_about_its_limit() -> None:
    limiter = Limiter(0.0)
    for second in range(60):
        limiter.answered(float(second), 0, 10)
    assert limiter.scale == 1.0


def test_what_a_large_record_took_too_much_is_waited_for() -> None:
    limiter = Limiter(0.0)
    limiter.spend(1, int(SHARD_BYTES_PER_S))
    assert limiter.records_allowed(0.0) == 0
    assert 0.7 < limiter.wait_s(1) < 0.8
    assert limiter.records_allowed(0.8) > 0


def test_calls_in_flight_grow_while_latency_stays_what_it_was() -> None:
    limit = InFlightLimit(32, 15.0)
    for _ in range(500):
        limit.answered(0.02, limit.limit)
    assert limit.limit == 32


def test_calls_in_flight_shrink_where_calls_queue() -> None:
    limit = InFlightLimit(32, 15.0)
    for _ in range(500):
        limit.answered(0.02, limit.limit)
    for _ in range(40):
        limit.answered(0.2, limit.limit)
    assert limit.limit <= 16


def test_calls_in_flight_do_not_grow_while_they_are_not_used() -> None:
    limit = InFlightLimit(32, 15.0)
    before = limit.limit
    for _ in range(500):
        limit.answered(0.02, 1)
    assert limit.limit == before


def test_after_slow_times_calls_in_flight_come_back() -> None:
    limit = InFlightLimit(32, 15.0)
    for _ in range(200):
        limit.answered(5.0, limit.limit)
    for _ in range(300):
        limit.answered(0.02, limit.limit)
    assert limit.limit == 32


def test_one_call_may_always_go() -> None:
    limit = InFlightLimit(1, 15.0)
    for latency_s in (0.001, 10.0, 60.0, 0.0):
        limit.answered(latency_s, 1)
        assert limit.limit == 1
