"""What goes wrong in a life: each fault acts on the world at its moment, by chance numbers of its own."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.simulation.broker import NOWHERE
from tests.simulation.changed_outcome import note_of
from tests.simulation.changes import has_changes
from tests.support.scripted_kinesis import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tests.simulation.worker import Worker
    from tests.simulation.world import World

_WITHIN_S: Final = 6.0
_STEPS: Final = 150
"""What a worker that is busy does in a fraction of a second."""


class Fault(NamedTuple):
    """When, what, and the seed of its own chance."""

    at_s: float
    name: str
    number: int


def planned(seed: int) -> list[Fault]:
    """Three to seven faults, in the order of their moments; where configurations change, the source may suffer as well."""
    rng = random.Random(seed + 1)
    names = [*FAULTS, *SOURCE_FAULTS, *SOURCE_FAULTS] if has_changes(seed) else list(FAULTS)
    return sorted(
        Fault(rng.uniform(0.05, _WITHIN_S), rng.choice(names), rng.randrange(2**32))
        for _ in range(rng.randrange(3, 8))
    )


def calm(rng: random.Random) -> Faults:
    """Kinesis on a usual day."""
    return Faults(throttled=rng.choice([0, 0, 0.05]), failed=rng.choice([0, 0, 0.02]))


def _crash(world: World, rng: random.Random) -> None:
    slot, worker = _one(world, rng)
    what, wait_s = rng.choice(["keeps", "keeps", "lost power of", "lost"]), rng.uniform(0.05, 5.0)

    def crash(step: str) -> None:
        world.in_doubt(worker)
        worker.kill()
        if what == "lost power of":
            worker.disk.lose_power()
        elif what == "lost":
            worker.disk.lose_all()
        world.note(f"{worker.process.name} is killed before {step}, and {what} its disk")
        world.struck.add(step)
        _later(world, world.restart_later(slot, wait_s))

    _at_some_step(worker, rng, crash)


def _crash_while_appending(world: World, rng: random.Random) -> None:
    world.broker.late_appends = 1.0
    for_s = rng.uniform(0.1, 0.5)

    async def crash() -> None:
        await asyncio.sleep(for_s)
        _crash(world, rng)
        world.broker.late_appends = 0.0

    _later(world, crash())


def _freeze(world: World, rng: random.Random) -> None:
    _, worker = _one(world, rng)
    _freeze_one(world, rng, worker, rng.uniform(0.1, 12.0))


def _freeze_before_append(world: World, rng: random.Random) -> None:
    """An append is begun, and sent when another owns the partition; nobody is there to notice that it does."""
    _, worker = _one(world, rng)
    for_s, away_s = rng.uniform(3.2, 6.0), rng.uniform(0.2, 3.0)

    def away() -> None:
        world.broker.coordinator_away_until_s = worker.process.frozen_until_s + away_s

    def freeze(step: str) -> None:
        world.in_doubt(worker)
        worker.process.freeze(world.loop.now_s + for_s)
        world.note(f"{worker.process.name} is frozen before {step} for {for_s:.1f} s")
        world.loop.call_later(for_s - 0.1, away, context=NOWHERE)

    worker.process.after_steps(rng.randrange(_STEPS), freeze, "append")


def _freeze_in_rebalance(world: World, rng: random.Random) -> None:
    world.broker.group.rebalance()
    _, worker = _one(world, rng)
    after_s, for_s = rng.uniform(0.0, 1.0), rng.uniform(3.0, 8.0)

    async def freeze() -> None:
        await asyncio.sleep(after_s)
        _freeze_one(world, rng, worker, for_s)

    _later(world, freeze())


def _freeze_one(world: World, rng: random.Random, worker: Worker, for_s: float) -> None:
    def freeze(step: str) -> None:
        world.in_doubt(worker)
        worker.process.freeze(world.loop.now_s + for_s)
        world.note(f"{worker.process.name} is frozen before {step} for {for_s:.1f} s")

    _at_some_step(worker, rng, freeze)


def _stop(world: World, rng: random.Random) -> None:
    slot, worker = _one(world, rng)
    wait_s = rng.uniform(0.05, 2.0)

    def stop(step: str) -> None:
        if worker.stop.is_set():
            return
        worker.stop.set()
        world.note(f"{worker.process.name} is asked to stop before {step}")
        _later(world, world.stopped(slot, worker, wait_s))

    _at_some_step(worker, rng, stop)


def _stop_in_rebalance(world: World, rng: random.Random) -> None:
    world.broker.group.rebalance()

    async def stop() -> None:
        await asyncio.sleep(rng.uniform(0.0, 0.6))
        _stop(world, rng)

    _later(world, stop())


def _kinesis(**shares: float) -> Callable[[World, random.Random], None]:
    def begin(world: World, rng: random.Random) -> None:
        faults = Faults(**shares)  # type: ignore[arg-type]  # shares only
        if rng.random() < 0.3:
            faults.latency_ms = (50, 400)
        _trouble_kinesis(world, rng, faults)

    return begin


def _dead_shard(world: World, rng: random.Random) -> None:
    _trouble_kinesis(world, rng, Faults(dead_shards={rng.choice(world.kinesis.open_shards).id}))


def _refused(world: World, rng: random.Random) -> None:
    _trouble_kinesis(world, rng, Faults(refused="ExpiredTokenException"))


def _black_hole(world: World, rng: random.Random) -> None:
    _trouble_kinesis(world, rng, Faults(black_hole=True))


def _rejected(world: World, rng: random.Random) -> None:
    # All of them: the records are not the cause.
    _trouble_kinesis(world, rng, Faults(), _takes_none)


def _rejected_now_and_then(world: World, rng: random.Random) -> None:
    # No record is rejected for itself, and each may be rejected just after others were taken.
    async def begin_and_end() -> None:
        for _ in range(rng.randrange(3, 20)):
            _trouble_kinesis(world, rng, Faults(), _takes_none, for_s=rng.uniform(0.005, 0.2))
            await asyncio.sleep(rng.uniform(0.2, 0.5))

    _later(world, begin_and_end())


def _limits_used_up(world: World, rng: random.Random) -> None:
    shard, share = rng.choice(world.kinesis.open_shards), rng.choice([0.002, 0.01, 0.03])
    shard.share = share
    _end_later(world, rng, lambda: setattr(shard, "share", 1.0))


def _reshard(world: World, rng: random.Random) -> None:
    shards = sorted(world.kinesis.open_shards, key=lambda shard: shard.first_hash)
    at = rng.randrange(len(shards))
    if rng.random() < 0.5 or at + 1 == len(shards):
        world.kinesis.split(shards[at])
    else:
        world.kinesis.merge(shards[at], shards[at + 1])


def _rebalance(world: World, _: random.Random) -> None:
    world.broker.group.rebalance()


def _kafka_away(world: World, rng: random.Random) -> None:
    world.broker.away_until_s = world.loop.time() + rng.uniform(0.1, 6.0)


def _kafka_refuses(world: World, rng: random.Random) -> None:
    world.broker.refuses_until_s = world.loop.now_s + rng.uniform(0.1, 4.0)


def _coordinator_away(world: World, rng: random.Random) -> None:
    world.broker.coordinator_away_until_s = world.loop.time() + rng.uniform(0.1, 5.0)


def _kafka_slow(world: World, rng: random.Random) -> None:
    world.broker.slow = rng.choice([10.0, 100.0])
    _end_later(world, rng, lambda: setattr(world.broker, "slow", 1.0))


def _appends_unanswered(world: World, rng: random.Random) -> None:
    world.broker.lost_answers = rng.uniform(0.1, 0.6)
    _end_later(world, rng, lambda: setattr(world.broker, "lost_answers", 0.0))


def _appends_repeated(world: World, rng: random.Random) -> None:
    world.broker.repeated_appends = rng.uniform(0.1, 0.6)
    _end_later(world, rng, lambda: setattr(world.broker, "repeated_appends", 0.0))


def _appends_late(world: World, rng: random.Random) -> None:
    world.broker.late_appends = rng.uniform(0.1, 0.6)
    _end_later(world, rng, lambda: setattr(world.broker, "late_appends", 0.0))


def _commits_refused(world: World, rng: random.Random) -> None:
    world.broker.group.commits_refused += rng.randrange(1, 4)


def _compact(world: World, _: random.Random) -> None:
    # No record is compacted before any zombie could have appended: min.compaction.lag.ms.
    for log in world.broker.logs.values():
        if log.topic == world.settings.changelog_topic:
            log.compact(world.loop.time() - _COMPACTION_LAG_S)


_COMPACTION_LAG_S: Final = 4.0


def _source_compacted(world: World, _: random.Random) -> None:
    # Never what nobody has taken yet: which events there were would be up to chance.
    for partition, committed in world.broker.group.committed.items():
        world.broker.log("events", partition).compact_below(committed.offset, tombstones=False)


def _source_compacted_and_tombstones(world: World, _: random.Random) -> None:
    for partition, committed in world.broker.group.committed.items():
        # delete.retention.ms is longer than a backfill takes to read what it has begun to.
        note = note_of(world, partition)
        is_read = note is not None and note.boundary is not None
        world.broker.log("events", partition).compact_below(committed.offset, tombstones=not is_read)


def _source_truncated(world: World, rng: random.Random) -> None:
    for partition, committed in world.broker.group.committed.items():
        log = world.broker.log("events", partition)
        log.delete_before(rng.randrange(log.begin, committed.offset + 1))


def _one(world: World, rng: random.Random) -> tuple[int, Worker]:
    slot = rng.randrange(len(world.workers))
    return slot, world.workers[slot]


def _disk_full(world: World, rng: random.Random) -> None:
    _, worker = _one(world, rng)
    worker.disk.full_until_s = world.loop.now_s + rng.uniform(0.1, 8.0)


def _at_some_step(worker: Worker, rng: random.Random, act: Callable[[str], None]) -> None:
    """Act at once, or between any two steps, that is awaits, of the worker's next ones."""
    worker.process.after_steps(rng.choice([0, rng.randrange(_STEPS)]), act)


