"""A backfill with no live events beside it: how fast it is, what it reads, and what it holds in memory."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.backfill.deployment import deployed, loopback_bytes, with_segment_mapped
from benchmarks.end_to_end.scene import SHARDS
from benchmarks.end_to_end.throughput import new_task
from benchmarks.endpoint import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.backfill.deployment import Deployment, Look
    from benchmarks.end_to_end.scene import FilledTopic, Scene
    from benchmarks.workload import Shape

_KEY_BYTES: Final = len(b"profile-0000000000")
NOTHING, SEGMENT, ATTRIBUTE = "nothing to export", "a segment is mapped", "an attribute is mapped"
CASES: Final[dict[str, Callable[[Deployment, Shape], None]]] = {
    # A path that no profile has: other files, and nothing to say.
    NOTHING: lambda deployment, shape: deployment.change(shape, "nobody.has"),
    SEGMENT: lambda deployment, shape: deployment.change(with_segment_mapped(shape)),
    ATTRIBUTE: lambda deployment, shape: deployment.change(shape, "person.name"),
}
"""What is changed, by name. Each is followed by the former files, and a backfill that goes back."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One backfill of all partitions by one worker. Bytes are keys and values, but for `loopback_times`."""

    events_per_s: float
    events_per_cpu_s: float
    profiles_per_s: float
    exported: int
    took_s: float
    cpu_share: float
    read_times: float
    """What was read, as a multiple of what is in the topic."""
    loopback_times: float
    """What went over the machine's loopback, exports and state included, as a multiple of the topic's batches."""
    resident_before_mib: float
    resident_peak_mib: float
    load: float
    """Who waited for a CPU meanwhile, this run's own included: the system's load of a minute."""


def measure_alone(
    scene: Scene, topic: FilledTopic, shape: Shape, cases: list[str], partitions: int
) -> tuple[dict[str, Alone], list[dict[str, float]]]:
    """One worker that has exported a topic takes one change of its files after the other; its figures by case, and its memory over all of it."""
    found: dict[str, Alone] = {}
    samples: list[dict[str, float]] = []
    with running(shards=SHARDS, cpus=scene.cpus.others) as endpoint:
        task = new_task(scene, topic, shape, endpoint.url, "backfill")
        with deployed(task, scene) as deployment:
            first = deployment.until(
                lambda look: look.received == topic.births + topic.events and not look.lag
            )
            for name in cases:
                looks = [deployment.until(lambda _: True)]
                loopback = loopback_bytes()
                CASES[name](deployment, shape)
                deployment.until_complete(looks[0].complete + partitions, looks)
                there = _There(topic, scene.topic_bytes(topic.name))
                found[name] = _figures(looks, there, loopback_bytes() - loopback)
                samples += [
                    {
                        "at_s": round(look.at_s - first.at_s, 1),
                        "resident_mib": round(look.resident_bytes / 2**20, 1),
                    }
                    for look in looks
                ]
                deployment.change(shape)
                deployment.until_complete(looks[0].complete + 2 * partitions)
    shutil.rmtree(task.home / "state", ignore_errors=True)
    return found, samples


class _There(NamedTuple):
    """What a backfill is to read: the topic, and what its batches take."""

    topic: FilledTopic
    batch_bytes: int


def _figures(looks: list[Look], there: _There, loopback: int) -> Alone:
    first, last, topic = looks[0], looks[-1], there.topic
    took_s, events = last.at_s - first.at_s, topic.births + topic.events
    cpu_s = last.cpu_s - first.cpu_s
    return Alone(
        events_per_s=(last.read - first.read) / took_s,
        events_per_cpu_s=(last.read - first.read) / cpu_s,
        profiles_per_s=(last.profiles - first.profiles) / took_s,
        exported=last.exported - first.exported,
        took_s=took_s,
        cpu_share=cpu_s / took_s,
        read_times=(last.read_bytes - first.read_bytes) / (topic.value_bytes + events * _KEY_BYTES),
        loopback_times=loopback / there.batch_bytes,
        resident_before_mib=first.resident_bytes / 2**20,
        resident_peak_mib=max(look.resident_bytes for look in looks) / 2**20,
        load=round(os.getloadavg()[0], 1),
    )
