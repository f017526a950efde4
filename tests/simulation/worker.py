"""One worker: the pipeline with all that is behind it, as the service puts it together, on simulated clients."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from processor.errors import KinesisError, KinesisUnavailable
from processor.kafka.changelog import Changelog
from processor.kafka.dead_letters import DeadLetters
from processor.kafka.heartbeats import Heartbeats
from processor.kafka.source import Source
from processor.kafka.source_history import open_history
from processor.kafka.topics import ChangelogShape
from processor.kinesis.writer import Writer
from processor.service.attempts import RETRIED_AFTER_A_RESTART, RETRIED_AT_FIRST, Attempts
from processor.service.leave import stop_at_exit
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from processor.worker.pipeline import Parts, Pipeline
from tests.simulation.bounds import Bounds
from tests.simulation.broker import NOWHERE
from tests.simulation.loop import Process
from tests.simulation.partitions import exports_in_flight
from tests.simulation.workload import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.connection import StreamFacts
    from processor.kinesis.kinesis_json import Answer
    from processor.kinesis.lane import Item
    from processor.kinesis.shards import Shard
    from processor.kinesis.ticket import Ticket
    from processor.profile.structs import Export
    from processor.settings import Settings
    from tests.simulation.configurations import Configuration
    from tests.simulation.disk import Disk
    from tests.simulation.world import World

_SHAPE = ChangelogShape(
    partitions=PARTITIONS,
    max_message_bytes=1 << 20,
    delete_retention_ms=1 << 40,
    min_compaction_lag_ms=1 << 40,
)

_ATTEMPT_S = 600.0


class Worker:
    """A process of the world. `task` is its main task."""

    def __init__(
        self,
        world: World,
        name: str,
        settings: Settings,
        disk: Disk,
        configuration: Configuration,
        *,
        restarted: bool,
    ) -> None:
        self.process = Process(name)
        self.process.world = self._world = world
        self.disk = disk
        self.settings = settings
        self.stop = asyncio.Event()
        self.died = asyncio.Event()
        self.status = Status()
        self._attempts = Attempts(
            RETRIED_AFTER_A_RESTART if restarted else RETRIED_AT_FIRST, _ATTEMPT_S, self.status
        )
        self.bounds: Bounds | None = None
        self._configuration = configuration
        self._request: str | None = None
        self._pipeline: Pipeline | None = None
        self.task = self.process.start(self._live(), name)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.died.set()

    def follow(self, configuration: Configuration) -> None:
        """Have it follow another configuration: when it runs, not at all once it is dead."""
        self.process.call_soon(self._follow, configuration)

    def hear(self, request: str | None) -> None:
        """Have it hear of the newest request for a backfill, as `follow` does of files."""
        if request is not None:
            self.process.call_soon(self._hear, request)

    def _follow(self, configuration: Configuration) -> None:
        self._configuration = configuration
        if self._pipeline is not None:
            self._pipeline.follow(configuration.core)

    def _hear(self, request: str) -> None:
        self._request = request
        if self._pipeline is not None:
            self._pipeline.request(request)

    @property
    def partitions(self) -> set[int]:
        """Those that it has, or had."""
        return {partition.number for partition in self.bounds.partitions} if self.bounds else set()

    def in_doubt(self) -> set[bytes]:
        """The exports of batches that are not acknowledged: after a crash now, they may come again."""
        return {
            data
            for partition in (self.bounds.partitions if self.bounds else ())
            for data in exports_in_flight(self._world, partition)
        }

    async def _live(self) -> None:
        """As `run_service` does."""
        async with AsyncExitStack() as stack:
            connecting = asyncio.create_task(self._connected(stack), name="connecting")
            stopping = asyncio.create_task(self.stop.wait(), name="stopping")
            await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not connecting.done():
                connecting.cancel()
                await asyncio.wait([connecting])
                return
            await connecting.result().run(self.stop)

    async def _connected(self, stack: AsyncExitStack) -> Pipeline:
        settings, world = self.settings, self.process.world
        status, attempts, kafka = self.status, self._attempts, settings.kafka
        heartbeats = Heartbeats()
        fence = Fence(lambda: heartbeats.silence_s, settings.fence_s)
        writer = Writer(
            Endpoint(world, self.process), settings.kinesis, random.Random(world.rng.random()), fence
        )
        _excuse_probes(writer, world)
        await attempts.connected("kinesis", writer.connect)
        dead_letters = DeadLetters(kafka)
        await attempts.connected("kafka", dead_letters.start)
        stop_at_exit(stack, dead_letters.stop, "the dead-letter producer")
        changelog = Changelog(kafka, settings.changelog_topic, fence)
        await attempts.connected("kafka", changelog.start)
        stop_at_exit(stack, changelog.stop, "the changelog producer")

        async def open_store(partition: int) -> Any:
            await asyncio.sleep(world.rng.uniform(0.0, 0.005))
            return await self.disk.opened(partition)

        parts = Parts(
            core=self._configuration.core,
            writer=writer,
            write_dead_letters=dead_letters.write,
            changelog=changelog,
            changelog_shape=_SHAPE,
            heartbeats=heartbeats,
            stream="eu-west-1/exports",
            committed_elsewhere={},
            source_is_compacted=True,
            open_history=partial(open_history, kafka, may_have_gaps=True),
            check_room=lambda _: None,
            open_store=open_store,
            disk=self.disk,
            state_memory_bytes=lambda: 0,
        )
        source = Source(kafka, heartbeats)
        pipeline = Pipeline(settings, parts, source, status)
        self._pipeline = pipeline
        if self._request is not None:
            pipeline.request(self._request)
        self.bounds = Bounds(pipeline, writer, settings)
        await attempts.connected("kafka", lambda: source.start(pipeline))
        stop_at_exit(stack, source.stop, "the consumer")
        return pipeline


class Endpoint:
    """The stream as one worker sees it: calls go on at Kinesis when the worker has given them up, or died."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._profiles: set[bytes] = set()

    async def facts(self) -> StreamFacts:
        return await self._world.kinesis.facts()

    async def shards(self) -> list[Shard]:
        return await self._world.kinesis.shards()

    async def put(self, records: Sequence[Export]) -> Answer:
        world = self._world
        loop, kinesis = world.loop, world.kinesis
        kinesis.begin(records)
        profiles = {record.profile for record in records}
        assert len(profiles) == len(records), "two records of one profile in one call"
        assert not profiles & self._profiles, "two records of one profile in flight"
        self._profiles |= profiles
        answer: asyncio.Future[Answer] = loop.create_future()
        loop.call_later(kinesis.way_s(), self._arrived, list(records), answer, context=NOWHERE)
        timer = loop.call_later(_CALL_S, _timed_out, answer, context=NOWHERE)
        try:
            return await answer
        except KinesisUnavailable as error:
            if error.outcome_unknown:
                world.excused.update(record.data for record in records)
            raise
        except asyncio.CancelledError:
            world.excused.update(record.data for record in records)
            raise
        finally:
            timer.cancel()
            self._profiles -= profiles

    def _arrived(self, records: Sequence[Export], answer: asyncio.Future[Answer]) -> None:
        kinesis = self._world.kinesis
        if kinesis.faults.black_hole:
            return
        try:
            taken = kinesis.take(records)
        except KinesisError as error:
            _fail(answer, error)
        else:
            self._world.loop.call_later(kinesis.way_s(), self._answered, taken, answer, context=NOWHERE)

    def _answered(self, taken: Answer, answer: asyncio.Future[Answer]) -> None:
        try:
            given = self._world.kinesis.give(taken)
        except KinesisError as error:
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(given)


_CALL_S = 4.0


def _excuse_probes(writer: Writer, world: World) -> None:
    """What Kinesis took, and is sent again to see whether it takes any, comes again with a reason."""
    begin = writer._probe._on_its_way

    def noted(export: Export, ticket: Ticket) -> Item:
        world.excused.add(export.data)
        return begin(export, ticket)

    writer._probe._on_its_way = noted  # type: ignore[method-assign]  # see above


def _timed_out(answer: asyncio.Future[Answer]) -> None:
    _fail(answer, KinesisUnavailable("PutRecords: no answer in time", outcome_unknown=True))


def _fail(answer: asyncio.Future[Answer], error: KinesisError) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # nobody may be there any more to look at it
