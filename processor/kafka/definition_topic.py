"""The topic that the definition is kept in, and how a change is appended to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer

from processor.kafka.client import client_options
from processor.kafka.client_lifecycle import connected
from processor.kafka.small_appends import SmallAppends
from processor.kafka.small_topic import PARTITION, SmallTopic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.settings import KafkaSettings

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""What the topic takes of a batch: the most that managed clusters let a topic take."""
DEFINITION_TOPIC: Final = SmallTopic("the definition", MESSAGE_BYTES_MAX, segment_bytes=16 * 1024 * 1024)


@asynccontextmanager
async def open_definition_appends(settings: KafkaSettings, topic: str) -> AsyncIterator[SmallAppends]:
    """A connection to append one change with; after an error, another is due.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    # Idempotent: a proposal that stood twice, the second time behind a rival, could lose to it where compaction took the first.
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True)
    async with connected(producer, f"connecting to write to topic {topic}"):
        yield SmallAppends(producer, topic, PARTITION)
