"""aiokafka's producer, as far as the worker uses it, on the simulated broker."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka
from aiokafka.record.memory_records import MemoryRecords

from processor.kafka.changelog_batches import WholeBatch, batches_of
from tests.simulation.broker import LATEST_APPEND_S
from tests.simulation.consumer import broker_of_this_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.kafka.changelog_batches import Deletion

_RETRY_S = 0.1


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


def in_some_batches(entries: Mapping[bytes, bytes | Deletion], bytes_max: int) -> list[WholeBatch]:
    """`batches_of`, as if some batches were full sooner."""
    rest, batches = list(entries.items()), list[WholeBatch]()
    while rest:
        count = broker_of_this_process().rng.choice([5, 50, 50])
        batches += batches_of(dict(rest[:count]), bytes_max)
        del rest[:count]
    return batches


def _records_of(batch: WholeBatch) -> list[tuple[bytes, bytes | None, list[tuple[str, bytes]]]]:
    found = MemoryRecords(bytes(batch._build())).next_batch()
    return [(record.key, record.value, list(record.headers)) for record in found]


class Producer:
    """`AIOKafkaProducer`, idempotent: it repeats what was not answered, and Kafka keeps it once."""

    def __init__(self, **options: Any) -> None:
        self._broker = broker_of_this_process()
        self._timeout_s = options["request_timeout_ms"] / 1000
        self._tasks: set[asyncio.Task[Any]] = set()
        self._numbers = itertools.count()
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

    async def send_batch(self, batch: Batch | WholeBatch, topic: str, *, partition: int) -> asyncio.Task[Any]:
        records = batch.records if isinstance(batch, Batch) else _records_of(batch)
        return self._begun(self._append(records, topic, partition))

    async def send(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Any
    ) -> asyncio.Task[Any]:
        # Letters may overtake each other here; nothing depends on their order. Each has a partition of its own: within
        # one, aiokafka would keep the order in which they were sent.
        return self._begun(self._append([(key, value, headers)], topic, next(self._numbers)))

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
