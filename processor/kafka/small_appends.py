"""Appends of a few small records to one partition, in order, kept by all in-sync replicas; a record may stand twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer

from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_lifecycle import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.settings import KafkaSettings

_BATCH_BYTES: Final = 32 * 1024


class SmallAppends:
    """Appends to partition `partition` of `topic`."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition

    async def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Append records, keys and values, which are None of tombstones, and wait until Kafka has them.

        Raises:
            KafkaRefused: the topic does not exist, may not be written, or takes no record of this size.
            KafkaUnavailable: Kafka does not answer in time; some may have been appended nevertheless.

        """
        left = list(reversed(records))
        with errors_mapped(f"writing to topic {self._topic}"):
            while left:
                batch = self._producer.create_batch()
                # The first is taken whatever its size.
                while left and batch.append(timestamp=None, key=left[-1][0], value=left[-1][1]) is not None:
                    left.pop()
                batch.close()
                await _kept(await self._producer.send_batch(batch, self._topic, partition=self._partition))


async def _kept(sent: asyncio.Future[object]) -> None:
    # What is given up may fail later, when nobody asks any more.
    sent.add_done_callback(_look_at)
    await asyncio.wait([sent])
    sent.result()


def _look_at(sent: asyncio.Future[object]) -> None:
    if not sent.cancelled():
        sent.exception()


@asynccontextmanager
async def open_small_appends(
    settings: KafkaSettings, topic: str, partition: int = 0
) -> AsyncIterator[SmallAppends]:
    """A connection to append with.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    # Not idempotent: that takes a grant of its own on older brokers, and nothing here is worse for standing twice.
    producer = AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=False, max_batch_size=_BATCH_BYTES
    )
    async with connected(producer, f"connecting to write to topic {topic}"):
        yield SmallAppends(producer, topic, partition)
