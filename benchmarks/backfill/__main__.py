"""Measure backfills, print, and keep the figures.

python -m benchmarks.backfill [--profiles 1000000] [--live-seconds 20] [--many 10000000] [--only alone] [--keep]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from benchmarks import report
from benchmarks.backfill.alone import ATTRIBUTE, CASES, NOTHING, measure_alone
from benchmarks.backfill.beside_live import measure_beside_live
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import PARTITIONS, scene
from benchmarks.options import add_keep, amount, count, count_or_none
from benchmarks.workload import REFERENCE

if TYPE_CHECKING:
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

_PARTS: Final = ("alone", "live", "many")
_SMALL: Final = replace(REFERENCE, event_bytes=300, segments=3, segments_mapped=1)
"""Events of many profiles: what they cost in memory does not depend on their size, and disks are finite."""


def main() -> None:
    """Run all, or what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--profiles", type=count, default=1_000_000, help="alone and beside live events [1000000]"
    )
    parser.add_argument("--events-each", type=count, default=3, help="of a profile, where it is alone [3]")
    parser.add_argument("--live-seconds", type=amount, default=20, help="with and without a backfill [20]")
    parser.add_argument("--rate", type=amount, help="of live events [half of what the worker takes]")
    parser.add_argument("--many", type=count_or_none, default=10_000_000, help="profiles; 0: none [10000000]")
    parser.add_argument("--only", choices=_PARTS, action="append", help="a part of it, or several")
    add_keep(parser)
    options = parser.parse_args()
    parts = options.only or [part for part in _PARTS if part != "many" or options.many]
    # Parts are measured apart: those that are left out stay as they were kept.
    figures: dict[str, Any] = (report.kept("backfill") if options.keep else {}) | {"partitions": PARTITIONS}
    with scene(Cpus.split()) as stage:
        if "alone" in parts:
            figures["alone"] = _alone(
                stage, replace(REFERENCE, profiles=options.profiles), options.events_each, list(CASES)
            )
        if "live" in parts:
            shape = replace(REFERENCE, profiles=options.profiles)
            figures["live"] = measure_beside_live(
                stage, shape, rate=options.rate, seconds=options.live_seconds
            )
            print("beside live events:", json.dumps(figures["live"], indent=1), flush=True)
        if "many" in parts:
            figures["many"] = _alone(stage, replace(_SMALL, profiles=options.many), 1, [NOTHING, ATTRIBUTE])
    if options.keep:
        print(f"kept in {report.write('backfill', figures)}")


def _alone(stage: Scene, shape: Shape, events_each: int, cases: list[str]) -> dict[str, Any]:
    # Events are of any profile: some have more than others, as in life.
    topic = stage.fill(shape, max(shape.profiles * (events_each - 1), 1))
    found, samples = measure_alone(stage, topic, shape, cases, PARTITIONS)
    for name, each in found.items():
        print(f"{name}:", json.dumps(asdict(each)), flush=True)
    return {
        "profiles": shape.profiles,
        "events": topic.births + topic.events,
        "event_bytes": round(topic.value_bytes / (topic.births + topic.events)),
        "cases": {name: asdict(each) for name, each in found.items()},
        "samples": samples,
    }


if __name__ == "__main__":
    main()
