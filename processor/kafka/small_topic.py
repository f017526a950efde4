"""A small compacted topic of one partition: created where it is absent, or warned of where it loses what is written to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaRefused
from processor.kafka.topics import TopicShape, cleanup_policy

if TYPE_CHECKING:
    from processor.kafka.topics import Topics

log = structlog.get_logger(__name__)

PARTITION: Final = 0
"""The only one that is read and written, however many somebody has made."""

_MIN_INSYNC_OF_MANY: Final = 2
_MANY_REPLICAS: Final = 3


def needed_grants(topic: str) -> str:
    """Return what an operator must do so that the topic is there, and of use."""
    return f"grant Create, Read, Write and DescribeConfigs on topic {topic} to this user: docs/deploy.md, What Kafka must allow"


@dataclass(frozen=True, slots=True)
class SmallTopic:
    """One kind of such a topic: `what` is in it, as `the topic of …`, the most that it takes of a batch, and how large a segment may grow."""

    what: str
    message_bytes_max: int
    segment_bytes: int

    async def prepare(self, topics: Topics, topic: str, source: TopicShape) -> bool:
        """Create `topic` where it is absent, as often replicated as the `source`; True where it was created.

        Raises:
            KafkaRefused: it does not exist and may not be created, or may not be seen.
            KafkaUnavailable: Kafka does not answer.

        """
        is_replicated_often = source.replication_factor >= _MANY_REPLICAS
        configuration = {
            "cleanup.policy": "compact",
            "max.message.bytes": str(self.message_bytes_max),
            # Every start reads what is not compacted yet, and the active segment never is.
            "segment.bytes": str(self.segment_bytes),
            "segment.ms": str(24 * 60 * 60 * 1000),
            "min.cleanable.dirty.ratio": "0.1",
            "min.insync.replicas": str(_MIN_INSYNC_OF_MANY if is_replicated_often else 1),
        }
        shape = TopicShape(1, source.replication_factor)
        is_new = await topics.create_if_absent(topic, shape, configuration)
        if is_new:
            log.info("created a topic", topic=topic, of=self.what)
        return is_new

    async def warning(self, topics: Topics, topic: str) -> str | None:
        """How an existing `topic` loses what is in it, and what to do; None where it does not, or may not be looked at.

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
            f"it has cleanup.policy={','.join(policy)}, which deletes {self.what} by age: set it with kafka-configs.sh "
            f"--bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
        )
