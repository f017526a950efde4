"""A small topic of which one partition is read from its first record on, and followed: by a consumer without a group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, UnknownTopicOrPartitionError

from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_lifecycle import connected
from processor.kafka.consumer_state import end_of_gap
from processor.kafka.topic_ids import topic_identity

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aiokafka import ConsumerRecord

    from processor.kafka.topic_ids import TopicIdentity
    from processor.settings import KafkaSettings

_WAIT_MS: Final = 5_000
"""How long a broker holds a fetch that finds nothing: what comes meanwhile is sent at once, and an idle reader costs next to nothing."""
_RECORDS_AT_ONCE: Final = 500
_FETCH_BYTES: Final = 256 * 1024
_LOOKS: Final = 4
_LOOK_AGAIN_S: Final = 0.5
"""A topic that was created just now is not known to every broker at once."""


class Followed(NamedTuple):
    """The next records, in order.

    `is_current` once all that there was when the reading began has come. `is_at_end` where Kafka has just answered, and all
    that it had as it answered has come: what compaction had taken by then had been superseded by something that has come, too.
    """

    records: Sequence[ConsumerRecord[bytes, bytes]]
    is_current: bool
    is_at_end: bool = False


async def follow_topic(
    settings: KafkaSettings, topic: str, partition: int = 0
) -> AsyncGenerator[Followed, None]:
    """Yield all records of a partition, and then those that come, for ever; what is `is_current` comes also where there are none.

    Raises:
        KafkaRefused: the topic may not be read.
        KafkaUnavailable: Kafka does not answer, or there is no such topic, or it was made anew meanwhile, and what came so
            far is of another.

    """
    doing, place = f"reading topic {topic}", TopicPartition(topic, partition)
    wait_ms = min(_WAIT_MS, settings.request_timeout_ms // 2)
    consumer = _consumer(settings, wait_ms)
    async with connected(consumer, doing):
        identity = await _identity(consumer, topic, doing)
        with errors_mapped(doing):
            position = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
        consumer.assign([place])
        consumer.seek(place, position)
        is_current = position >= end
        if is_current:
            yield Followed((), is_current, is_at_end=True)
        looked_at_s, answered_ms = asyncio.get_running_loop().time(), None
        while True:
            with errors_mapped(doing):
                try:
                    found = await consumer.getmany(place, timeout_ms=wait_ms, max_records=_RECORDS_AT_ONCE)
                except OffsetOutOfRangeError as error:
                    raise _made_anew(doing) from error
                position = await consumer.position(place)
                answered_ms, former_ms = consumer.last_poll_timestamp(place), answered_ms
                is_at_end = (bool(found) or answered_ms != former_ms) and position >= (
                    consumer.highwater(place) or end
                )
                if not found and not is_at_end and answered_ms != former_ms:
                    # Where compaction took the last records there are none to come up to.
                    is_at_end = await end_of_gap(consumer, place, position, reads_committed=False) is not None
            is_current = is_current or is_at_end or position >= end
            yield Followed(found.get(place, ()), is_current, is_at_end)
            now_s = asyncio.get_running_loop().time()
            if now_s - looked_at_s >= settings.metadata_max_age_ms / 1000:
                # A consumer waits in silence for a topic that was deleted.
                looked_at_s, now = now_s, await _identity(consumer, topic, doing)
                if now is not None and now.is_another(identity):
                    raise _made_anew(doing)


def _made_anew(doing: str) -> KafkaUnavailable:
    return KafkaUnavailable(
        f"{doing}: it was deleted and made anew, or cut off, and is read from its beginning"
    )


async def _identity(consumer: AIOKafkaConsumer, topic: str, doing: str) -> TopicIdentity | None:
    """The topic's identity; None where the brokers know no ids."""
    looks = 0
    while True:
        try:
            with errors_mapped(doing):
                # No public method asks for what aiokafka's own requests do not ask for.
                return await topic_identity(consumer._client, topic)  # noqa: SLF001  see above
        except KafkaRefused as error:
            if not isinstance(error.__cause__, UnknownTopicOrPartitionError):
                raise
            looks += 1
            if looks == _LOOKS:
                raise KafkaUnavailable(f"{doing}: the topic does not exist") from error
        await asyncio.sleep(_LOOK_AGAIN_S)


def _consumer(settings: KafkaSettings, wait_ms: int) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=wait_ms,
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=_FETCH_BYTES,
    )