def _takes_none(_: bytes) -> bool:
    return True


def _trouble_kinesis(
    world: World,
    rng: random.Random,
    faults: Faults,
    is_poison: Callable[[bytes], bool] | None = None,
    for_s: float | None = None,
) -> None:
    world.set_kinesis_faults(faults)
    if is_poison is not None:
        faults.is_poison = is_poison
    _end_later(world, rng, lambda: world.set_kinesis_faults(calm(rng)), for_s)


def _later(world: World, doing: Coroutine[Any, Any, None]) -> None:
    world.background.append(asyncio.create_task(doing))


def _end_later(world: World, rng: random.Random, end: Callable[[], None], for_s: float | None = None) -> None:
    asyncio.get_running_loop().call_later(rng.uniform(0.1, 5.0) if for_s is None else for_s, end)


FAULTS: Final[dict[str, Callable[[World, random.Random], None]]] = {
    "crash": _crash,
    "crash again": _crash,
    "crash with appends on their way": _crash_while_appending,
    "freeze": _freeze,
    "freeze before an append": _freeze_before_append,
    "freeze in a rebalance": _freeze_in_rebalance,
    "stop": _stop,
    "stop in a rebalance": _stop_in_rebalance,
    "Kinesis throttles": _kinesis(throttled=0.6),
    "Kinesis fails": _kinesis(failed=0.5, throttled=0.2),
    "Kinesis loses requests": _kinesis(lost_before=0.5),
    "Kinesis loses answers": _kinesis(lost_after=0.5),
    "Kinesis is away": _kinesis(unavailable=1.0),
    "a shard is dead": _dead_shard,
    "a shard's limits are used up by others": _limits_used_up,
    "Kinesis rejects every record": _rejected,
    "Kinesis rejects every record now and then": _rejected_now_and_then,
    "Kinesis refuses": _refused,
    "Kinesis is a black hole": _black_hole,
    "shards are split or merged": _reshard,
    "the group rebalances": _rebalance,
    "Kafka is away": _kafka_away,
    "Kafka refuses": _kafka_refuses,
    "the coordinator is away": _coordinator_away,
    "Kafka is slow": _kafka_slow,
    "appends are kept and not answered": _appends_unanswered,
    "appends are repeated": _appends_repeated,
    "appends are late": _appends_late,
    "commits are refused": _commits_refused,
    "the changelog is compacted": _compact,
    "a disk is full": _disk_full,
}

SOURCE_FAULTS: Final[dict[str, Callable[[World, random.Random], None]]] = {
    "the source is compacted": _source_compacted,
    "the source is compacted, and tombstones are gone": _source_compacted_and_tombstones,
    "the source loses its head": _source_truncated,
}
