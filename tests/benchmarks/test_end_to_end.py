"""The end-to-end benchmark measures what it says: a small run, with all that a large one has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.latency import measure_latency, percentile
from benchmarks.end_to_end.processes import Cpus, started
from benchmarks.end_to_end.scene import scene
from benchmarks.end_to_end.throughput import ContenderFailedError, measure, wait_for
from benchmarks.workload import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SMALL = Shape(profiles=500, share_invalid=0.01)
_TREE = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.5: pass\\n"
held = bytearray(64 << 20)
subprocess.run([sys.executable, "-c", burn])
child = subprocess.Popen([sys.executable, "-c", burn + "print('burnt', flush=True); time.sleep(600)"])
child.wait()
"""


@pytest.mark.integration
def test_all_of_a_small_topic_is_exported_and_timed() -> None:
    with scene(Cpus.shared()) as stage:
        topic = stage.fill(_SMALL, 12_000)
        run = measure(Processor(workers=2), stage, topic, _SMALL)
        latency = measure_latency(Processor(), stage, _SMALL, rate=200, seconds=1)
    assert run.missing_records == 0
    assert run.events_per_s > 0
    assert run.events_per_cpu_s > 0
    assert run.kinesis_bytes_an_event > 300
    assert run.kafka_bytes_an_event > topic.value_bytes / (topic.births + topic.events)
    assert run.changelog_bytes_an_event > 5
    # A parent and two workers, each with an interpreter of its own.
    assert run.peak_mib_all > run.peak_mib_largest + 40
    assert 0 < latency.samples < 800 * 0.8
    assert 0 < latency.p50_ms <= latency.p95_ms <= latency.p99_ms <= latency.max_ms


def test_cpu_and_memory_are_those_of_children_too_ended_or_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", _TREE], os.environ, os.sched_getaffinity(0), log) as tree:
        wait_for(lambda: log.stat().st_size, 1, tree)
        cpu_s, peaks, pids = tree.cpu_s, tree.peak_bytes, tree.pids
    assert len(pids) == len(peaks) == 2
    assert 1.0 <= cpu_s < 3.0
    assert peaks[0] > 64 << 20
    assert peaks[1] < 64 << 20


def test_what_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such topic')"]
    with (
        started(command, os.environ, os.sched_getaffinity(0), tmp_path / "log") as tree,
        pytest.raises(ContenderFailedError, match="it ended at 3 of 10:\nno such topic"),
    ):
        wait_for(lambda: 3, 10, tree)


def test_what_was_started_ends_when_the_benchmark_is_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    @contextmanager
    def kafka(_: object) -> Iterator[SimpleNamespace]:
        try:
            yield SimpleNamespace(bootstrap_servers="127.0.0.1:1")
        finally:
            ended.append("kafka")

    monkeypatch.setattr("benchmarks.end_to_end.scene.start_kafka", kafka)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as raised, scene(Cpus.shared()) as stage:
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.code == 128 + signal.SIGTERM
    assert ended == ["kafka"]
    assert not stage.home.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 99) == 7


def test_the_command_says_what_it_takes() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.end_to_end", "--help"], capture_output=True, text=True, check=True
    )
    assert "--share-of-changes" in told.stdout
    assert "--workers" in told.stdout
