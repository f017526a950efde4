"""The source's recent events, a few of each partition, read without a group: nothing is committed, created or kept."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.kafka.offsets import Bounds
from processor.kafka.source_history import open_history
from processor.kafka.source_topic import look_at_source
from processor.kafka.topics import open_topics
from processor.operations.suggestions import Sample

if TYPE_CHECKING:
    from processor.kafka.source_history import SourceHistory
    from processor.operations.suggestions import SampledEvent, Suggestions
    from processor.settings import KafkaSettings

_LOOKED_THROUGH_S: Final = 20.0
_BYTES_MAX: Final = 64 * 1024 * 1024


class SampleBounds(NamedTuple):
    """How much is read, whichever comes first: `events` of each partition, `bytes` of all, and so many seconds."""

    events: int
    bytes: int = _BYTES_MAX
    seconds: float = _LOOKED_THROUGH_S


class SampleRead(NamedTuple):
    """What a sample suggests, and each profile's `latest` event, of which nothing may be shown unmasked.

    `partitions_read` of `partitions` were read to their ends before a bound was met.
    """

    suggestions: Suggestions
    partitions_read: int
    partitions: int
    latest: tuple[SampledEvent, ...] = ()


async def read_sample(settings: KafkaSettings, bounds: SampleBounds) -> SampleRead:
    """Read the last events of each partition of the source, and return what they suggest.

    Raises:
        KafkaRefused: there is no such topic, or it may not be read.
        KafkaUnavailable: Kafka does not answer.
        ConfigurationError: a TLS file cannot be used.

    """
    async with open_topics(settings) as topics:
        source = await look_at_source(topics, settings.topic)
    sample, partitions_read = Sample(), 0
    async with open_history(settings, may_have_gaps=source.is_compacted) as history:
        try:
            async with asyncio.timeout(bounds.seconds):
                for partition in range(source.shape.partitions):
                    # What one partition leaves of its share is for those after it.
                    left = source.shape.partitions - partition
                    up_to = sample.bytes + (bounds.bytes - sample.bytes) // left
                    if await _read_partition(history, partition, sample, bounds.events, up_to):
                        partitions_read += 1
        except TimeoutError:
            pass
    # Parsing is work of a second at most, but none for the loop.
    suggestions = await asyncio.to_thread(sample.suggestions)
    return SampleRead(suggestions, partitions_read, source.shape.partitions, sample.latest)


async def _read_partition(
    history: SourceHistory, partition: int, sample: Sample, events: int, up_to_bytes: int
) -> bool:
    """Whether its last events were read, all of them."""
    begin, end = await history.bounds(partition)
    span = Bounds(max(begin, end - events), end)
    async with aclosing(history.read(partition, span)) as batches:
        async for records in batches:
            for record in records:
                if sample.bytes >= up_to_bytes:
                    return False
                sample.add(record.key, record.value, record.headers, record.timestamp)
    return True
