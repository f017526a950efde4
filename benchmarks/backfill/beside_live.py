"""Live events while a backfill is under way: how long each takes to Kinesis, with it and without it, and whether lag grows."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from benchmarks.backfill.alone import ATTRIBUTE, CASES, SEGMENT
from benchmarks.backfill.deployment import deployed
from benchmarks.end_to_end.latency import percentile
from benchmarks.end_to_end.scene import PARTITIONS, SHARDS
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task
from benchmarks.endpoint import running

if TYPE_CHECKING:
    from benchmarks.backfill.deployment import Look
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

WITHOUT: Final = "no backfill"
_WARM_UP_S: Final = 5.0
_SETTLE_S: Final = 1.0
_SPARE_S: Final = 3.0
"""For what looks take, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the time in which live events come at a rate. Latencies are from when an event was due in Kafka to Kinesis' answer."""

    seconds: float
    samples: int
    p50_ms: float
    p99_ms: float
    lag_first_third: float
    lag_last_third: float
    cpu_share: float
    backfilled_per_s: float
    """Profiles that the backfill looked at a second."""
    load: float
    """Who waited for a CPU meanwhile, this run's own included: the system's load of a minute."""


def measure_beside_live(
    scene: Scene, shape: Shape, *, rate: float | None, seconds: float, max_backfilled_per_s: int = 0
) -> dict[str, Any]:
    """Three windows of one run, one after the other: live events alone, with a backfill that exports some profiles, with one that exports all.

    What a backfill exports bears hardly a time that was not in a live export before, so of the records with one time the
    first is the live one's; the few that are not are no matter at the 99th percentile. `max_backfilled_per_s` is PROCESSOR_BACKFILL_MAX_EVENTS_PER_S.
    Without a `rate` live events come half as fast as the worker has taken each profile's first one: with so many profiles an event costs
    more than with few.

    Raises:
        ContenderFailedError: it did not get through, or the backfill was over so soon that nothing can be said.

    """
    shape = replace(shape, share_requalified=0.0)
    environ = {"PROCESSOR_BACKFILL_MAX_EVENTS_PER_S": str(max_backfilled_per_s)}
    topic = scene.fill(shape, 0)
    with running(shards=SHARDS, timed=True, cpus=scene.cpus.others) as endpoint:
        task = new_task(scene, topic, shape, endpoint.url, "beside-live")
        with deployed(task, scene, environ) as deployment:
            births: list[Look] = []
            deployment.until(lambda look: look.received == topic.births and not look.lag, births)
            rate = rate or _per_s(births) / 2
            fed: dict[str, Any] = {}
            count = int(rate * (_WARM_UP_S + 3 * (seconds + _SETTLE_S) + _SPARE_S))
            feeding = threading.Thread(target=lambda: fed.update(scene.feed(topic, shape, count, rate)))
            feeding.start()
            deployment.until(lambda look: look.received > topic.births)
            time.sleep(_WARM_UP_S)
            windows, loads = {WITHOUT: deployment.watch(seconds)}, {WITHOUT: os.getloadavg()[0]}
            for name in (SEGMENT, ATTRIBUTE):
                before = deployment.until(lambda _: True).complete
                CASES[name](deployment, shape)
                time.sleep(_SETTLE_S)
                windows[name], loads[name] = deployment.watch(seconds), os.getloadavg()[0]
                if windows[name][-1].complete >= before + PARTITIONS:
                    raise ContenderFailedError(
                        f"a backfill of {topic.births} profiles was over within {seconds:g} s: take more profiles"
                    )
            feeding.join()
            times = endpoint.times()
    answered: dict[float, float] = {}
    for event_s, answered_s in times:
        answered[event_s] = min(answered_s, answered.get(event_s, answered_s))
    return {
        "rate": fed["rate"],
        "profiles": shape.profiles,
        "windows": {name: asdict(_window(looks, answered, loads[name])) for name, looks in windows.items()},
    }


def _per_s(looks: list[Look]) -> float:
    """How fast events were taken between the first look that saw some and the last one."""
    first = next(look for look in looks if look.received)
    return (looks[-1].received - first.received) / (looks[-1].at_s - first.at_s)


def _window(looks: list[Look], answered: dict[float, float], load: float) -> Window:
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
        lag_first_third=round(mean(look.lag for look in looks[:third])),
        lag_last_third=round(mean(look.lag for look in looks[-third:])),
        cpu_share=round((last.cpu_s - first.cpu_s) / took_s, 3),
        backfilled_per_s=round((last.profiles - first.profiles) / took_s),
        load=round(load, 1),
    )
