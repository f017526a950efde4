"""A life: events are produced, workers process them, faults happen; then all is mended, and what came out is checked."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import random
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import structlog

from processor.errors import KafkaRefused
from processor.settings import load_settings
from processor.settings.backfill import BackfillSettings
from tests.simulation.broker import Broker
from tests.simulation.changed_outcome import check_changed_outcome, is_complete, note_of
from tests.simulation.changes import Following, first_of, has_changes, planned_changes
from tests.simulation.consumer import Consumer
from tests.simulation.disk import Disk
from tests.simulation.faults import FAULTS, SOURCE_FAULTS, calm, planned
from tests.simulation.loop import Simulation
from tests.simulation.outcome import check_outcome
from tests.simulation.partitions import looking_at_the_note, noting_abandon, noting_let_go
from tests.simulation.producer import Producer, in_some_batches
from tests.simulation.violation import Violation
from tests.simulation.worker import Worker
from tests.simulation.workload import EVENTS, PARTITIONS, end_after, is_marked, rejection, workload
from tests.support.scripted_kinesis import Faults, ScriptedKinesis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.profile.batch import Batch
    from processor.settings import Settings
    from tests.simulation.broker import Record
    from tests.simulation.changes import Change
    from tests.simulation.faults import Fault

PRODUCE_S: Final = 6.0
_CATCH_UP_S: Final = 180.0
_SETTLED_S: Final = 0.5
"""When what was on its slow way to Kafka has arrived."""
_GROW_S: Final = 30.0
"""Longer than what was begun takes, where there are no faults."""
_TRIES_MAX: Final = 20
"""A record that is rejected is tried once a slow retry's time; within `_GROW_S` three times as often."""
_PROBE_EVERY_S: Final = 0.25
_RESTART_S: Final = 1.0
_SHUTDOWN_MS: Final = 3000
_LEAVE_S: Final = 3 * 3.0 + 3.0
"""The last commit, and the three clients' farewells."""
_STOP_S: Final = _SHUTDOWN_MS / 1000 + _LEAVE_S + 2.0 + 3.0
"""A rebalance that is met by the end drains first, and commits."""

_ROOM_BYTES: Final = [(64 << 20, 64 << 20, 8 << 20)] * 2 + [
    (24_000, 12_000, 6_000),
    (12_000, 64 << 20, 2_000),
]
"""For events in flight, for what the writer holds, and for what it holds for one shard."""


_SMALL: Final[list[dict[str, int]]] = [
    {},
    {
        "backfill.latest_events.CHUNK_BYTES": 4_000,
        "backfill.latest_events._READ_BYTES_MAX": 16_000,
        "backfill.latest_events._FIRST_OFFSETS": 10,
        "backfill.latest_events._STRUCK_AT_ONCE": 3,
        "backfill.latest_events._STRUCK_MAX": 6,
        "worker.backfill_run.SLICE_EVENTS": 4,
        "worker.backfill_run._UNSETTLED_MAX": 8,
        "worker.in_flight._SETTLED_MAX": 3,
    },
]
"""What is done at once in a life: as much as ever, or so little that a few things have to be done one after the other."""


_SILENT: Final = structlog.make_filtering_bound_logger(logging.CRITICAL)


