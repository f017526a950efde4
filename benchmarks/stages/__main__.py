"""Measure all stages, print, and keep the figures: python -m benchmarks.stages [--fast] [--keep]."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyperf

from benchmarks import report
from benchmarks.options import add_keep
from benchmarks.stages import ends, pure
from benchmarks.stages.samples import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, the floor of its work, and what `measured` contains beside it."""

    name: str
    measured: Callable[[int], Callable[[], None]]
    """Given how many events: what works on them once."""
    floor: Callable[[int], Callable[[], None]]
    after: str | None = None
    """The stage that `measured` begins with: its figure is taken off."""
    at_once: int = 1
    """How many events hold memory at the same time."""


STAGES = (
    Stage("poll", ends.poll, ends.poll_floor, at_once=BATCH),
    Stage("poll, as aiokafka does", ends.poll_as_aiokafka_does, ends.poll_floor, at_once=BATCH),
    Stage("decode", pure.decode, pure.decode_floor),
    Stage("view", pure.view, pure.view_floor, after="decode"),
    Stage("diff", pure.diff, pure.record_floor, after="view"),
    Stage("export", pure.export, pure.export_floor, after="diff"),
    Stage("record", pure.record, pure.record_floor),
    Stage("state", ends.state, ends.state_floor, at_once=BATCH),
    Stage("pack", ends.pack, ends.pack_floor, at_once=BATCH),
    Stage("sign", ends.sign, ends.sign_floor, at_once=BATCH),
    Stage("changelog", ends.changelog, ends.changelog_floor, at_once=BATCH),
)
_WORKER_VARIABLE = "BENCHMARK_STAGES_UNDER_PYPERF"


def main() -> None:
    """In pyperf's processes: be measured. Else: let pyperf measure, look at memory, tell."""
    if _WORKER_VARIABLE in os.environ:
        _measured_by_pyperf()
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="fewer processes and values")
    add_keep(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-stages-") as home:
        file = Path(home) / "pyperf.json"
        command = [sys.executable, "-m", "benchmarks.stages", "--quiet", f"--output={file}"]
        # Without the second, its processes would find this directory's sources before what is installed.
        command += [f"--inherit-environ={_WORKER_VARIABLE},PYTHONSAFEPATH"]
        command += ["--processes=2", "--values=2"] if options.fast else ["--processes=7"]
        subprocess.run(command, check=True, env=os.environ | {_WORKER_VARIABLE: "1"})
        suite = pyperf.BenchmarkSuite.load(str(file))
    figures = _figures(suite)
    print(json.dumps(figures, indent=1))
    if options.keep:
        print(f"kept in {report.write('stages', figures)}")


def _measured_by_pyperf() -> None:
    runner = pyperf.Runner(program_args=("-m", "benchmarks.stages"))
    for stage in STAGES:
        for name, make in ((stage.name, stage.measured), (f"{stage.name}, floor", stage.floor)):
            runner.bench_time_func(name, _timed, cache(partial(make, BATCH)), inner_loops=BATCH)


def _timed(loops: int, make: Callable[[], Callable[[], None]]) -> float:
    run = make()
    began_s = time.perf_counter()
    for _ in range(loops):
        run()
    return time.perf_counter() - began_s


def _figures(suite: Any) -> dict[str, dict[str, float]]:  # noqa: ANN401  pyperf has no types
    ns = {each.get_name(): each.median() * 1e9 for each in suite.get_benchmarks()}
    spread = {each.get_name(): each.stdev() * 1e9 for each in suite.get_benchmarks()}
    allocated = {stage.name: _allocated_bytes(stage) for stage in STAGES}
    return {
        stage.name: {
            "ns_an_event": round(ns[stage.name] - ns.get(stage.after or "", 0)),
            "floor_ns_an_event": round(ns[f"{stage.name}, floor"]),
            "stdev_ns": round(spread[stage.name]),
            "with_what_is_before_ns": round(ns[stage.name]),
            "allocated_bytes_an_event": round(allocated[stage.name] - allocated.get(stage.after or "", 0)),
        }
        for stage in STAGES
    }


def _allocated_bytes(stage: Stage) -> float:
    """What Python's allocators have given out at the peak, an event."""
    run = stage.measured(stage.at_once)
    run()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()
    return (peak - before) / stage.at_once


if __name__ == "__main__":
    main()
