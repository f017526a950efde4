"""The source's past: what it still has of a partition, read apart from the group, which it takes nothing from."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka

from processor.errors import KafkaRefused
from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_lifecycle import connected
from processor.kafka.consumer_state import end_of_gap
from processor.kafka.fetched_batches import taking
from processor.kafka.offsets import Bounds
from processor.kafka.poll_room import Room
from processor.kafka.span_reader import read_span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from processor.settings import KafkaSettings

log = structlog.get_logger(__name__)

_WAIT_MS: Final = 200
_FETCH_BYTES: Final = 1024 * 1024
"""What is fetched behind the end of a span is fetched in vain: little, beside a span of many megabytes."""
_RECORDS_AT_ONCE: Final = 500
"""A millisecond's worth or two: live events wait for no more."""
_UNPACKED_BYTES: Final = 2 * 1024 * 1024
"""Of records that are taken at once; one batch of Kafka's may come on top."""


class SourceHistory:
    """Reads `topic` with `consumer`, of which one partition is read at a time.

    `may_have_gaps` says that the topic is compacted, so that the last offsets of a span may hold nothing.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, topic: str, *, reads_committed: bool, may_have_gaps: bool
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._reads_committed = reads_committed
        self._may_have_gaps = may_have_gaps

    async def bounds(self, partition: int) -> Bounds:
        """What there is of a partition now, from its first offset to before the one that may be taken next.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be looked at.

        """
        place = TopicPartition(self._topic, partition)
        with errors_mapped(f"looking at {self._topic}"):
            begins = await self._consumer.beginning_offsets([place])
            ends = await self._consumer.end_offsets([place])
        return Bounds(begins[place], ends[place])

    def read(
        self, partition: int, span: Bounds
    ) -> AsyncGenerator[Sequence[ConsumerRecord[bytes, bytes]], None]:
        """Yield the records of a span that are still there, in order.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read; what came so far holds.

        """
        place = TopicPartition(self._topic, partition)
        return read_span(
            self._consumer,
            place,
            span,
            poll=partial(self._poll, place),
            gap_end=partial(self._gap_end, place),
        )

    async def _poll(self, place: TopicPartition) -> Sequence[ConsumerRecord[bytes, bytes]]:
        try:
            with taking(Room(_RECORDS_AT_ONCE, _UNPACKED_BYTES, {place.partition: _UNPACKED_BYTES})):
                found: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
                found = await self._consumer.getmany(place, timeout_ms=_WAIT_MS, max_records=_RECORDS_AT_ONCE)
        except kafka.OffsetOutOfRangeError as error:
            begins, position = (
                await self._consumer.beginning_offsets([place]),
                await self._consumer.position(place),
            )
            if begins[place] <= position:
                raise KafkaRefused(
                    f"reading {self._topic}: partition {place.partition} ends before offset {position}, up to which it was "
                    "read: it was cut short, or the topic was deleted and made anew"
                ) from error
            # Retention, or somebody, has deleted what was there a moment ago.
            log.warning(
                "the source deleted events while a backfill read them",
                partition=place.partition,
                begins_at=begins[place],
            )
            self._consumer.seek(place, begins[place])
            return []
        return found.get(place, [])

    async def _gap_end(self, place: TopicPartition, position: int) -> int | None:
        if not self._may_have_gaps:
            return None
        return await end_of_gap(self._consumer, place, position, reads_committed=self._reads_committed)


@asynccontextmanager
async def open_history(settings: KafkaSettings, *, may_have_gaps: bool) -> AsyncIterator[SourceHistory]:
    """Connect to read the source topic of `settings`, as the group does: what of transactions is committed, where that is what the group takes.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level=settings.isolation_level,
        fetch_max_wait_ms=_WAIT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    async with connected(consumer, f"connecting to read what {settings.topic} has"):
        yield SourceHistory(
            consumer,
            settings.topic,
            reads_committed=settings.isolation_level == "read_committed",
            may_have_gaps=may_have_gaps,
        )
