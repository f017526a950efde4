"""The benchmark of the API's load measures what it says: a small run, with all that a large one has."""

from __future__ import annotations

import pytest

from benchmarks.api_load import CHANGES, READS, WITHOUT, measure_api_load
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import scene
from benchmarks.workload import Shape

pytestmark = [pytest.mark.integration]


def test_live_events_are_timed_without_calls_with_reads_and_with_changes() -> None:
    with scene(Cpus.shared()) as stage:
        found = measure_api_load(stage, Shape(profiles=500), rate=100, seconds=2, calls_per_s=20)
    assert set(found["windows"]) == {WITHOUT, READS, CHANGES}
    for name, window in found["windows"].items():
        assert 0 < window["samples"] < 600
        assert 0 < window["p50_ms"] <= window["p99_ms"]
        assert window["calls_refused"] == 0
        assert (window["calls_per_s"] > 0) == (name != WITHOUT)
        assert (window["changes"] > 0) == (name == CHANGES)
