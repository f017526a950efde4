"""Measure the processor end to end, print, and keep the figures.

python -m benchmarks.end_to_end --events 300000 --runs 1 --workers 1
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.latency import measure_latency
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import PARTITIONS, SHARDS, scene
from benchmarks.end_to_end.throughput import measure
from benchmarks.options import add_shape_options, amount, count, shape_of

if TYPE_CHECKING:
    from benchmarks.workload import Shape

_LOADS = (25, 50, 80)
_IDLE_RATE = 100
_LATENCY_RUNS = 3


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=600_000, help="events beside the births [600000]")
    parser.add_argument("--runs", type=count, default=5)
    parser.add_argument("--workers", type=count, default=1)
    parser.add_argument("--unpinned", action="store_true", help="all on all CPUs")
    parser.add_argument("--latency-seconds", type=amount, default=20, help="at each load; 0: none [20]")
    parser.add_argument("--keep", metavar="NAME", help="keep the figures in benchmarks/results/NAME.json")
    add_shape_options(parser)
    options = parser.parse_args()
    if options.keep and not options.latency_seconds:
        parser.error("--keep keeps latencies as well: let --latency-seconds be more than 0")
    shape = shape_of(parser, options)
    cpus = Cpus.shared() if options.unpinned else Cpus.split()
    contender = Processor(options.workers)
    with scene(cpus) as stage:
        topic = stage.fill(shape, options.events)
        runs = []
        for number in range(options.runs):
            runs.append(asdict(measure(contender, stage, topic, shape)))
            print(f"run {number + 1}:", json.dumps({name: round(v, 3) for name, v in runs[-1].items()}))
        figures: dict[str, Any] = {
            "workload": asdict(shape) | {"events": options.events},
            "setting": contender.settings()
            | {"partitions": PARTITIONS, "shards": SHARDS, "pinned": cpus.are_apart},
            "throughput": report.spread(runs),
        }
    if options.latency_seconds:
        most = figures["throughput"]["events_per_s"]["median"]
        figures["latency"] = _latencies(contender, shape, most, options.latency_seconds)
    print(json.dumps(figures, indent=1))
    if options.keep:
        print(f"kept in {report.write(options.keep, figures)}")


def _latencies(
    contender: Processor, shape: Shape, most: float, seconds: float
) -> dict[str, dict[str, float]]:
    rates = {f"{load}% of the most": most * load / 100 for load in _LOADS} | {"idle": _IDLE_RATE}
    told = {}
    for name, rate in rates.items():
        rows = []
        for _ in range(_LATENCY_RUNS):
            # On one CPU, broker, endpoint and load would wait for each other where the contender has one for itself. And a broker
            # of its own each: the system writes what a run before has left, and keeps it in memory.
            with scene(Cpus.shared()) as stage:
                rows.append(asdict(measure_latency(contender, stage, shape, rate=rate, seconds=seconds)))
            print(f"{name}:", json.dumps(rows[-1]))
        told[name] = {figure: median(row[figure] for row in rows) for figure in rows[0]}
    return told


if __name__ == "__main__":
    main()
