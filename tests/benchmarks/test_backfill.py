"""The benchmark of backfills measures what it says: small runs, with all that large ones have."""

from __future__ import annotations

import pytest

from benchmarks.backfill.alone import ATTRIBUTE, CASES, NOTHING, SEGMENT, measure_alone
from benchmarks.backfill.beside_live import WITHOUT, measure_beside_live
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import scene
from benchmarks.workload import Shape

pytestmark = [pytest.mark.integration]


def test_each_case_reads_the_whole_topic_once_and_exports_what_it_says() -> None:
    shape = Shape(profiles=600)
    with scene(Cpus.shared()) as stage:
        topic = stage.fill(shape, 900, partitions=2)
        found, samples = measure_alone(stage, topic, shape, list(CASES), partitions=2)
    assert [found[name].exported for name in (NOTHING, ATTRIBUTE)] == [0, 600]
    assert 0 < found[SEGMENT].exported < 300
    for each in found.values():
        assert each.read_times == pytest.approx(1.0), "so small a topic is one chunk"
        assert each.loopback_times > 0.5
        assert 0 < each.profiles_per_s < each.events_per_s
        assert 20 < each.resident_before_mib <= each.resident_peak_mib
    assert samples


def test_live_events_are_timed_with_and_without_a_backfill() -> None:
    shape = Shape(profiles=4_000)
    with scene(Cpus.shared()) as stage:
        found = measure_beside_live(stage, shape, rate=100, seconds=1, max_backfilled_per_s=100)
    assert set(found["windows"]) == {WITHOUT, SEGMENT, ATTRIBUTE}
    for window in found["windows"].values():
        assert 0 < window["samples"] < 200
        assert 0 < window["p50_ms"] <= window["p99_ms"]
    assert found["windows"][WITHOUT]["backfilled_per_s"] == 0
    assert found["windows"][ATTRIBUTE]["backfilled_per_s"] > 0
