"""The topic of backfills: small, compacted, of one partition; created where it is absent, or warned of where it loses what is written to it.

Nothing that is exported depends on it: where this user may not create, read or write it, the service goes on without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaRefused
from processor.kafka.topics import TopicShape, cleanup_policy

if TYPE_CHECKING:
    from processor.kafka.topics import Topics

log = structlog.get_logger(__name__)

PARTITION: Final = 0
"""The only one that is read and written, however many somebody has made."""
MESSAGE_BYTES_MAX: Final = 64 * 1024
"""What the topic takes of a batch: nobody fills the workers' memory by it."""

_MIN_INSYNC_OF_MANY: Final = 2
_MANY_REPLICAS: Final = 3
_CONFIGURATION: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MESSAGE_BYTES_MAX),
    # Every start reads what is not compacted yet, and the active segment never is.
    "segment.bytes": str(4 * 1024 * 1024),
    "segment.ms": str(24 * 60 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
}


def needed_grants(topic: str) -> str:
    """Return what an operator must do so that the topic is there, and of use."""
    return f"grant Create, Read, Write and DescribeConfigs on topic {topic} to this user: docs/deploy.md, What Kafka must allow"


async def prepare_backfill_topic(topics: Topics, topic: str, source: TopicShape) -> bool:
    """Create the topic of backfills where it is absent, as often replicated as the `source`; True where it was created.

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
        log.info("created the topic of backfills", topic=topic)
    return is_new


async def backfill_topic_warning(topics: Topics, topic: str) -> str | None:
    """How an existing topic of backfills loses what is written to it, and what to do; None where it does not, or may not be looked at.

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
        f"it has cleanup.policy={','.join(policy)}, which deletes requests by age: set it with kafka-configs.sh "
        f"--bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
    )
