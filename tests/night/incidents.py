"""What goes wrong in a night: each incident does its harm, lets it last, and mends it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.scripted_kinesis import Faults
from tests.support.small_disk import fill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.night.stage import Stage

_KILLED: Final = "exported, and its state not yet in the changelog, when its worker ended"
_TAKEN: Final = "exported, and its state not yet in the changelog, when its partition was taken away"
_UNANSWERED: Final = "the outcome of the call was unknown"


@dataclass(frozen=True)
class Incident:
    """One of them. Exports may be repeated for the reason that it names; without one, none may."""

    what: str
    happens: Callable[[Stage], Awaitable[None]]
    alert: str | None = None
    """The one that must fire."""
    repeats_for: str | None = None
    needs: Callable[[Stage], bool] = lambda _: True
    """Whether this machine can have it."""


async def _broker_killed(stage: Stage) -> None:
    broker = stage.rng.choice(stage.brokers)
    await asyncio.to_thread(broker.kill)
    await asyncio.sleep(20)
    await asyncio.to_thread(broker.restart)


async def _broker_stopped(stage: Stage) -> None:
    broker = stage.rng.choice(stage.brokers)
    await asyncio.to_thread(broker.stop)
    await asyncio.sleep(40)
    await asyncio.to_thread(broker.restart)


async def _brokers_stopped(stage: Stage) -> None:
    await asyncio.gather(*(asyncio.to_thread(broker.stop) for broker in stage.brokers))
    await asyncio.sleep(45)
    await stage.launch_brokers()


async def _brokers_killed(stage: Stage) -> None:
    await asyncio.gather(*(asyncio.to_thread(broker.kill) for broker in stage.brokers))
    await asyncio.sleep(70)
    await stage.launch_brokers()


async def _worker_killed(stage: Stage) -> None:
    stage.pods[0].kill_worker()


async def _pod_killed(stage: Stage) -> None:
    await stage.rng.choice(stage.pods).kill()


async def _all_killed(stage: Stage) -> None:
    await asyncio.gather(*(pod.kill() for pod in stage.pods))


async def _worker_dies_again(stage: Stage) -> None:
    for _ in range(3):
        await stage.until_healthy()
        stage.pods[0].kill_worker()
    await stage.until_firing("ProcessorRestarts")


async def _pod_frozen(stage: Stage) -> None:
    pod = stage.rng.choice(stage.pods)
    pod.signal_all(signal.SIGSTOP)
    await asyncio.sleep(60)
    pod.signal_all(signal.SIGCONT)


async def _upgrade(stage: Stage) -> None:
    for pod in stage.pods:
        code = await pod.replace()
        stage.expect(code == 0, f"{pod.name} ended with {code} when it was told to")
        await stage.until_ready(pod)


async def _members_come_and_go(stage: Stage) -> None:
    for _ in range(4):
        stage.visitor.want()
        await stage.until_ready(stage.visitor)
        await stage.visitor.leave()
    await stage.until_firing("ProcessorRebalances")


async def _disk_lost(stage: Stage) -> None:
    pod = stage.pods[0]
    await pod.kill()
    await asyncio.to_thread(shutil.rmtree, pod.state_directory, ignore_errors=True)


async def _disk_full(stage: Stage) -> None:
    filler = stage.pods[1].state_directory / "filler"
    await asyncio.to_thread(fill, filler)
    await asyncio.sleep(60)
    await asyncio.to_thread(filler.unlink)


def _faulty(for_s: float, faults: Callable[[], Faults]) -> Callable[[Stage], Awaitable[None]]:
    async def happens(stage: Stage) -> None:
        stage.kinesis.faults = faults()
        await asyncio.sleep(for_s)
        stage.kinesis.faults = Faults()

    return happens


async def _reshard(stage: Stage) -> None:
    shards = sorted(stage.kinesis.open_shards, key=lambda shard: shard.first_hash)
    stage.kinesis.split(stage.rng.choice(shards))
    await asyncio.sleep(5)
    one, other, *_ = sorted(stage.kinesis.open_shards, key=lambda shard: shard.first_hash)
    stage.kinesis.merge(one, other)


async def _flood(stage: Stage) -> None:
    usual = stage.producer.events_per_s
    stage.producer.events_per_s = 6 * usual
    await asyncio.sleep(45)
    stage.producer.events_per_s = usual


async def _bad_events(stage: Stage) -> None:
    stage.producer.spoil(150)
    await stage.until_firing("ProcessorDeadLetters")


async def _bad_configuration(stage: Stage) -> None:
    pod = stage.pods[0]
    good = pod.destination_file.read_text()
    pod.destination_file.write_text(json.dumps({**json.loads(good), "segments": [{"id": ""}]}))
    pod.reload()
    await stage.until_firing("ProcessorReloadRefused")
    pod.destination_file.write_text(good)
    pod.reload()


INCIDENTS: Final = (
    Incident("one of three brokers is killed, and is back after 20 s", _broker_killed, repeats_for=_TAKEN),
    Incident("one of three brokers is stopped for 40 s", _broker_stopped, repeats_for=_TAKEN),
    Incident("all brokers are stopped in an orderly way, for 45 s", _brokers_stopped, repeats_for=_TAKEN),
    Incident(
        "all brokers are killed, and away for 70 s", _brokers_killed, "ProcessorUnready", repeats_for=_TAKEN
    ),
    Incident("`kill -9` of one worker", _worker_killed, repeats_for=_KILLED),
    Incident(
        "`kill -9` of one worker, three times", _worker_dies_again, "ProcessorRestarts", repeats_for=_KILLED
    ),
    Incident("`kill -9` of a pod, parent and workers", _pod_killed, repeats_for=_KILLED),
    Incident("`kill -9` of everything", _all_killed, repeats_for=_KILLED),
    Incident("a pod is frozen for 60 s, past its session", _pod_frozen, repeats_for=_TAKEN),
    Incident("an upgrade: pod after pod is ended by SIGTERM", _upgrade),
    Incident(
        "a member joins and leaves, four times",
        _members_come_and_go,
        "ProcessorRebalances",
        repeats_for=_TAKEN,
    ),
    Incident("`kill -9` of a pod, whose disk is lost", _disk_lost, repeats_for=_KILLED),
    Incident(
        "a pod's disk is full for 60 s",
        _disk_full,
        repeats_for=_KILLED,
        needs=lambda stage: stage.has_small_disk,
    ),
    Incident(
        "Kinesis answers nothing for 90 s",
        _faulty(90, lambda: Faults(black_hole=True)),
        "ProcessorUnready",
        repeats_for=_UNANSWERED,
    ),
    Incident("Kinesis answers 500 to all for 60 s", _faulty(60, lambda: Faults(unavailable=1.0))),
    Incident(
        "the keys are expired for 90 s",
        _faulty(90, lambda: Faults(refused="ExpiredTokenException")),
        "ProcessorUnready",
    ),
    Incident(
        "Kinesis throttles a third of all records for 120 s",
        _faulty(120, lambda: Faults(throttled=0.34)),
        "ProcessorShardThrottled",
    ),
    Incident(
        "one answer in five is lost, for 120 s",
        _faulty(120, lambda: Faults(lost_after=0.2)),
        "ProcessorRepeats",
        repeats_for=_UNANSWERED,
    ),
    Incident("a shard is split, and two are merged", _reshard),
    Incident("six times the load, for 45 s", _flood),
    Incident("150 events are no JSON", _bad_events, "ProcessorDeadLetters"),
    Incident("a file with a mistake is loaded by SIGHUP", _bad_configuration, "ProcessorReloadRefused"),
)
