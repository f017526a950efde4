"""Measure the processor and its peers on one topic, in turns, print, and keep the figures.

python -m benchmarks.peers --events 300000 --runs 1, or --against Flink --events 3000000: a Java program is quick only after
some minutes. What a peer needs that is not here has it left out: Redpanda Connect takes part where `redpanda-connect` is on
the PATH, Flink where there are a JDK and Maven.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import PARTITIONS, SHARDS, scene
from benchmarks.end_to_end.throughput import measure
from benchmarks.options import add_shape_options, count, named, shape_of
from benchmarks.peers.contenders import made, makers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMPARED = (
    "events_per_cpu_s",
    "events_per_cpu_s_warm",
    "events_per_cpu_s_with_broker",
    "events_per_cpu_s_with_broker_warm",
)


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=400_000, help="events beside the births [400000]")
    parser.add_argument("--runs", type=count, default=5)
    parser.add_argument("--against", help="of the peers only those whose name contains this")
    parser.add_argument("--keep", metavar="NAME", help="keep the figures in benchmarks/results/NAME.json")
    add_shape_options(parser)
    options = parser.parse_args()
    shape = shape_of(parser, options)
    own, *peers = makers()
    contenders = made([own, *named(parser, peers, options.against)])
    if len(contenders) == 1:
        parser.exit(1, "there is nobody to compare with\n")
    runs: dict[str, list[dict[str, float]]] = {each.name: [] for each in contenders}
    with scene(Cpus.split()) as stage:
        topic = stage.fill(shape, options.events)
        for number in range(options.runs):
            # In turns: a machine's speed drifts, and all are to meet the same.
            for contender in contenders:
                row = asdict(measure(contender, stage, topic, shape))
                runs[contender.name].append(row)
                print(
                    f"run {number + 1}, {contender.name}:",
                    json.dumps({k: round(v, 3) for k, v in row.items()}),
                )
    figures: dict[str, Any] = {
        "workload": asdict(shape) | {"events": options.events},
        "setting": {"partitions": PARTITIONS, "shards": SHARDS, "pinned": stage.cpus.are_apart},
        "contenders": {
            each.name: {"setting": each.settings(), "throughput": report.spread(runs[each.name])}
            for each in contenders
        },
        "times": {figure: _times(runs, figure) for figure in _COMPARED},
    }
    print(json.dumps({figure: _medians(times) for figure, times in figures["times"].items()}, indent=1))
    if options.keep:
        print(f"kept in {report.write(options.keep, figures)}")


def _times(runs: Mapping[str, Sequence[Mapping[str, float]]], figure: str) -> dict[str, Any]:
    """A figure of the processor's over each peer's, run by run."""
    (_, own), *peers = runs.items()
    return {
        name: report.spread(
            [{figure: our[figure] / their[figure]} for our, their in zip(own, rows, strict=True)]
        )[figure]
        for name, rows in peers
    }


def _medians(times: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {name: spread["median"] for name, spread in times.items()}


if __name__ == "__main__":
    main()
