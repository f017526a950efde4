"""How the processor's cost grows: with workers, changes, mapped segments, event size, profiles, and hot keys.

python -m benchmarks.scaling [--quick] [--runs 3] [--only segments] [--keep]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import scene
from benchmarks.end_to_end.throughput import measure
from benchmarks.options import add_keep, count, named
from benchmarks.workload import REFERENCE, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOPIC_BYTES = 1_500_000_000
_QUICK_SHARE = 0.3
_LONG = 4
"""What a worker has taken in and not sent yet is much of what it does in half a second: turns must be many, and shares large."""
_PROFILES_OF_ONE_RUN = 1_000_000
"""Where there are more, their births alone take longer than all runs elsewhere."""
_FEW = replace(REFERENCE, profiles=10_000)
"""Where events are large, so are the births of all profiles."""
_SMALL = replace(_FEW, segments=1, segments_mapped=1)


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a sweep; `quick` says whether a short run goes there."""

    value: float
    shape: Shape = REFERENCE
    workers: int = 1
    quick: bool = True
    pinned: bool = True
    """Whether the workers share one CPU that is theirs alone; else all share all."""
    turn_s: float | None = None
    """How long each has that CPU to itself, in turns; None: as the kernel shares it out."""
    length: int = 1
    """How many times as many events as elsewhere a run has."""


def _mapped(count: int, *, quick: bool = True) -> Point:
    return Point(count, replace(_FEW, segments=count + 15, segments_mapped=count), quick=quick)


SWEEPS: dict[str, Sequence[Point]] = {
    "workers": (Point(1), Point(2, workers=2), Point(4, workers=4)),
    "workers in turns": (
        Point(1, length=_LONG),
        Point(2, workers=2, turn_s=0.5, length=_LONG),
        Point(4, workers=4, turn_s=0.5, length=_LONG),
    ),
    "workers unpinned": (
        Point(1, pinned=False, length=_LONG),
        Point(2, workers=2, pinned=False, length=_LONG),
        Point(4, workers=4, pinned=False, length=_LONG),
    ),
    "share of changes": tuple(
        Point(share, replace(REFERENCE, share_of_changes=share)) for share in (0.1, 0.4, 0.7, 1.0)
    ),
    "segments mapped": (_mapped(5), _mapped(20), _mapped(50), _mapped(150, quick=False), _mapped(500)),
    "event bytes": (
        # The smallest has one segment and no more; the others' mapped part is the same.
        Point(500, replace(_SMALL, event_bytes=500)),
        Point(1200, _FEW),
        Point(5000, replace(_FEW, event_bytes=5000)),
        Point(20_000, replace(_FEW, event_bytes=20_000)),
        Point(50_000, replace(_FEW, event_bytes=50_000)),
    ),
    "profiles": tuple(
        Point(count, replace(REFERENCE, profiles=count), quick=count <= 100_000)
        for count in (10_000, 100_000, 1_000_000, 10_000_000)
    ),
    # Longer, for what one shard takes is found by and by, and a hot profile's records go to one.
    "skew": tuple(Point(zipf, replace(REFERENCE, zipf=zipf), length=2) for zipf in (0.0, 0.5, 1.0, 1.5)),
}


def main() -> None:
    """Run all, print, and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=count, default=3)
    parser.add_argument(
        "--events",
        type=count,
        default=300_000,
        help="at a point, beside the births; twice or four times where a run must be longer [300000]",
    )
    parser.add_argument("--quick", action="store_true", help="fewer events and points")
    parser.add_argument("--only", help="only sweeps whose name contains this")
    add_keep(parser)
    options = parser.parse_args()
    events = int(options.events * (_QUICK_SHARE if options.quick else 1))
    for name in named(parser, SWEEPS, options.only):
        chosen = [point for point in SWEEPS[name] if point.quick or not options.quick]
        figures = {
            "workload": asdict(REFERENCE),
            "points": [
                {"value": point.value} | _measured(point, events, options.runs, name) for point in chosen
            ],
        }
        if options.keep:
            file = "scaling-" + name.replace(" ", "-")
            print(f"kept in {report.write(file, figures)}")


def _measured(point: Point, events: int, runs: int, name: str) -> dict[str, Any]:
    event_bytes = max(point.shape.event_bytes, 60 * point.shape.segments_mapped)
    count = min(events * point.length, _TOPIC_BYTES // event_bytes)
    count_of_runs = runs if point.shape.profiles <= _PROFILES_OF_ONE_RUN else 1
    # A broker of its own each: a topic's pages, and its gigabytes, go with it.
    with scene(Cpus.split() if point.pinned else Cpus.shared()) as stage:
        topic = stage.fill(point.shape, count)
        rows = [
            asdict(measure(Processor(point.workers), stage, topic, point.shape, point.turn_s))
            for _ in range(count_of_runs)
        ]
    whole = topic.births + topic.events
    told: dict[str, Any] = report.spread(rows)
    told |= {"value_bytes_an_event": topic.value_bytes / whole, "exported_share": topic.changes / whole}
    cpu_us = 1e6 / told["events_per_cpu_s"]["median"]
    print(
        f"{name} {point.value:g}: {cpu_us:.1f} µs of CPU an event;",
        json.dumps(told["events_per_s"]),
        flush=True,
    )
    return told


if __name__ == "__main__":
    main()
