"""What goes in, at a pace that may change, and a reader of the topic that enters it into the account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from processor.kafka.dead_letters import HEADER_PREFIX
from tests.night.ledger import Place
from tests.support.members import changes

if TYPE_CHECKING:
    import random

    from tests.night.ledger import Ledger

_PROFILES: Final = 2000
_TURN_S: Final = 0.1
_AGAIN_S: Final = 1.0
_UNSENT_MAX: Final = 20_000
"""While Kafka is away: what the producer keeps, and no more."""


class Producer:
    """Produces changes, some of them no events, and goes on over every outage.

    What becomes of a record that it cannot be sure of it does not know: the account is of what stands in the topic.
    """

    def __init__(self, servers: str, topic: str, rng: random.Random, events_per_s: float) -> None:
        self.events_per_s = events_per_s
        self._servers = servers
        self._topic = topic
        self._rng = rng
        self._number = 0
        self._bad = 0
        self._unsent = 0
        self._stop, self._ended = asyncio.Event(), asyncio.Event()

    def spoil(self, count: int) -> None:
        """So many of the next records are no events."""
        self._bad += count

    async def end(self) -> None:
        """Produce no more; returns when Kafka has what was produced, or never will."""
        self._stop.set()
        await self._ended.wait()

    async def run(self) -> None:
        """Produce until `end`."""
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", linger_ms=5)
        await producer.start()
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        try:
            while not self._stop.is_set():
                count = round(self.events_per_s * _TURN_S)
                if self._unsent < _UNSENT_MAX:
                    await self._send(producer, count)
                due_s = max(due_s + _TURN_S, loop.time() - 1.0)
                await asyncio.sleep(max(0.0, due_s - loop.time()))
        finally:
            await producer.stop()
            self._ended.set()

    async def _send(self, producer: AIOKafkaProducer, count: int) -> None:
        for key, value in changes(self._rng, count, _PROFILES, start=self._number):
            is_bad = self._bad > 0
            self._bad -= is_bad
            try:
                sent = await producer.send(self._topic, key=key, value=b'{"number": ' if is_bad else value)
            except KafkaError:
                # The topic's metadata cannot be had: this one never was.
                await asyncio.sleep(_AGAIN_S)
                continue
            self._unsent += 1
            sent.add_done_callback(self._settled)
        self._number += count

    def _settled(self, sent: asyncio.Future[object]) -> None:
        self._unsent -= 1
        if not sent.cancelled():
            sent.exception()  # it is in the topic or is not; the reader tells


class Auditor:
    """Reads all of the topic, as a consumer without a group, into the account."""

    def __init__(self, servers: str, topic: str, partitions: int, ledger: Ledger) -> None:
        self._servers = servers
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._ledger = ledger
        self._consumer: AIOKafkaConsumer | None = None

    async def run(self) -> None:
        """Read until cancelled."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        loop = asyncio.get_running_loop()
        try:
            consumer.assign(self._places)
            self._consumer = consumer
            while True:
                try:
                    batches = await consumer.getmany(timeout_ms=200)
                except KafkaError:
                    await asyncio.sleep(_AGAIN_S)
                    continue
                for place, records in batches.items():
                    for record in records:
                        at = Place(place.partition, record.offset)
                        self._ledger.happened(at, record.key, record.value, record.timestamp, loop.time())
        finally:
            await consumer.stop()

    async def has_read_all(self) -> bool:
        """Whether it is at the ends of all partitions, as they are now."""
        if self._consumer is None:
            return False
        ends = await self._consumer.end_offsets(self._places)
        return all([await self._consumer.position(place) == ends[place] for place in self._places])


async def letters(servers: str, topic: str) -> set[Place]:
    """The events that a dead-letter topic has, by where they stood in the source."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        numbers = consumer.partitions_for_topic(topic)
        if numbers is None:
            await consumer._client.force_metadata_update()
            numbers = consumer.partitions_for_topic(topic) or set()
        places = [TopicPartition(topic, number) for number in sorted(numbers)]
        if not places:
            return set()
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: set[Place] = set()
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    told = dict(record.headers)
                    found.add(
                        Place(int(told[f"{HEADER_PREFIX}partition"]), int(told[f"{HEADER_PREFIX}offset"]))
                    )
        return found
    finally:
        await consumer.stop()
