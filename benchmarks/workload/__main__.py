"""Fill a topic with life-like events, fast or at a rate; what was produced is printed as JSON.

python -m benchmarks.workload --servers 127.0.0.1:9092 --topic events --events 300000 [--rate 5000] [--zipf 1] …
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import uvloop
from aiokafka.errors import KafkaError

from benchmarks.options import add_shape_options, amount, count, count_or_none, shape_of
from benchmarks.workload import Workload, planned_clock
from benchmarks.workload.plan import planned
from benchmarks.workload.topic import open_topic

if TYPE_CHECKING:
    from benchmarks.workload import Shape
    from benchmarks.workload.plan import Plan
    from benchmarks.workload.topic import Topic

_MAKING_S = 30e-6
"""What making an event takes, about."""


def main() -> None:
    """Fill the topic."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", required=True, help="Kafka's bootstrap servers")
    parser.add_argument("--topic", required=True, help="created where it is absent")
    parser.add_argument("--partitions", type=count, default=8, help="of a topic that is created")
    parser.add_argument("--events", type=count_or_none, required=True, help="events beside the births")
    parser.add_argument(
        "--rate",
        type=amount,
        help="events a second, dated with the times at which they are due; as fast as it goes without",
    )
    parser.add_argument("--without-births", action="store_true", help="profiles were born in a run before")
    add_shape_options(parser)
    options = parser.parse_args()
    shape = shape_of(parser, options)
    try:
        uvloop.run(_produce(options, shape))
    except KafkaError as error:
        parser.exit(
            1,
            f"Kafka at {options.servers} failed: {error}: see that it runs, or name another with --servers\n",
        )


async def _produce(options: argparse.Namespace, shape: Shape) -> None:
    workload = Workload(shape)
    told: Counter[str] = Counter()
    async with open_topic(options.servers, options.topic, options.partitions) as topic:
        if not options.without_births:
            told.update((await topic.fill(workload.births())).as_dict())
        if options.rate:
            plan = _planned(shape, topic, options.events, options.rate)
            reached = await topic.feed(plan)
            told.update(plan.produced.as_dict())
            fed = {"began_s": plan.began_s, "rate": round(reached, 1)}
        else:
            told.update((await topic.fill(workload.events(options.events))).as_dict())
            fed = {}
        print(json.dumps(told | fed))


def _planned(shape: Shape, topic: Topic, events: int, rate: float) -> Plan:
    """Events that bear the times at which they are to be sent, and when to begin with them.

    They are made ahead, for making them takes longer than sending them.
    """
    allowance_s = 1.0 + events * _MAKING_S
    while True:
        began_s = time.time() + allowance_s
        made = Workload(shape, planned_clock(began_s, rate)).events(events)
        plan = planned(made, topic.batches(), rate, began_s)
        if time.time() < began_s:
            return plan
        allowance_s *= 2


if __name__ == "__main__":
    main()
