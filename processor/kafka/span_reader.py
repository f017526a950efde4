"""Reading one partition from an offset to before another, with a consumer of no group: whatever is left of what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.kafka.client import errors_mapped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

    from processor.kafka.offsets import Bounds

_STILL_LOOKS: Final = 5
"""So many looks without anything: what was there is compacted away, or Kafka is slow."""


async def read_span(
    consumer: AIOKafkaConsumer,
    place: TopicPartition,
    span: Bounds,
    *,
    poll: Callable[[], Awaitable[Sequence[ConsumerRecord[bytes, bytes]]]],
    gap_end: Callable[[int], Awaitable[int | None]],
) -> AsyncGenerator[Sequence[ConsumerRecord[bytes, bytes]], None]:
    """Yield the records of a span, in order; the consumer is paused at its end, for what comes after is another's to ask for.

    `poll` takes what `consumer` has of the place; `gap_end` says where to read on from where nothing comes any more.

    Raises:
        KafkaRefused, KafkaUnavailable: it cannot be read; what came so far holds.

    """
    position, end = span
    if position >= end:
        return
    consumer.assign([place])
    consumer.seek(place, position)
    still = 0
    while position < end:
        with errors_mapped(f"reading {place.topic}"):
            records = await poll()
            before, position = position, await consumer.position(place)
            still = still + 1 if position == before else 0
            if still == _STILL_LOOKS:
                # Where compaction took the last records there are none to come up to.
                still = 0
                behind = await gap_end(position)
                if behind is not None:
                    position = behind
                    consumer.seek(place, position)
        if records and records[-1].offset >= end:
            records = [record for record in records if record.offset < end]
        if records:
            yield records
    consumer.pause(place)
