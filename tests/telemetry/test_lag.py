"""How far behind workers are, all together; and quantiles of what was counted in the last minute."""

from __future__ import annotations

import pytest

from processor.telemetry.histogram import AGE_S, Histogram, quantile
from processor.telemetry.recent_counts import RecentCounts
from processor.telemetry.report import PartitionReport, lag_of
from tests.support.reports import report


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        pytest.param([], 0.99, None, id="before the first look"),
        pytest.param([0, 0, 0, 0], 0.99, None, id="nothing"),
        pytest.param([100, 0, 0, 0], 0.5, 0.5, id="halfway to the first bound"),
        pytest.param([0, 100, 0, 0], 0.5, 1.5, id="halfway between two"),
        pytest.param([98, 0, 2, 0], 0.99, 3.0, id="in the last bound"),
        pytest.param([0, 0, 0, 3], 0.99, 4.0, id="beyond the last"),
    ],
)
def test_a_quantile_is_what_prometheus_makes_of_the_same_histogram(
    counts: list[int], share: float, value: float | None
) -> None:
    assert quantile(share, (1.0, 2.0, 4.0), counts) == (None if value is None else pytest.approx(value))


def test_only_the_last_minute_counts() -> None:
    ages, recent = Histogram(AGE_S), RecentCounts()
    assert recent.counts == []
    for _ in range(50):
        ages.observe(3000.0)
    recent.look(0.0, ages.counts)
    for second in range(1, 200):
        ages.observe(0.2)
        recent.look(float(second), ages.counts)
    p99 = quantile(0.99, AGE_S, recent.counts)
    assert p99 is not None
    assert p99 < 0.25
    assert 60 <= sum(recent.counts) <= 65
    for second in range(200, 300):
        recent.look(float(second), ages.counts)
    assert sum(recent.counts) == 0


def test_the_lag_of_workers_adds_up_and_the_oldest_is_the_oldest_of_all() -> None:
    counts = [0] * (len(AGE_S) + 1)
    one = report(
        partitions=[
            PartitionReport(0, is_restored=True, lag_records=10, lag_s=4.0),
            PartitionReport(1, is_restored=False, lag_records=1_000_000),
        ],
        recent_ages=[*counts[:-1], 0],
    )
    two = report(
        partitions=[
            PartitionReport(2, is_restored=True, lag_records=5, lag_s=900.0),
            PartitionReport(3, is_restored=False),
        ],
        recent_ages=[0, 0, 0, 100, *counts[4:]],
    )
    records, oldest_s, p99_s, unknown = lag_of([one, two])
    assert (records, oldest_s, unknown) == (1_000_015, 900.0, 1)
    assert p99_s == pytest.approx(0.4975)


def test_nothing_known_is_reported_as_unknown() -> None:
    assert lag_of([]) == (0, None, None, 0)
    assert lag_of([report(partitions=[PartitionReport(0, is_restored=False)])]) == (0, None, None, 1)
