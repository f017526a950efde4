"""The topic that the definition is kept in: small, compacted, of one partition; created where it is absent, or warned of where it forgets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaProducer

from processor.errors import KafkaRefused
from processor.kafka.client import client_options
from processor.kafka.client_lifecycle import connected
from processor.kafka.small_appends import SmallAppends
from processor.kafka.topics import TopicShape, cleanup_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.kafka.topics import Topics
    from processor.settings import KafkaSettings

log = structlog.get_logger(__name__)

PARTITION: Final = 0
"""The only one that is read and written, however many somebody has made."""
MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""What the topic takes of a batch: the most that managed clusters let a topic take."""

_MIN_INSYNC_OF_MANY: Final = 2
_MANY_REPLICAS: Final = 3
_CONFIGURATION: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MESSAGE_BYTES_MAX),
    # Every start reads what is not compacted yet, and the active segment never is.
    "segment.bytes": str(16 * 1024 * 1024),
    "segment.ms": str(24 * 60 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
}


def needed_grants(topic: str) -> str:
    """Return what an operator must do so that the topic is there, and of use."""
    return f"grant Create, Read, Write and DescribeConfigs on topic {topic} to this user: docs/deploy.md, What Kafka must allow"


async def prepare_definition_topic(topics: Topics, topic: str, source: TopicShape) -> bool:
    """Create the topic of the definition where it is absent, as often replicated as the `source`; True where it was created.

    Raises:
        KafkaRefused: it does not exist and may not be created, or may not be seen.
        KafkaUnavailable: Kafka does not answer.

    """
    shape = TopicShape(1, source.replication_factor)
    in_sync = _MIN_INSYNC_OF_MANY if shape.replication_factor >= _MANY_REPLICAS else 1
    is_new = await topics.create_if_absent(
        topic, shape, {**_CONFIGURATION, "min.insync.replicas": str(in_sync)}
    )
    if is_new:
        log.info("created the topic of the definition", topic=topic)
    return is_new


async def definition_topic_warning(topics: Topics, topic: str) -> str | None:
    """How an existing topic loses the definition, and what to do; None where it does not, or may not be looked at.

    Raises:
        KafkaUnavailable: Kafka does not answer.

    """
    try:
        policy = cleanup_policy(await topics.configuration(topic))
    except KafkaRefused:
        return None
    if policy == ["compact"]:
        return None
    return (
        f"it has cleanup.policy={','.join(policy)}, which deletes the definition by age: set it with kafka-configs.sh "
        f"--bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
    )


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
