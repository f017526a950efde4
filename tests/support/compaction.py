"""Having a broker compact a topic to its very end, now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.embedded.kafka import EmbeddedKafka


def roll(broker: EmbeddedKafka, topic: str, end: int) -> None:
    """Begin a new segment at the log's end: Kafka does with the next record, other brokers by the clock.

    And have all that is before it compacted anew: a tombstone is taken by the pass after the one that dates it.
    """
    broker.stop()
    (broker._directory / "data" / "cleaner-offset-checkpoint").unlink(missing_ok=True)
    (broker._directory / "data" / f"{topic}-0" / f"{end:020d}.log").touch()
    broker.restart()


async def put(servers: str, topic: str, events: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Append without a producer's id: compaction would keep an empty batch to remember that by."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for key, value in events:
        await producer.send_and_wait(topic, key=key, value=value, partition=0)
    await producer.stop()


async def is_gone(servers: str, topic: str, offset: int) -> bool:
    """Whether a log's last record, at `offset`, is compacted away soon."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        for _ in range(5):
            consumer.seek(place, offset)
            if not await consumer.getmany(place, timeout_ms=500):
                return True
            await asyncio.sleep(0.5)
        return False
    finally:
        await consumer.stop()