class World:
    """One life, from one seed: with all events and the faults that the seed plans, or with some of them."""

    def __init__(
        self,
        seed: int,
        places: Sequence[int] | None = None,
        faults: Sequence[Fault] | None = None,
        changes: Sequence[Change] | None = None,
        chance: int = 0,
    ) -> None:
        self.seed = seed
        self.has_changes = has_changes(seed)
        self.following = Following(
            self, first_of(seed), planned_changes(seed) if changes is None else changes
        )
        self.rng = random.Random(f"{seed}, {chance}")
        self.loop = Simulation(self.rng)  # type: ignore[abstract]  # what a worker has no use for is left out
        whole = workload(seed, is_varied=self.has_changes)
        self.workload = whole if places is None else whole.only(places)
        self.events = self.workload.events
        moments = _moments_s(seed)
        self._moments_s = moments if places is None else [moments[place] for place in places]
        self.faults = planned(seed) if faults is None else list(faults)
        self.trace: list[str] = []
        self.excused: set[bytes] = set()
        """Exports that may come more than once."""
        self.let_go: dict[Batch, list[bytes]] = {}
        """The exports of batches that hold them no longer."""
        self.begun_again: set[int] = set()
        """Partitions of which some work was lost, and done again."""
        self.rejected = set() if self.has_changes else self.workload.rejected(random.Random(seed + 4))
        """Exports that Kinesis never takes, of a life in which nothing changes."""
        self._rejects: Callable[[bytes], bool] | None = self.rejected.__contains__ if self.rejected else None
        if self.has_changes:
            self._rejects = rejection(random.Random(seed + 4))
        self.refused: set[bytes] = set()
        """What was sent to Kinesis, and that it never takes."""
        self.struck: set[str] = set()
        """The steps before which a worker was killed."""
        self.workers: list[Worker] = []
        self.settings = _settings(*random.Random(seed + 2).choice(_ROOM_BYTES))
        if self.has_changes:
            self.settings = replace(self.settings, backfills=_backfill_settings(random.Random(seed + 6)))
        self._small = random.Random(seed + 8).choice(_SMALL) if self.has_changes else {}

    def run(self) -> World:
        """Live it.

        Raises:
            Violation: what must hold did not; `trace` has what happened.

        """
        with ExitStack() as stack:
            logs = structlog.get_config()
            stack.callback(structlog.configure, **logs)
            structlog.configure(wrapper_class=_SILENT)
            for module in ("source", "changelog", "source_history"):
                stack.enter_context(mock.patch(f"processor.kafka.{module}.AIOKafkaConsumer", Consumer))
            for name, value in self._small.items():
                stack.enter_context(mock.patch(f"processor.{name}", value))
            for module in ("changelog", "dead_letters"):
                stack.enter_context(mock.patch(f"processor.kafka.{module}.AIOKafkaProducer", Producer))
            stack.enter_context(mock.patch("processor.kafka.changelog.batches_of", in_some_batches))
            self.loop.run(self._live())
        return self

    def note(self, what: str) -> None:
        """For the trace."""
        self.trace.append(f"{self.loop.time():9.3f} s  {what}")

    def start(self, slot: int) -> None:
        """A worker on the disk of this slot."""
        is_first = slot == len(self.workers)
        worker = Worker(
            self,
            f"worker-{slot}",
            self.settings,
            self.disks[slot],
            self.following.of(slot),
            restarted=not is_first,
        )
        worker.hear(self.following.request)
        self.workers[slot : slot + 1] = [worker]
        self.note(f"{worker.process.name} starts")

        worker.task.add_done_callback(lambda _: self._ended(slot, worker))

    def _ended(self, slot: int, worker: Worker) -> None:
        """A worker that Kafka refused has ended, as it must: its parent starts another."""
        error = None if worker.task.cancelled() else worker.task.exception()
        if error is None or worker.process.is_dead or not _is_refusal(error):
            return
        self.in_doubt(worker)
        worker.kill()
        self.note(f"{worker.process.name} ends: {error}")
        self.background.append(asyncio.create_task(self.restart_later(slot, _RESTART_S)))

    def set_kinesis_faults(self, faults: Faults) -> None:
        """Beside these, what a life's Kinesis rejects it always rejects, and its shards have limits."""
        faults.is_poison = self._refuses
        faults.limited = True
        self.kinesis.faults = faults

    async def stopped(self, slot: int, worker: Worker, wait_s: float) -> None:
        """Wait for the end of a worker that was asked to stop now, and start another.

        Raises:
            Violation: it took too long.

        """
        began_s, freezes = self.loop.now_s, worker.process.freezes
        dying = asyncio.create_task(worker.died.wait())
        await asyncio.wait([worker.task, dying], return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if worker.process.is_dead:
            return
        worker.task.result()
        took_s = self.loop.now_s - began_s
        self.note(f"{worker.process.name} has stopped, after {took_s:.1f} s")
        if took_s > _STOP_S and worker.process.freezes == freezes == 0:
            raise Violation(f"{worker.process.name} stopped after {took_s:.1f} s")
        worker.kill()
        await self.restart_later(slot, wait_s)

    async def restart_later(self, slot: int, wait_s: float) -> None:
        """As the parent of a worker that died does."""
        await asyncio.sleep(wait_s)
        self.start(slot)

    def is_rejected(self, data: bytes) -> bool:
        """Whether Kinesis never takes an export."""
        return self._rejects is not None and self._rejects(data)

    def _refuses(self, data: bytes) -> bool:
        if not self.is_rejected(data):
            return False
        self.refused.add(data)
        return True

    def in_doubt(self, worker: Worker) -> None:
        """What a worker has under way may come again."""
        self.excused |= worker.in_doubt()
        self.begun_again |= worker.partitions

    async def _live(self) -> None:
        # Both run on the loop that runs now.
        self.broker = Broker(self.rng, self.loop, PARTITIONS, self.note)
        self.kinesis = ScriptedKinesis(self.rng, shards=self.rng.randrange(1, 4))
        self.kinesis.check_order = False
        self.set_kinesis_faults(calm(self.rng))
        count = self.rng.choice([1, 2, 2, 3])
        self.disks = [Disk(self.rng) for _ in range(count)]
        self.background: list[asyncio.Task[Any]] = []
        for slot in range(count):
            self.start(slot)
        with (
            mock.patch("processor.profile.batch.Batch.let_go", noting_let_go(self)),
            mock.patch("processor.worker.partition.Partition.abandon", noting_abandon(self)),
            mock.patch("processor.worker.partition.Partition._begin", looking_at_the_note()),
        ):
            producing = asyncio.create_task(self._produce())
            if self.has_changes:
                self.background.append(asyncio.create_task(self.following.run()))
            probing = asyncio.create_task(self._probe())
            for at_s, name, number in self.faults:
                await asyncio.sleep(max(0.0, at_s - self.loop.time()))
                self.note(f"fault: {name}")
                {**FAULTS, **SOURCE_FAULTS}[name](self, random.Random(number))
            await producing
            await self._mend()
            await asyncio.sleep(max(_SETTLED_S, self.broker.last_arrival_s - self.loop.now_s))
            self._produce_at_once(self.events[-PARTITIONS:])
            await self._caught_up()
            probing.cancel()
            await self._shut_down()
        (check_changed_outcome if self.has_changes else check_outcome)(self)

    async def _produce(self) -> None:
        for event, at_s in zip(self.events[:-PARTITIONS], self._moments_s, strict=True):
            if at_s > self.loop.now_s:
                await asyncio.sleep(at_s - self.loop.now_s)
            self._produce_at_once([event])

    def _produce_at_once(self, events: Sequence[Record]) -> None:
        for event in events:
            log = self.broker.log(event.topic, event.partition)
            log.put(event, end_after(event), self.loop, marked=is_marked(event))

    async def _mend(self) -> None:
        """No fault from here on; what died is started again."""
        self._forget_plans()
        for task in self.background:
            await task
        self._forget_plans()
        self.following.heal()
        if self.settings.backfills.backfill == "off":
            self.following.ask()
        self.set_kinesis_faults(Faults())
        for shard in self.kinesis.open_shards:
            shard.share = 1.0
        self.broker.mend()
        for slot, worker in enumerate(self.workers):
            if worker.process.is_dead:
                self.start(slot)
        # What a zombie appends when it thaws is put right when its partition is appended to again.
        thawed_s = max(worker.process.frozen_until_s for worker in self.workers)
        await asyncio.sleep(max(0.0, thawed_s - self.loop.now_s))

    def _forget_plans(self) -> None:
        for worker in self.workers:
            worker.process.forget_plans()

    async def _caught_up(self) -> None:
        """All events are committed."""
        deadline_s = self.loop.time() + _CATCH_UP_S
        # Where files change, a member that lost a partition may leave its note behind: what is appended next puts that right.
        grows_s = self.loop.time() + _GROW_S if self._rejects or self.has_changes else math.inf
        while True:
            if self.loop.time() > grows_s:
                grows_s += _GROW_S
                self._grow()
            ends = {n: self.broker.log("events", n).end for n in range(PARTITIONS)}
            committed = self.broker.group.committed
            behind = [
                n for n, end in ends.items() if end and (n not in committed or committed[n].offset < end)
            ]
            is_up = not behind and not any(worker.task.done() for worker in self.workers)
            if is_up and (not self.has_changes or is_complete(self)):
                self.note("caught up")
                return
            if self.loop.time() > deadline_s:
                if is_up:
                    notes = [note_of(self, partition) for partition in range(PARTITIONS)]
                    raise Violation(
                        f"a backfill does not end: {notes}, all follow {self.following.last.core.fingerprint}"
                    )
                offsets = {n: committed[n].offset if n in committed else None for n in ends}
                raise Violation(f"not caught up: committed {offsets} of {ends}")
            for worker in self.workers:
                if worker.task.done() and not worker.process.is_dead:
                    error = worker.task.exception()
                    if error is None:
                        raise Violation(f"{worker.process.name} ended by itself")
                    if not _is_refusal(error):
                        raise error
            await asyncio.sleep(0.1)

    def _grow(self) -> None:
        """Have something more to export: only when others are taken is a record known to be rejected for itself.

        Raises:
            Violation: a worker waits for that, and has taken what it could see that by.

        """
        for worker in self.workers:
            if worker.bounds is not None:
                worker.bounds.check_candidates(_TRIES_MAX)
        self.note("one event more for each partition")
        self.workload = self.workload.grown()
        self.events = self.workload.events
        self._produce_at_once(self.events[-PARTITIONS:])

    async def _shut_down(self) -> None:
        began_s = self.loop.time()
        for worker in self.workers:
            # One after the other: those that leave have those that stay rebalance.
            worker.stop.set()
            await asyncio.sleep(self.rng.choice([0.0, 0.5]) * self.rng.random())
        await asyncio.wait([worker.task for worker in self.workers])
        took_s = self.loop.time() - began_s
        if took_s > _SHUTDOWN_MS / 1000 + _LEAVE_S:
            raise Violation(f"the shutdown took {took_s:.1f} s")
        for worker in self.workers:
            worker.task.result()
            self._balanced(worker)
            if worker.bounds is not None:
                worker.bounds.check_empty()
            for task in worker.process.tasks:
                if not task.done():
                    raise Violation(f"a task outlived its worker: {task.get_name()}")

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_EVERY_S)
            for worker in self.workers:
                self._balanced(worker)

    def _balanced(self, worker: Worker) -> None:
        figures = worker.status.figures
        gone = figures.exported + figures.unchanged + figures.skipped + figures.dead_lettered.total()
        if figures.received != gone + figures.abandoned + figures.in_flight:
            raise Violation(f"{worker.process.name}: received is not the sum of what became of it: {figures}")
        if worker.bounds is not None:
            worker.bounds.check()


