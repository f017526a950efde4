"""Live events while a backfill is under way: how long each takes to Kinesis, with it and without it, and whether lag grows."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from benchmarks.backfill.alone import ATTRIBUTE, CASES
from benchmarks.backfill.deployment import deployed
from benchmarks.end_to_end.latency import percentile
from benchmarks.end_to_end.scene import SHARDS
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task
from benchmarks.endpoint import running

if TYPE_CHECKING:
    from benchmarks.backfill.deployment import Look
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

_WARM_UP_S: Final = 5.0
_SETTLE_S: Final = 1.0
_FEED_BEGINS: Final = 500
"""Events received by which the feed has begun."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the time in which live events come at a rate. Latencies are from when an event was due in Kafka to Kinesis' answer."""

    seconds: float
    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    lag_first_third: float
    lag_last_third: float
    cpu_share: float
    backfilled_per_s: float
    """Events that the backfill read a second."""


def measure_beside_live(scene: Scene, shape: Shape, rate: float, seconds: float) -> dict[str, Any]:
    """Two windows of one run, one after the other: live events alone, then with a backfill that exports every profile.

    What the backfill exports bears no time that was not in a live export before, so of the records with one time the
    first is the live one's.

    Raises:
        ContenderFailedError: it did not get through, or the backfill was over so soon that nothing can be said.

    """
    shape = replace(shape, share_requalified=0.0)
    topic = scene.fill(shape, 0)
    with running(shards=SHARDS, timed=True, cpus=scene.cpus.others) as endpoint:
        task = new_task(scene, topic, shape, endpoint.url, "beside-live")
        with deployed(task, scene) as deployment:
            deployment.until(lambda look: look.received == topic.births and not look.lag)
            fed: dict[str, Any] = {}
            count = int(rate * (_WARM_UP_S + 2 * (seconds + _SETTLE_S)))
            feeding = threading.Thread(target=lambda: fed.update(scene.feed(topic, shape, count, rate)))
            feeding.start()
            deployment.until(lambda look: look.received > topic.births + _FEED_BEGINS)
            time.sleep(_WARM_UP_S)
            without = deployment.watch(seconds)
            CASES[ATTRIBUTE](deployment, shape)
            time.sleep(_SETTLE_S)
            beside = deployment.watch(seconds)
            feeding.join()
            times = endpoint.times()
    if beside[-1].complete:
        raise ContenderFailedError(
            f"of a backfill of {topic.births} profiles some partitions were complete within {seconds:g} s: take more profiles"
        )
    answered: dict[float, float] = {}
    for event_s, answered_s in times:
        answered[event_s] = min(answered_s, answered.get(event_s, answered_s))
    return {
        "rate": fed["rate"],
        "profiles": shape.profiles,
        "without": asdict(_window(without, answered)),
        "with": asdict(_window(beside, answered)),
    }


def _window(looks: list[Look], answered: dict[float, float]) -> Window:
    first, last = looks[0], looks[-1]
    took_s = last.at_s - first.at_s
    taken_ms = sorted(
        (answered_s - event_s) * 1000
        for event_s, answered_s in answered.items()
        if first.at_s <= event_s < last.at_s
    )
    if not taken_ms:
        raise ContenderFailedError(
            f"none of {len(answered)} live events was of the {took_s:.0f} s that were watched"
        )
    third = max(len(looks) // 3, 1)
    return Window(
        seconds=round(took_s, 1),
        samples=len(taken_ms),
        p50_ms=percentile(taken_ms, 50),
        p99_ms=percentile(taken_ms, 99),
        max_ms=round(taken_ms[-1], 2),
        lag_first_third=round(mean(look.lag for look in looks[:third])),
        lag_last_third=round(mean(look.lag for look in looks[-third:])),
        cpu_share=round((last.cpu_s - first.cpu_s) / took_s, 3),
        backfilled_per_s=round((last.read - first.read) / took_s),
    )
