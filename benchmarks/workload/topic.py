"""A topic filled with a workload: as fast as it goes, or at a rate."""

from __future__ import annotations

import asyncio
import time
import zlib
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from benchmarks.workload.lives import Event

_BATCH_BYTES: Final = 512 * 1024
_BATCHES_IN_FLIGHT: Final = 32
_TICK_S: Final = 0.01
"""Between two looks at what is due, where that is much: a broker that is sent to more often has less time for all else."""
_FEW_A_TICK: Final = 10
"""Events that are fewer than that are sent one by one, each when it is due."""
_AT_ONCE: Final = 2000
_KEPT: Final = {"retention.ms": "-1"}
"""A workload's own times lie in the past: by its defaults the broker would delete the topic while it is read."""


@dataclass(slots=True)
class Produced:
    """What is in the topic now because of us; `changes` is how many exports follow from it."""

    events: int = 0
    changes: int = 0
    value_bytes: int = 0

    def as_dict(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


class Topic:
    """A topic to append to; events of one profile go to one partition, in order."""

    def __init__(self, producer: AIOKafkaProducer, name: str, partitions: int) -> None:
        self.produced = Produced()
        self._producer = producer
        self._name = name
        self._partitions = partitions
        self._batches: dict[int, Any] = {}
        self._sent: list[asyncio.Future[Any]] = []

    async def fill(self, events: Iterable[Event]) -> None:
        """Append all events, as fast as it goes; all are acknowledged at the end."""
        events = iter(events)
        while some := list(islice(events, _AT_ONCE)):
            await self._append(some)
        await self._flush()
        await self._acknowledged(0)

    async def feed(self, events: Sequence[Event], rate: float, began_s: float) -> float:
        """Append `rate` events a second, evenly, from the moment `began_s` on; the rate that was reached.

        No event is left out where this falls behind: then it sends as fast as it can.
        """
        await asyncio.sleep(max(0.0, began_s - time.time()))
        tick_s = _TICK_S if rate * _TICK_S > _FEW_A_TICK else 0.0
        sent = 0
        while sent < len(events):
            due = int((time.time() - began_s) * rate) + 1
            some = events[sent : min(due, sent + _AT_ONCE)]
            await self._append(some)
            await self._flush()
            await self._acknowledged(_BATCHES_IN_FLIGHT)
            sent += len(some)
            next_due_s = began_s + sent / rate
            await asyncio.sleep(0 if len(some) == _AT_ONCE else max(tick_s, next_due_s - time.time()))
        await self._acknowledged(0)
        return len(events) / (time.time() - began_s)

    async def _append(self, events: Iterable[Event]) -> None:
        produced = self.produced
        for event in events:
            partition = zlib.crc32(event.key) % self._partitions
            while not self._appended(partition, event):
                await self._send(partition)
            produced.events += 1
            produced.changes += event.is_change
            produced.value_bytes += len(event.value)

    def _appended(self, partition: int, event: Event) -> bool:
        batch = self._batches.get(partition)
        if batch is None:
            batch = self._batches[partition] = self._producer.create_batch()
        return batch.append(key=event.key, value=event.value, timestamp=event.timestamp_ms) is not None

    async def _flush(self) -> None:
        for partition in list(self._batches):
            await self._send(partition)

    async def _send(self, partition: int) -> None:
        batch = self._batches.pop(partition)
        self._sent.append(await self._producer.send_batch(batch, self._name, partition=partition))
        await self._acknowledged(_BATCHES_IN_FLIGHT)

    async def _acknowledged(self, but: int) -> None:
        while len(self._sent) > but:
            await self._sent.pop(0)


@asynccontextmanager
async def open_topic(servers: str, name: str, partitions: int) -> AsyncIterator[Topic]:
    """The topic `name`, created where it is absent."""
    await _create(servers, name, partitions)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks=1, max_batch_size=_BATCH_BYTES, max_request_size=16 * _BATCH_BYTES
    )
    await producer.start()
    try:
        yield Topic(producer, name, len(await producer.partitions_for(name)))
    finally:
        await producer.stop()


async def _create(servers: str, name: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=_KEPT)])
        for _, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)(name)
    finally:
        await admin.close()
