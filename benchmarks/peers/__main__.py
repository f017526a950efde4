"""Measure the processor and its peers on one topic, in turns, print, and keep the figures.

python -m benchmarks.peers --events 300000 --runs 1. Redpanda Connect takes part where `redpanda-connect` is on the
PATH.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import PARTITIONS, SHARDS, scene
from benchmarks.end_to_end.throughput import measure
from benchmarks.options import add_shape_options, count, named, shape_of
from benchmarks.peers.contenders import (
    AS_THEY_COME,
    AT_THE_OUTPUT,
    PLAIN,
    QUIX,
    THROUGHOUT,
    PlainScript,
    QuixStreams,
    RedpandaConnect,
    choosing,
    filtering,
    find_connect,
    quix_python,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.end_to_end.contender import Contender


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=count, default=400_000, help="events beside the births [400000]")
    parser.add_argument("--runs", type=count, default=5)
    parser.add_argument("--only", help="only those whose name contains this")
    parser.add_argument("--keep", metavar="NAME", help="keep the figures in benchmarks/results/NAME.json")
    add_shape_options(parser)
    options = parser.parse_args()
    if options.keep and options.only:
        parser.error("--keep keeps the figures of all contenders: leave --only out")
    shape = shape_of(parser, options)
    everyone = _contenders()
    contenders = [everyone[name]() for name in named(parser, everyone, options.only)]
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
    figures = {
        "workload": asdict(shape) | {"events": options.events},
        "setting": {"partitions": PARTITIONS, "shards": SHARDS, "pinned": stage.cpus.are_apart},
        "contenders": {
            each.name: {"setting": each.settings(), "throughput": report.spread(runs[each.name])}
            for each in contenders
        },
        "times the events a CPU-second": _ratios(runs),
    }
    print(json.dumps(figures["times the events a CPU-second"], indent=1))
    if options.keep:
        print(f"kept in {report.write(options.keep, figures)}")


def _contenders() -> dict[str, Callable[[], Contender]]:
    """Those that can take part, by name; none is prepared before it is asked for."""
    contenders: dict[str, Callable[[], Contender]] = {
        Processor().name: Processor,
        QUIX: lambda: QuixStreams(quix_python()),
        PLAIN: PlainScript,
    }
    connect = find_connect()
    if connect is None:
        print("redpanda-connect is not on the PATH: left out")
        return contenders
    for name, mapping, batching in (
        ("Redpanda Connect", choosing, THROUGHOUT),
        ("Redpanda Connect, filtering", filtering, THROUGHOUT),
        ("Redpanda Connect, batched at the output", choosing, AT_THE_OUTPUT),
        ("Redpanda Connect, filtering, batched at the output", filtering, AT_THE_OUTPUT),
        ("Redpanda Connect, its defaults", choosing, AS_THEY_COME),
        ("Redpanda Connect, bytes passed through", None, THROUGHOUT),
    ):
        contenders[name] = partial(RedpandaConnect, connect, mapping, batching, name)
    return contenders


def _ratios(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The processor's events a CPU-second over each peer's, run by run."""
    own = runs.get(Processor().name, [])
    return {
        name: report.spread(
            [
                {"ratio": our["events_per_cpu_s"] / their["events_per_cpu_s"]}
                for our, their in zip(own, rows, strict=True)
            ]
        )["ratio"]
        for name, rows in runs.items()
        if own and name != Processor().name
    }


if __name__ == "__main__":
    main()
