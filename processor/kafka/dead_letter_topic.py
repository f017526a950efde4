"""The dead-letter topic: created to take what the source takes and a dead letter's own headers, or warned of where it takes less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.errors import KafkaRefused
from processor.kafka.topics import cleanup_policy

if TYPE_CHECKING:
    from processor.kafka.source_topic import SourceTopic
    from processor.kafka.topics import Topics

log = structlog.get_logger(__name__)

_OWN_BYTES: Final = 16 * 1024
"""Bytes that a dead letter has beside its event: the headers that say where it came from and why it is one."""


class Warned(NamedTuple):
    """A line of the log, and its reason with the remedy."""

    event: str
    reason: str


async def prepare_dead_letter_topic(topics: Topics, topic: str, source: SourceTopic) -> None:
    """Create the dead-letter topic where it is absent; log a warning where one that is there may lose some.

    Raises:
        KafkaRefused: it does not exist and may not be created.
        KafkaUnavailable: Kafka does not answer.

    """
    needed = _needed_bytes(source)
    configuration = {} if needed is None else {"max.message.bytes": str(needed)}
    if await topics.create_if_absent(topic, source.shape, configuration):
        log.info("created the dead-letter topic", topic=topic, **configuration)
        return
    for warning in await dead_letter_topic_warnings(topics, topic, source):
        log.warning(warning.event, topic=topic, reason=warning.reason)


async def dead_letter_topic_warnings(topics: Topics, topic: str, source: SourceTopic) -> list[Warned]:
    """How an existing dead-letter topic may lose some of the source's events; nothing where it may not be looked at.

    Raises:
        KafkaUnavailable: Kafka does not answer.

    """
    try:
        configuration = await topics.configuration(topic)
    except KafkaRefused:
        return []
    set_it = f"Set it with kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name {topic}"
    found = []
    if "compact" in cleanup_policy(configuration):
        lost = f"it has cleanup.policy={configuration['cleanup.policy']}: of the dead letters of a key the last alone stays"
        found.append(
            Warned(
                "the dead-letter topic is compacted", f"{lost}. {set_it} --add-config cleanup.policy=delete"
            )
        )
    needed, taken = _needed_bytes(source), int(configuration["max.message.bytes"])
    if needed is not None and taken < needed:
        lost = (
            f"it takes batches of {taken} bytes, and {source.name} those of {source.max_message_bytes}: a dead letter that "
            "is larger, compressed, is written without its value"
        )
        found.append(
            Warned(
                "the dead-letter topic takes less than the source",
                f"{lost}. {set_it} --add-config max.message.bytes={needed}",
            )
        )
    return found


def _needed_bytes(source: SourceTopic) -> int | None:
    return None if source.max_message_bytes is None else source.max_message_bytes + _OWN_BYTES
