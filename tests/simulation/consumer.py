"""aiokafka's consumer, as far as the worker uses it, on the simulated broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import SyncGroupRequest
from aiokafka.protocol.offset import OffsetRequest

from processor.kafka import fetched_batches as unpacking
from processor.profile.source_record import size_bytes
from tests.simulation.broker import Offset, wake
from tests.simulation.loop import PROCESS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from processor.kafka.poll_room import Room
    from tests.simulation.broker import Broker, Log, Record

_RETRY_S = 0.1
_BATCH_RECORDS = 40


def broker_of_this_process() -> Broker:
    process = PROCESS.get()
    assert process is not None
    broker: Broker = process.world.broker
    return broker


class Consumer:
    """`AIOKafkaConsumer`: by itself where places are assigned to it, a member of the group where it subscribes."""

    def __init__(self, **options: Any) -> None:
        self._broker = broker_of_this_process()
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
        self._client = _Client(self)
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

    @property
    def _subscription(self) -> Any:
        """What `fetches.state_of` reaches for: how far a partition is read, and goes."""
        return SimpleNamespace(subscription=SimpleNamespace(assignment=self))

    def state_value(self, place: TopicPartition) -> Any:
        if self._assigned is None or place not in self._assigned:
            return None
        return SimpleNamespace(
            has_valid_position=place in self._positions,
            position=self._positions.get(place),
            highwater=self._ends.get(place),
            lso=self._ends.get(place),
        )

    async def fetch_alone(self, request: Any) -> Any:
        """A fetch of one partition, as `fetches.end_of_gap` sends it."""
        ((topic, ((partition, position, _),)),) = request.topics
        log = self._broker.log(topic, partition)
        end, has_any = await self._ask(lambda: (log.end, log.has(position)))
        answer = (partition, 0, end, end, 0, None, -1, b"a batch" if has_any else b"")
        return SimpleNamespace(API_VERSION=11, throttle_time_ms=0, topics=[(topic, [answer])])

    async def ends_of_many(self, request: Any) -> Any:
        """What `LogEnds` asks for."""
        ((topic, places),) = request._topics

        def listed() -> list[tuple[int, int, int, int]]:
            return [(partition, 0, -1, self._broker.log(topic, partition).end) for partition, _ in places]

        return SimpleNamespace(topics=[(topic, await self._ask(listed))])

    @property
    def _fetcher(self) -> Any:
        """What `fetches.high_watermarks` reaches for: no transactions are made here."""
        return SimpleNamespace(end_offsets=self._high_watermarks, _records={})

    async def _high_watermarks(self, places: Sequence[TopicPartition], _: float) -> dict[TopicPartition, int]:
        return await self.end_offsets(places)

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        # Compaction leaves the beginning where it is.
        found: dict[TopicPartition, int] = await self._ask(
            lambda: {place: self._log(place).begin for place in places}
        )
        return found

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await self._ask(
            lambda: {place: self._log(place).end for place in places}
        )
        return found

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int, max_records: int = _BATCH_RECORDS
    ) -> dict[TopicPartition, list[Record]]:
        for place in places:
            self._must_be_assigned(place)
        room = unpacking._room.get()
        epoch, deadline_s = self._epoch, self._broker.loop.time() + timeout_ms / 1000
        while True:
            wanted = {
                place: self._positions[place]
                for place in places
                if place not in self._paused and place in self._positions
            }
            try:
                found = await self._ask(lambda: self._fetched(wanted, max_records))  # noqa: B023  asked now
            except (kafka.TopicAuthorizationFailedError, kafka.OffsetOutOfRangeError):
                raise
            except kafka.KafkaError:
                found = {}  # aiokafka's fetcher tries again by itself
            if epoch != self._epoch:
                return {}
            batches: dict[TopicPartition, list[Record]] = {}
            for place, fetched in found.items():
                if self._positions.get(place) == wanted[place] and place not in self._paused:
                    records, position = self._within(room, place.partition, *fetched)
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

    def _within(
        self, room: Room | None, partition: int, records: list[Record], position: int
    ) -> tuple[list[Record], int]:
        """Of a batch, what there is room for, and the position after it."""
        if room is None or not records:
            return records, position
        if not room.has_any(partition):
            return [], records[0].offset
        fitting = room.take(partition, records, size_bytes(records))
        return records[:fitting], position if fitting == len(records) else records[fitting].offset

    def _fetched(
        self, wanted: Mapping[TopicPartition, int], max_records: int
    ) -> dict[TopicPartition, tuple[list[Record], int]]:
        rng, found = self._broker.rng, {}
        for place, position in wanted.items():
            log = self._log(place)
            if position < log.begin:
                raise kafka.OffsetOutOfRangeError({place: position})
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
                # As aiokafka does: what heartbeats were answered during the rebalance was about this one.
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

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.cluster = SimpleNamespace(leader_for_partition=lambda _: 1)

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: object) -> object:
        if isinstance(request, FetchRequest):
            return await self._consumer.fetch_alone(request)
        if isinstance(request, OffsetRequest):
            return await self._consumer.ends_of_many(request)
        raise NotImplementedError(node, request)

    async def close(self) -> None:
        """What is on its way may be there all the same."""

    def force_metadata_update(self) -> None:
        """There is one broker, and it leads all."""


class _Coordinator:
    """What `Heartbeats` and `Source` reach for inside the consumer."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.generation = -1

    async def _send_req(self, request: _Sync) -> None:
        group = self._consumer._broker.group
        await self._consumer._ask(lambda: group.sync(request.member_id, request.generation), of_group=True)

    async def _do_commit_offsets(self, _assignment: object, _offsets: object) -> None:
        raise AssertionError("commits go another way here")

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
