"""What of the source topic's configuration the service goes by, where it may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from processor.errors import KafkaRefused
from processor.kafka.topics import cleanup_policy

if TYPE_CHECKING:
    from processor.kafka.topics import Topics, TopicShape

log = structlog.get_logger(__name__)


class SourceTopic(NamedTuple):
    """The source. `max_message_bytes` is what a batch may have, compressed; None where it may not be read."""

    name: str
    shape: TopicShape
    max_message_bytes: int | None
    is_compacted: bool


async def look_at_source(topics: Topics, topic: str) -> SourceTopic:
    """Look at the source. Its configuration may be kept from this user: the service goes on without.

    Raises:
        KafkaRefused: there is no such topic, or it may not be seen.
        KafkaUnavailable: Kafka does not answer.

    """
    shape = await topics.shape(topic)
    try:
        configuration = await topics.configuration(topic)
    except KafkaRefused as error:
        log.info(
            "the source's configuration may not be read: the dead-letter topic is made with the cluster's defaults, "
            "and a lag stays where compaction takes a partition's last events",
            topic=topic,
            reason=str(error),
            remedy="grant DescribeConfigs on the topic to this user",
        )
        return SourceTopic(topic, shape, None, is_compacted=False)
    return SourceTopic(
        topic,
        shape,
        int(configuration["max.message.bytes"]),
        is_compacted="compact" in cleanup_policy(configuration),
    )
