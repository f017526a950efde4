"""What aiokafka's consumers know and do not expose: how far a partition is read, and what a fetch of it alone finds.

This module touches private names of aiokafka; a test sees that they are still there.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from aiokafka import errors as kafka
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.protocol.fetch import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

_LOOK_S: Final = 20.0
_LOOK_WAIT_MS: Final = 100
_ONE_BATCH: Final = 1
"""Bytes that are asked for: Kafka sends a batch whole."""
_HAS_STABLE_OFFSET: Final = 4
"""The first version of the fetch's answer that has it."""


class PartitionState(Protocol):
    """What aiokafka keeps of an assigned partition."""

    @property
    def has_valid_position(self) -> bool:
        """Whether it is known where to read on."""

    @property
    def position(self) -> int:
        """The next offset to be taken."""

    @property
    def highwater(self) -> int | None:
        """The high watermark, as of the last fetch."""

    @property
    def lso(self) -> int | None:
        """The last stable offset, as of the last fetch; -1 to who reads what is uncommitted."""


def state_of(consumer: AIOKafkaConsumer, place: TopicPartition) -> PartitionState | None:
    """What `consumer` keeps of a partition; None where it is not assigned."""
    subscription = consumer._subscription.subscription  # noqa: SLF001  the public `position` waits
    if subscription is None or subscription.assignment is None:
        return None
    return cast("PartitionState | None", subscription.assignment.state_value(place))


async def high_watermarks(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Where partitions end, transactions that are open included, whatever the consumer's isolation."""
    fetcher = copy(consumer._fetcher)  # noqa: SLF001  the public `end_offsets` stops at the last stable offset
    fetcher._isolation_level = READ_UNCOMMITTED  # noqa: SLF001  as above
    ends: Mapping[TopicPartition, int] = await fetcher.end_offsets(places, _LOOK_S * 1000)
    return ends


async def end_of_gap(
    consumer: AIOKafkaConsumer, place: TopicPartition, position: int, *, reads_committed: bool
) -> int | None:
    """The offset to read on from where a partition holds nothing from `position` to its end; else None.

    A fetch of one partition alone returns its next batch, however large, if there is one below the end: an answer
    without one, that no quota has emptied, is Kafka's word that there is none. Only compaction makes such gaps; where
    segments are on remote storage (never compacted ones) an empty answer may be a late one, so ask of compacted topics.

    Raises:
        aiokafka.errors.KafkaError: Kafka does not say.

    """
    client = consumer._client  # noqa: SLF001  a fetch of its own, of one partition
    node = client.cluster.leader_for_partition(place)
    if node is None or node == -1:
        return None
    isolation = READ_COMMITTED if reads_committed else READ_UNCOMMITTED
    wanted = [(place.topic, [(place.partition, position, _ONE_BATCH)])]
    answer = await client.send(node, FetchRequest(_LOOK_WAIT_MS, 1, _ONE_BATCH, isolation, wanted))
    ((_, ((_, code, high_watermark, *further),)),) = answer.topics
    if code:
        raise kafka.for_code(code)(f"{place}")
    if further[-1] or answer.throttle_time_ms:
        return None
    end = _end(answer, high_watermark, further, reads_committed=reads_committed)
    return end if end is not None and end > position else None


def _end(
    answer: Any,  # noqa: ANN401  aiokafka's
    high_watermark: int,
    further: Sequence[Any],
    *,
    reads_committed: bool,
) -> int | None:
    if not reads_committed:
        return high_watermark
    return int(further[0]) if answer.API_VERSION >= _HAS_STABLE_OFFSET else None
