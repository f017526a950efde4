"""A topic filled with a workload: as fast as it goes, or at a rate."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from benchmarks.workload.plan import Batches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from benchmarks.workload.lives import Event
    from benchmarks.workload.plan import Plan, Produced

_BATCH_BYTES: Final = 512 * 1024
_BATCHES_IN_FLIGHT: Final = 32
_AT_ONCE: Final = 2000
_KEPT: Final = {"retention.ms": "-1"}
"""A workload's own times lie in the past: by its defaults the broker would delete the topic while it is read."""


class Topic:
    """A topic to append to; events of one profile go to one partition, in order."""

    def __init__(self, producer: AIOKafkaProducer, name: str, partitions: int) -> None:
        self._producer = producer
        self._name = name
        self._partitions = partitions
        self._sent: deque[asyncio.Future[Any]] = deque()

    async def fill(self, events: Iterable[Event]) -> Produced:
        """Append all events, as fast as it goes; all are acknowledged at the end."""
        events, batches = iter(events), self.batches()
        while some := list(islice(events, _AT_ONCE)):
            for event in some:
                batches.add(event)
            await self._send(batches.take_full())
        await self._send(batches.take())
        await self._acknowledged(0)
        return batches.produced

    def batches(self) -> Batches:
        """What gathers events for this topic."""
        return Batches(self._partitions, self._producer.create_batch)

    async def feed(self, plan: Plan) -> float:
        """Append what is planned, each batch when it is due; the events a second that were reached.

        No event is left out where this falls behind: then it sends as fast as it can, what was due together by itself.
        """
        for tick in plan.ticks:
            await asyncio.sleep(max(0.0, tick.due_s - time.time()))
            await self._send(tick.batches)
        await self._acknowledged(0)
        return plan.produced.events / (time.time() - plan.began_s)

    async def _send(self, batches: Iterable[tuple[int, Any]]) -> None:
        for partition, batch in batches:
            self._sent.append(await self._producer.send_batch(batch, self._name, partition=partition))
            await self._acknowledged(_BATCHES_IN_FLIGHT)

    async def _acknowledged(self, but: int) -> None:
        while len(self._sent) > but:
            await self._sent.popleft()


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