def _moments_s(seed: int) -> list[float]:
    """When each of the events is produced: some at once, then none for a while."""
    rng, at_s, found = random.Random(seed + 3), 0.0, []
    for _ in range(EVENTS):
        found.append(at_s)
        if rng.random() < 0.2:
            at_s += rng.expovariate(0.2 * EVENTS / PRODUCE_S)
    return found


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_refusal, error.exceptions))
    return isinstance(error, KafkaRefused)


def _backfill_settings(rng: random.Random) -> BackfillSettings:
    return BackfillSettings(
        backfill_topic="",
        backfill=rng.choice(["auto", "auto", "auto", "off"]),
        backfill_max_events_per_s=rng.choice([0, 0, 30, 200]),
    )


@functools.cache
def _settings(in_flight_bytes: int, buffer_bytes: int, shard_buffer_bytes: int) -> Settings:
    settings = load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": "simulated:9092",
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "group",
            "PROCESSOR_KAFKA_COMMIT_INTERVAL_MS": "200",
            "PROCESSOR_KAFKA_SESSION_TIMEOUT_MS": "3000",
            "PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
            "PROCESSOR_KAFKA_REQUEST_TIMEOUT_MS": "2000",
            "PROCESSOR_KAFKA_REBALANCE_TIMEOUT_MS": "6000",
            "PROCESSOR_KAFKA_DRAIN_TIMEOUT_MS": "2000",
            "PROCESSOR_KINESIS_RETRY_BASE_MS": "5",
            "PROCESSOR_KINESIS_RETRY_MAX_MS": "500",
            "PROCESSOR_KINESIS_SLOW_RETRY_MS": "500",
            "PROCESSOR_SHUTDOWN_TIMEOUT_MS": str(_SHUTDOWN_MS),
            "PROCESSOR_HTTP_PORT": "0",
        }
    )
    # Smaller than anyone may set them: some lives must come up to their bounds with a few hundred events.
    room = {"buffer_bytes": buffer_bytes, "shard_buffer_bytes": shard_buffer_bytes}
    return replace(
        settings,
        service=settings.service.model_copy(update={"in_flight_bytes": in_flight_bytes}),
        kinesis=settings.kinesis.model_copy(update=room),
    )
