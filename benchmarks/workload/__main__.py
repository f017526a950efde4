"""Fill a topic with life-like events, fast or at a rate; what was produced is printed as JSON.

python -m benchmarks.workload --servers 127.0.0.1:9092 --topic events --events 300000 [--rate 5000] [--zipf 1] …
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import fields

import uvloop

from benchmarks.workload import Shape, Workload
from benchmarks.workload.topic import open_topic


def main() -> None:
    """Fill the topic."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", required=True, help="Kafka's bootstrap servers")
    parser.add_argument("--topic", required=True, help="created where it is absent")
    parser.add_argument("--partitions", type=int, default=8, help="of a topic that is created")
    parser.add_argument("--events", type=int, required=True, help="events beside the births")
    parser.add_argument(
        "--rate",
        type=float,
        help="events a second, dated with the time of their sending; as fast as it goes without",
    )
    parser.add_argument("--without-births", action="store_true", help="profiles were born in a run before")
    add_shape_options(parser)
    options = parser.parse_args()
    uvloop.run(_produce(options, shape_of(options)))


def add_shape_options(parser: argparse.ArgumentParser) -> None:
    """An option for each parameter of a shape."""
    group = parser.add_argument_group("the workload")
    for each in fields(Shape):
        group.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=type(each.default),
            default=each.default,
            help=f"{each.metadata['about']} [{each.default}]",
        )


def shape_of(options: argparse.Namespace) -> Shape:
    """The shape that the options describe."""
    return Shape(**{each.name: getattr(options, each.name) for each in fields(Shape)})


async def _produce(options: argparse.Namespace, shape: Shape) -> None:
    workload = Workload(shape)
    async with open_topic(options.servers, options.topic, options.partitions) as topic:
        if not options.without_births:
            await topic.fill(workload.births())
        if options.rate:
            # Made ahead, and dated when they are sent: making them takes longer than sending them.
            events = list(workload.events(options.events))
            fed = {"began_s": time.time(), "rate": round(await topic.feed(events, options.rate), 1)}
        else:
            await topic.fill(workload.events(options.events))
            fed = {}
        print(json.dumps(topic.produced.as_dict() | fed))


if __name__ == "__main__":
    main()
