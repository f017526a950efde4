"""The dead-letter topic: created to take what the source takes and a dead letter's own headers, or warned of where it takes less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaRefused

if TYPE_CHECKING:
    from processor.kafka.source_topic import SourceTopic
    from processor.kafka.topics import Topics

log = structlog.get_logger(__name__)

_OWN_BYTES: Final = 16 * 1024
"""Bytes that a dead letter has beside its event: the headers that say where it came from and why it is one."""


async def prepare_letter_topic(topics: Topics, topic: str, source: SourceTopic) -> None:
    """Create the dead-letter topic where it is absent; say so where one that is there may not take every dead letter.

    Raises:
        KafkaRefused: it does not exist and may not be created.
        KafkaUnavailable: Kafka does not answer.

    """
    needed = _needed_bytes(source)
    configuration = {} if needed is None else {"max.message.bytes": str(needed)}
    if await topics.create_if_absent(topic, source.shape, configuration):
        log.info("created the dead-letter topic", topic=topic, **configuration)
        return
    warning = await letter_topic_warning(topics, topic, source)
    if warning is not None:
        log.warning("the dead-letter topic takes less than the source", topic=topic, reason=warning)


async def letter_topic_warning(topics: Topics, topic: str, source: SourceTopic) -> str | None:
    """What an existing dead-letter topic may not take of the source's events, and the remedy; None where it takes all.

    Raises:
        KafkaUnavailable: Kafka does not answer.

    """
    needed = _needed_bytes(source)
    if needed is None:
        return None
    try:
        taken = int((await topics.configuration(topic))["max.message.bytes"])
    except KafkaRefused:
        return None
    if taken >= needed:
        return None
    return (
        f"it takes batches of {taken} bytes, and {source.name} those of {source.max_message_bytes}: a dead letter that "
        "is larger, compressed, is written without its value. Set it with kafka-configs.sh --bootstrap-server … "
        f"--alter --entity-type topics --entity-name {topic} --add-config max.message.bytes={needed}"
    )


def _needed_bytes(source: SourceTopic) -> int | None:
    return None if source.max_message_bytes is None else source.max_message_bytes + _OWN_BYTES
