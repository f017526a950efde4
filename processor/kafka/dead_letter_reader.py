"""Reading dead letters back, and the source's later events of their keys."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_lifecycle import connected
from processor.kafka.consumer_state import end_of_gap, high_watermarks, state_of
from processor.kafka.dead_letters import HEADER_PREFIX, LEFT_OUT
from processor.kafka.offsets import Bounds
from processor.kafka.span_reader import read_span
from processor.kafka.topics import cleanup_policy, open_topics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from processor.profile.source_record import Record
    from processor.settings import KafkaSettings

log = structlog.get_logger(__name__)

_WAIT_MS: Final = 200
_RECORDS_AT_ONCE: Final = 2_000


class DeadLetterRecord(NamedTuple):
    """A dead letter: where it is, the event as it came, and what its headers say of it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    source_topic: str
    source_partition: int
    source_offset: int
    timestamp_ms: int
    reason: str
    error: str
    left_out: str
    """What of the event the topic did not take, and how large it was; empty where it is whole."""

    @property
    def place(self) -> str:
        """How the dead letter is named on the command line."""
        return f"{self.partition}:{self.offset}"


class TopicReader:
    """Reads partitions from a given offset up to an end; commits nothing."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
        self._consumer = consumer
        self._settings = settings
        self._partitions: dict[str, int] = {}
        self._reads_committed = settings.isolation_level == "read_committed"

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        """What there is of each partition now.

        Raises:
            KafkaRefused: there is no such topic, or it may not be read.
            KafkaUnavailable: Kafka does not answer.

        """
        if topic not in self._partitions:
            async with open_topics(self._settings) as topics:
                self._partitions[topic] = (await topics.shape(topic, self._remedy(topic))).partitions
        places = [TopicPartition(topic, number) for number in range(self._partitions[topic])]
        with errors_mapped(f"looking at {topic}"):
            begins = await self._consumer.beginning_offsets(places)
            ends = await high_watermarks(self._consumer, places)
        return {place.partition: Bounds(begins[place], ends[place]) for place in places}

    def _remedy(self, topic: str) -> str:
        if topic == self._settings.dead_letter_topic:
            return "`processor run` creates it at its first start: see PROCESSOR_KAFKA_DEAD_LETTER_TOPIC"
        return "create it, or see PROCESSOR_KAFKA_TOPIC"

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[Record, None]:
        """The records from offset `start` to before `end`, in order; transactions that are open are waited for.

        Raises:
            KafkaRefused, KafkaUnavailable: they cannot be read.

        """
        place = TopicPartition(topic, partition)

        async def poll() -> Sequence[ConsumerRecord[bytes, bytes]]:
            found: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
            found = await self._consumer.getmany(place, timeout_ms=_WAIT_MS, max_records=_RECORDS_AT_ONCE)
            return found.get(place, [])

        gap_end = partial(self._gap_end, place, end)
        span = read_span(self._consumer, place, Bounds(start, end), poll=poll, gap_end=gap_end)
        async with aclosing(span) as batches:
            async for records in batches:
                for record in records:
                    yield record

    async def _gap_end(self, place: TopicPartition, end: int, position: int) -> int | None:
        """Where to read on from a position that stands still; None where it is to be waited for."""
        state = state_of(self._consumer, place)
        stable = None if state is None or not self._reads_committed else state.lso
        if stable is not None and stable < end:
            log.warning(
                "waiting for a transaction to end; see kafka-transactions.sh find-hanging where its producer is gone",
                topic=place.topic,
                partition=place.partition,
                open_since_offset=stable,
            )
        async with open_topics(self._settings) as topics:
            if "compact" not in cleanup_policy(await topics.configuration(place.topic)):
                return None
        return await end_of_gap(self._consumer, place, position, reads_committed=self._reads_committed)


@asynccontextmanager
async def open_reader(settings: KafkaSettings) -> AsyncIterator[TopicReader]:
    """A connection to read with.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_WAIT_MS,
        isolation_level=settings.isolation_level,
    )
    async with connected(consumer, "connecting to read"):
        yield TopicReader(consumer, settings)


def dead_letter_in(record: Record, partition: int) -> DeadLetterRecord | None:
    """The dead letter in a record of a partition; None where it is not one of ours."""
    described = {
        name.removeprefix(HEADER_PREFIX): (value or b"").decode(errors="replace")
        for name, value in record.headers
        if name.startswith(HEADER_PREFIX)
    }
    try:
        return DeadLetterRecord(
            partition=partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=[(name, value) for name, value in record.headers if not name.startswith(HEADER_PREFIX)],
            source_topic=described["topic"],
            source_partition=int(described["partition"]),
            source_offset=int(described["offset"]),
            timestamp_ms=int(described["timestamp"]),
            reason=described["reason"],
            error=described["error"],
            left_out=described.get(LEFT_OUT, ""),
        )
    except (KeyError, ValueError):
        return None
