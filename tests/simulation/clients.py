"""aiokafka's consumer and producer, as far as the worker uses them, on the simulated broker."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.protocol.group import SyncGroupRequest

from tests.simulation.broker import LATEST_APPEND_S, Offset, wake
from tests.simulation.loop import PROCESS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from tests.simulation.broker import Broker, Log, Record

_RETRY_S = 0.1
_BATCH_RECORDS = 40


def _broker() -> Broker:
    process = PROCESS.get()
    assert process is not None
    broker: Broker = process.world.broker
    return broker


class Consumer:
    """`AIOKafkaConsumer`: by itself where places are assigned to it, a member of the group where it subscribes."""

    def __init__(self, **options: Any) -> None:
        self._broker = _broker()
        self._options = options
        self._timeout_s = options["request_timeout_ms"] / 1000
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        """As of the last fetch."""
        self._paused: set[TopicPartition] = set()
        self._assigned: set[TopicPartition] | None = None
        self._epoch = 0
        self._member_id = ""
        self._rejoin = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._heartbeating: asyncio.Task[None] | None = None
        self._client = _Client()
        self._coordinator = _Coordinator(self)
        self.topic = ""
        self.listener: Any = None

    async def start(self) -> None:
        await self._ask(lambda: None)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """The world's topics are never deleted."""
        return {0} if topic else None

    async def stop(self) -> None:
        tasks = [*self._tasks, *([self._heartbeating] if self._heartbeating else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._member_id:
            try:
                await self._ask(lambda: self._broker.group.leave(self._member_id), of_group=True)
            except kafka.KafkaError:
                return

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        (self.topic,) = topics
        self.listener = listener
        self._tasks.append(asyncio.create_task(self._coordinate(), name="coordination"))

    def assign(self, places: Iterable[TopicPartition]) -> None:
        self._assigned = set(places)
        self._paused.clear()

    def pause(self, *places: TopicPartition) -> None:
        for place in places:
            self._must_be_assigned(place)
            self._paused.add(place)

    def resume(self, place: TopicPartition) -> None:
        self._must_be_assigned(place)
        self._paused.discard(place)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._must_be_assigned(place)
        self._positions[place] = offset

    async def position(self, place: TopicPartition) -> int:
        return self._positions[place]

    def highwater(self, place: TopicPartition) -> int | None:
        self._must_be_assigned(place)
        return self._ends.get(place)

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        # Compaction leaves the beginning where it is.
        found: dict[TopicPartition, int] = await self._ask(lambda: dict.fromkeys(places, 0))
        return found

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await self._ask(
            lambda: {place: self._log(place).end for place in places}
        )
        return found

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        for place in places:
            self._must_be_assigned(place)
        epoch, deadline_s = self._epoch, self._broker.loop.time() + timeout_ms / 1000
        while True:
            wanted = {
                place: self._positions[place]
                for place in places
                if place not in self._paused and place in self._positions
            }
            try:
                found = await self._ask(lambda: self._fetched(wanted, max_records))  # noqa: B023  asked now
            except kafka.TopicAuthorizationFailedError:
                raise
            except kafka.KafkaError:
                found = {}  # aiokafka's fetcher tries again by itself
            if epoch != self._epoch:
                return {}
            batches: dict[TopicPartition, list[Record]] = {}
            for place, (records, position) in found.items():
                if self._positions.get(place) == wanted[place] and place not in self._paused:
                    self._positions[place] = position
                    if records:
                        batches[place] = records
            left_s = deadline_s - self._broker.loop.now_s
            if batches or left_s <= 0 or self._moved(found, wanted):
                return batches
            await self._news(wanted, left_s)

    async def _news(self, wanted: Iterable[TopicPartition], left_s: float) -> None:
        """Wait until there is something new to fetch, or `left_s` are over."""
        loop = self._broker.loop
        news = loop.create_future()
        timer = loop.call_later(left_s, wake, news)
        logs = [self._log(place) for place in wanted]
        for log in logs:
            log.awaited.append(news)
        try:
            await news
        finally:
            timer.cancel()
            for log in logs:
                log.awaited.remove(news)

    async def commit(self, offsets: Mapping[TopicPartition, Any]) -> None:
        if self._assigned is None or not self._assigned.issuperset(offsets):
            raise kafka.IllegalStateError("not assigned")
        kept = {place.partition: Offset(each.offset, each.metadata) for place, each in offsets.items()}
        generation = self._coordinator.generation
        while True:
            try:
                await self._ask(
                    lambda: self._broker.group.commit(self._member_id, generation, kept), of_group=True
                )
            except (kafka.UnknownMemberIdError, kafka.IllegalGenerationError) as error:
                self._coordinator.reset_generation()
                raise kafka.CommitFailedError(str(error)) from error
            except kafka.GroupCoordinatorNotAvailableError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def _fetched(
        self, wanted: Mapping[TopicPartition, int], max_records: int
    ) -> dict[TopicPartition, tuple[list[Record], int]]:
        rng, found = self._broker.rng, {}
        for place, position in wanted.items():
            log = self._log(place)
            self._ends[place] = log.end
            count = min(max_records, rng.randrange(1, _BATCH_RECORDS)) if log.has(position) else 0
            found[place] = log.read(position, count)
        return found

    def _moved(self, found: Mapping[TopicPartition, Any], wanted: Mapping[TopicPartition, int]) -> bool:
        return any(position != wanted[place] for place, (_, position) in found.items())

    def _log(self, place: TopicPartition) -> Log:
        return self._broker.log(place.topic, place.partition)

    def _must_be_assigned(self, place: TopicPartition) -> None:
        if self._assigned is None or place not in self._assigned:
            raise kafka.IllegalStateError(f"{place} is not assigned")

    def _ask(
        self, action: Any, *, of_group: bool = False, timeout_s: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        return self._broker.ask(action, timeout_s=timeout_s or self._timeout_s, of_group=of_group)

    async def _coordinate(self) -> None:
        """Join; and again, whenever the coordinator says so. Revoked first, as eager rebalances do."""
        while True:
            await self.listener.on_partitions_revoked(self._assigned or set())
            await self._stop_heartbeats()
            partitions = await self._joined()
            self._epoch += 1
            self._assigned = {TopicPartition(self.topic, partition) for partition in partitions}
            self._positions.clear()
            self._paused.clear()
            await self.listener.on_partitions_assigned(self._assigned)
            self._heartbeating = asyncio.create_task(self._heartbeat(), name="heartbeats")
            await self._rejoin.wait()

    async def _joined(self) -> list[int]:
        session_s = self._options["session_timeout_ms"] / 1000
        rebalance_s = self._options["rebalance_timeout_ms"] / 1000
        while True:
            try:
                generation, partitions = await self._ask(
                    lambda: self._join(session_s, rebalance_s), of_group=True, timeout_s=2 * rebalance_s
                )
                # As aiokafka does: what heartbeats were told during the rebalance was told of this one.
                self._rejoin.clear()
                await self._coordinator._send_req(_Sync(self._member_id, generation))
            except kafka.UnknownMemberIdError:
                self._member_id = ""
            except kafka.KafkaError:
                await asyncio.sleep(_RETRY_S)
            else:
                self._coordinator.generation = generation
                found: list[int] = partitions
                return found

    def _join(self, session_s: float, rebalance_s: float) -> asyncio.Future[tuple[int, list[int]]]:
        self._member_id, joined = self._broker.group.join(self._member_id, session_s, rebalance_s)
        return joined

    async def _heartbeat(self) -> None:
        interval_s = self._options["heartbeat_interval_ms"] / 1000
        while True:
            await asyncio.sleep(interval_s)
            if not await self._coordinator._do_heartbeat() and self._rejoin.is_set():
                return

    async def _stop_heartbeats(self) -> None:
        if self._heartbeating is not None:
            self._heartbeating.cancel()
            await asyncio.wait([self._heartbeating])
            self._heartbeating = None


class _Sync(SyncGroupRequest):  # type: ignore[misc]  # aiokafka has no types
    """A member asks for its assignment."""

    def __init__(self, member_id: str, generation: int) -> None:
        self.member_id, self.generation = member_id, generation


class _Client:
    """Of brokers that know no topic ids."""

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: object) -> object:
        raise NotImplementedError(node, request)


class _Coordinator:
    """What `Heartbeats` and `Source` reach for inside the consumer."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.generation = -1

    async def _send_req(self, request: _Sync) -> None:
        group = self._consumer._broker.group
        await self._consumer._ask(lambda: group.sync(request.member_id, request.generation), of_group=True)

    def reset_generation(self) -> None:
        self.generation = -1
        self._consumer._member_id = ""
        self._consumer._rejoin.set()

    async def _do_heartbeat(self) -> bool:
        consumer, generation = self._consumer, self.generation
        group = consumer._broker.group
        try:
            await consumer._ask(lambda: group.heartbeat(consumer._member_id, generation), of_group=True)
        except kafka.RebalanceInProgressError:
            consumer._rejoin.set()
            return True
        except (kafka.UnknownMemberIdError, kafka.IllegalGenerationError):
            self.reset_generation()
            return False
        except kafka.KafkaError:
            return False
        return True

    async def fetch_committed_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Offset]:
        committed = self._consumer._broker.group.committed
        found: dict[TopicPartition, Offset] = await self._consumer._ask(
            lambda: {place: committed[place.partition] for place in places if place.partition in committed},
            of_group=True,
        )
        return found


class Batch:
    """`BatchBuilder`: records, as many as fit."""

    def __init__(self, records_max: int) -> None:
        self.records: list[tuple[bytes, bytes | None, list[tuple[str, bytes]]]] = []
        self._records_max = records_max

    def append(
        self, *, timestamp: None, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> object | None:
        assert timestamp is None
        if len(self.records) == self._records_max:
            return None
        self.records.append((key, value, headers))
        return self

    def close(self) -> None:
        """Nothing is packed here."""

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """`AIOKafkaProducer`, idempotent: it repeats what was not answered, and Kafka keeps it once."""

    def __init__(self, **options: Any) -> None:
        self._broker = _broker()
        self._timeout_s = options["request_timeout_ms"] / 1000
        self._tasks: set[asyncio.Task[Any]] = set()
        self._numbers = itertools.count()
        self._newest_landed: dict[tuple[str, int], int] = {}
        self._out_of_step: set[tuple[str, int]] = set()
        """Places whose numbers have a gap: Kafka takes no batch of this producer's any more."""
        self._sender = None
        self.client = self

    async def close(self) -> None:
        """What is on its way may land all the same."""
        for task in self._tasks:
            task.cancel()

    async def start(self) -> None:
        await self._broker.ask(lambda: None, timeout_s=self._timeout_s)

    async def stop(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def create_batch(self) -> Batch:
        return Batch(self._broker.rng.choice([5, 50, 50]))

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Task[Any]:
        return self._begun(self._append(batch.records, topic, partition))

    async def send(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Any
    ) -> asyncio.Task[Any]:
        # Letters may overtake each other here; nothing depends on their order.
        return self._begun(self._append([(key, value, headers)], topic, self._broker.rng.randrange(1 << 20)))

    def _begun(self, sending: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(sending, name="append")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _append(self, records: Sequence[Any], topic: str, partition: int) -> Any:
        if (topic, partition) in self._out_of_step:
            await self._broker.ask(lambda: None, timeout_s=self._timeout_s)
            raise kafka.OutOfOrderSequenceNumber
        try:
            return await self._tried(records, topic, partition)
        except kafka.KafkaTimeoutError:
            self._out_of_step.add((topic, partition))
            raise

    async def _tried(self, records: Sequence[Any], topic: str, partition: int) -> Any:
        """aiokafka tries again until the time-out; what is on its way then may land yet."""
        broker, place, number = self._broker, (topic, partition), next(self._numbers)
        landed: list[int] = []
        deadline_s = broker.loop.time() + self._timeout_s

        def land() -> int:
            if self._newest_landed.get(place, -1) > number:
                return -1  # out of order: Kafka does not take it
            if not landed:
                self._newest_landed[place] = number
                log = broker.log(topic, partition)
                landed.append(log.end)
                for key, value, headers in records:
                    log.append(key, value, headers, broker.loop.time())
                return landed[0]
            return -1  # known already: Kafka does not say where

        while True:
            left_s = deadline_s - broker.loop.time()
            if left_s <= 0:
                raise kafka.KafkaTimeoutError
            chance = broker.rng.random()
            try:
                if chance < broker.repeated_appends:
                    await broker.ask(land, timeout_s=left_s)
                late_s = (
                    broker.rng.uniform(0.3, LATEST_APPEND_S)
                    if broker.rng.random() < broker.late_appends
                    else 0.0
                )
                offset = await broker.ask(land, timeout_s=left_s, late_s=late_s)
            except kafka.KafkaConnectionError:
                await asyncio.sleep(_RETRY_S)
                continue
            if broker.rng.random() < broker.lost_answers:
                raise kafka.KafkaTimeoutError
            return SimpleNamespace(offset=offset)
