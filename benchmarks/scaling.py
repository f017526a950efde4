"""How the processor's cost grows: with workers, changes, mapped segments, event size, profiles, and hot keys.

python -m benchmarks.scaling [--quick] [--runs 3] [--only segments] [--keep]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

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
_TOGETHER_MS = 3_000
"""Kafka's own default: the first of several workers would have all partitions for seconds, and give them back then."""
_PROFILES_OF_ONE_RUN = 1_000_000
"""Where there are more, their births alone take longer than all runs elsewhere."""
_FEW = replace(REFERENCE, profiles=10_000)
"""Where events are large, so are the births of all profiles."""
_SMALL = replace(_FEW, segments=1, segments_mapped=1)


class Place(NamedTuple):
    """What points have in common that are measured in turns."""

    shape: Shape
    pinned: bool
    length: int


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep; `quick` says whether a short run goes there."""

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

    def place(self) -> Place:
        """What it has in common with those that it is measured in turns with."""
        return Place(self.shape, self.pinned, self.length)


def _mapped(count: int, *, quick: bool = True) -> Point:
    return Point(count, replace(_FEW, segments=count + 15, segments_mapped=count), quick=quick)


SWEEPS: dict[str, Sequence[Point]] = {
    "workers": (
        Point(1, length=_LONG),
        Point(2, workers=2, length=_LONG),
        Point(4, workers=4, length=_LONG),
    ),
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
        points: list[dict[str, Any]] = []
        for place, together in groupby(chosen, key=Point.place):
            points += _measured(list(together), place, events, options.runs)
        for point in points:
            print(_told(name, point), flush=True)
        figures = {"workload": asdict(REFERENCE), "points": points}
        if options.keep:
            file = "scaling-" + name.replace(" ", "-")
            print(f"kept in {report.write(file, figures)}")


def _measured(points: Sequence[Point], place: Place, events: int, runs: int) -> list[dict[str, Any]]:
    """The figures of points of one place, measured in turns: the machine drifts."""
    shape = place.shape
    event_bytes = max(shape.event_bytes, 60 * shape.segments_mapped)
    count = min(events * place.length, _TOPIC_BYTES // event_bytes)
    rows: list[list[dict[str, Any]]] = [[] for _ in points]
    cpus = Cpus.split() if place.pinned else Cpus.shared()
    # A broker of its own for each place: a topic's pages, and its gigabytes, go with it.
    with scene(cpus, group_begins_after_ms=_TOGETHER_MS) as stage:
        topic = stage.fill(shape, count)
        in_turns = list(zip(points, rows, strict=True))
        for _ in range(runs if shape.profiles <= _PROFILES_OF_ONE_RUN else 1):
            for point, its_rows in in_turns:
                its_rows.append(asdict(measure(Processor(point.workers), stage, topic, shape, point.turn_s)))
            # What one run leaves on the machine is not always the same one's to bear.
            in_turns.reverse()
    whole = topic.births + topic.events
    of_all = {"value_bytes_an_event": topic.value_bytes / whole, "exported_share": topic.changes / whole}
    return [
        {"value": point.value} | report.spread(its_rows) | of_all
        for point, its_rows in zip(points, rows, strict=True)
    ]


def _told(name: str, point: dict[str, Any]) -> str:
    cpu_us = 1e6 / point["events_per_cpu_s"]["median"]
    return f"{name} {point['value']:g}: {cpu_us:.1f} µs of CPU an event; {json.dumps(point['events_per_s'])}"


if __name__ == "__main__":
    main()
