"""Whether contenders keep each profile's order, and lose nothing: at once, where calls take differently long, where records are refused.

python -m benchmarks.peers.order [--events 60000] [--against Flink] [--keep]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from benchmarks import report
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import scene
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task, running_contender, wait_for
from benchmarks.endpoint import running
from benchmarks.options import add_keep, count, named
from benchmarks.peers.contenders import made, makers
from benchmarks.workload import Shape

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Contender
    from benchmarks.end_to_end.scene import FilledTopic, Scene

_SHAPE: Final = Shape(profiles=2_000)
"""Few profiles, so that several events of one are on their way at the same time."""
_CASES: Final[dict[str, dict[str, Any]]] = {
    "answers at once": {"shards": 64},
    "calls of 2 to 18 ms": {"shards": 64, "latency_ms": 10, "latency_spread_ms": 8},
    "calls of 2 to 18 ms, records refused": {
        "shards": 2,
        "latency_ms": 10,
        "latency_spread_ms": 8,
        "limited": True,
    },
}


def main() -> None:
    """Run all, print, and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=60_000, help="events beside the births [60000]")
    parser.add_argument("--against", help="of the peers only those whose name contains this")
    add_keep(parser)
    options = parser.parse_args()
    own, *peers = makers()
    contenders = made([own, *named(parser, peers, options.against)])
    told: dict[str, dict[str, dict[str, int]]] = {each.name: {} for each in contenders}
    with scene(Cpus.split()) as stage:
        topic = stage.fill(_SHAPE, options.events)
        for name, case in _CASES.items():
            for contender in contenders:
                told[contender.name][name] = _ordering(contender, stage, topic, case)
                print(f"{name}, {contender.name}:", json.dumps(told[contender.name][name]), flush=True)
    if options.keep:
        figures = {"workload": asdict(_SHAPE) | {"events": options.events}, "contenders": told}
        print(f"kept in {report.write('order', figures)}")


def _ordering(contender: Contender, stage: Scene, topic: FilledTopic, case: dict[str, Any]) -> dict[str, int]:
    total = topic.births + topic.events if contender.exports_everything else topic.changes
    with running(**case, ordered=True, cpus=stage.cpus.others) as endpoint:
        task = new_task(stage, topic, _SHAPE, endpoint.url, contender.name)
        with running_contender(contender, task, stage) as tree:
            try:
                wait_for(lambda: endpoint.figures().records, total, tree)
            except ContenderFailedError:
                # Who does not look at what was refused never sends it again. All else is a failure.
                if tree.has_ended or not endpoint.figures().throttled:
                    raise
            told = endpoint.figures()
            lost = {"throttled": told.throttled, "lost": max(0, total - told.records)}
            return asdict(endpoint.order()) | lost


if __name__ == "__main__":
    main()
