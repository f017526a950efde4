"""From Kafka to Kinesis at a rate: how long it takes from an event's sending to its export's acknowledgement."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.end_to_end.scene import SHARDS
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task, running_contender, wait_for
from benchmarks.endpoint import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.end_to_end.contender import Contender
    from benchmarks.end_to_end.processes import ProcessTree
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

_WARM_UP_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles, in ms, from when an event was due to be appended to Kafka until Kinesis' answer was written."""

    rate: float
    cpu_share: float
    samples: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def measure_latency(
    contender: Contender, scene: Scene, shape: Shape, *, rate: float, seconds: float, latency_ms: float = 0
) -> Latency:
    """Let a contender follow a topic that is fed at `rate` events a second.

    The first seconds are left out. The endpoint answers after `latency_ms`.

    Raises:
        ContenderFailedError: it did not get through, or was so slow that nothing can be said.

    """
    topic = scene.fill(shape, 0)
    with running(shards=SHARDS, timed=True, latency_ms=latency_ms, cpus=scene.cpus.others) as endpoint:
        task = new_task(scene, topic, shape, endpoint.url, contender.name)
        with running_contender(contender, task, scene) as tree:
            wait_for(lambda: endpoint.figures().records, topic.births, tree)
            with _looked_at(tree) as looks:
                fed = scene.feed(topic, shape, int(rate * (seconds + _WARM_UP_S)), rate)
                wait_for(lambda: endpoint.figures().records, topic.births + fed["changes"], tree)
            times = endpoint.times()
    from_s = fed["began_s"] + _WARM_UP_S
    taken_ms = sorted((answered_s - event_s) * 1000 for event_s, answered_s in times if event_s >= from_s)
    if not taken_ms:
        raise ContenderFailedError(f"none of {len(times)} records was of the steady part")
    return Latency(
        rate=fed["rate"],
        cpu_share=round(_cpu_share([look for look in looks if look.at_s >= from_s]), 3),
        samples=len(taken_ms),
        p50_ms=percentile(taken_ms, 50),
        p95_ms=percentile(taken_ms, 95),
        p99_ms=percentile(taken_ms, 99),
        max_ms=round(taken_ms[-1], 2),
    )


class _Look(NamedTuple):
    at_s: float
    cpu_s: float


@contextmanager
def _looked_at(tree: ProcessTree) -> Iterator[list[_Look]]:
    """Look at what CPU a contender has used, again and again: the generator makes its events first, and nothing happens meanwhile."""
    looks: list[_Look] = []
    stop = threading.Event()

    def look() -> None:
        while True:
            looks.append(_Look(time.time(), tree.cpu_s))
            if stop.wait(_LOOK_EVERY_S):
                return

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield looks
    finally:
        stop.set()
        looking.join()


def _cpu_share(looks: Sequence[_Look]) -> float:
    if len(looks) < 2:
        raise ContenderFailedError("the steady part was over between two looks at the CPU used")
    return (looks[-1].cpu_s - looks[0].cpu_s) / (looks[-1].at_s - looks[0].at_s)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least `percent` of them do not exceed."""
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 2)
