"""Events that cannot be exported, kept whole: key, value and headers as they came, and why.

Where the dead-letter topic does not take an event for its size, the dead letter is written without what makes it so
large, and says so: the event is in the source, at the partition and offset that the dead letter names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.partitioner import DefaultPartitioner

from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_close import leave
from processor.kafka.client_lifecycle import uninterrupted
from processor.kafka.in_flight_bytes import InFlightBytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processor.profile.dead_letter import DeadLetter
    from processor.profile.source_record import Record
    from processor.settings import KafkaSettings

    Headers = Sequence[tuple[str, bytes | None]]

log = structlog.get_logger(__name__)

HEADER_PREFIX: Final = "processor.dead-letter."
LEFT_OUT: Final = "left-out"
"""The header, behind the prefix, that names the parts which the topic did not take."""

_REQUEST_BYTES_MAX: Final = 64 * 1024 * 1024
"""What is tried at all: brokers end connections over which more than 100 MiB come at once, and do not say why."""

_AT_ONCE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of dead letters in flight at once, before compression; one that is larger goes alone."""

_TOO_LARGE: Final = (kafka.MessageSizeTooLargeError, kafka.RecordTooLargeError, kafka.RecordListTooLargeError)


class DeadLetters:
    """Writes to the dead-letter topic; every dead letter is acknowledged by all in-sync replicas."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.topic = settings.dead_letter_topic
        self._source_topic = settings.topic
        self._on_the_way = InFlightBytes(_AT_ONCE_BYTES)
        self._producer = AIOKafkaProducer(
            **client_options(settings),
            acks="all",
            # Not idempotent: aiokafka counts a batch that was refused for its size, Kafka does not, and takes no
            # later one then. A dead letter may stand twice where an answer was lost, as it may after a crash.
            enable_idempotence=False,
            compression_type="zstd",
            # A dead letter is as large as its event, and a topic may allow larger ones than the client's default.
            max_request_size=2 * _REQUEST_BYTES_MAX,
            linger_ms=5,
        )

    async def start(self) -> None:
        """Connect. May be tried again; `stop` is due even where it failed.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        with errors_mapped("connecting the dead-letter producer"):
            await uninterrupted(self._producer.start())

    async def stop(self) -> None:
        """Disconnect, once the dead letters in flight are acknowledged."""
        await leave(self._producer)

    async def write(self, partition: int, dead_letters: Sequence[DeadLetter]) -> None:
        """Write dead letters of a partition, in order, and wait until all of them are acknowledged.

        Raises:
            KafkaRefused: the topic is gone, may not be written, or takes not even a dead letter without its event.
            KafkaUnavailable: Kafka does not answer in time; some may have been written nevertheless.

        """
        with errors_mapped(f"writing to dead-letter topic {self.topic}"):
            # One after the other: each copies its event.
            written = (_Written(self._source_topic, partition, each) for each in dead_letters)
            for some in self._apportioned(written):
                async with self._on_the_way.taking(sum(each.size_bytes for each in some)):
                    await self._write(some)

    def _apportioned(self, dead_letters: Iterable[_Written]) -> Iterator[list[_Written]]:
        some, some_bytes = list[_Written](), 0
        for each in dead_letters:
            if some and some_bytes + each.size_bytes > _AT_ONCE_BYTES:
                yield some
                some, some_bytes = [], 0
            some.append(each)
            some_bytes += each.size_bytes
        if some:
            yield some

    async def _write(self, dead_letters: list[_Written]) -> None:
        refused = [each for each in dead_letters if each.size_bytes > _REQUEST_BYTES_MAX]
        tried = [each for each in dead_letters if each.size_bytes <= _REQUEST_BYTES_MAX]
        kept = [
            await self._producer.send(self.topic, key=each.key, value=each.value, headers=each.headers)
            for each in tried
        ]
        for each, outcome in zip(tried, await asyncio.gather(*kept, return_exceptions=True), strict=True):
            if isinstance(outcome, _TOO_LARGE):
                refused.append(each)
            elif isinstance(outcome, BaseException):
                raise outcome
        for each in refused:
            await self._write_alone(each)

    async def _write_alone(self, dead_letter: _Written) -> None:
        """Write a dead letter that was refused for its size, or for that of the batch it was in."""
        error: Exception = kafka.MessageSizeTooLargeError()
        for each in dead_letter.ever_smaller():
            if each.size_bytes > _REQUEST_BYTES_MAX:
                continue
            try:
                await self._kept_alone(each)
            except _TOO_LARGE as refusal:
                error = refusal
                continue
            if each.left_out:
                log.warning(
                    "a dead letter is written without parts that its topic does not take: raise its max.message.bytes",
                    topic=self.topic,
                    left_out=each.left_out,
                    source_partition=dead_letter.partition,
                    source_offset=dead_letter.of.record.offset,
                )
            return
        raise error

    async def _kept_alone(self, dead_letter: _Written) -> None:
        places = sorted(await self._producer.partitions_for(self.topic))
        batch = self._producer.create_batch()
        batch.append(
            timestamp=None, key=dead_letter.key, value=dead_letter.value, headers=dead_letter.headers
        )
        batch.close()
        place = DefaultPartitioner()(dead_letter.key, places, places)
        await (await self._producer.send_batch(batch, self.topic, partition=place))


class _Written:
    """A dead letter as it is written, whole or without some of its parts."""

    def __init__(
        self, topic: str, partition: int, dead_letter: DeadLetter, left_out: tuple[str, ...] = ()
    ) -> None:
        self.partition = partition
        self.of = dead_letter
        self._topic = topic
        record = dead_letter.record
        self.value = None if "value" in left_out else record.value
        self.key = None if "key" in left_out else record.key
        if self.key is None and self.value is None:
            # aiokafka sends no record that has neither. An empty key is as bad as none, and says so.
            self.key = b""
        self.left_out = ", ".join(f"{part} of {_part_bytes(record, part)} bytes" for part in left_out)
        described = {
            "topic": topic,
            "partition": partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "reason": dead_letter.reason.value,
            "error": dead_letter.detail,
        }
        if left_out:
            described[LEFT_OUT] = self.left_out
        theirs = () if "headers" in left_out else record.headers
        self.headers: Headers = [
            *theirs,
            *((HEADER_PREFIX + name, str(value).encode()) for name, value in described.items()),
        ]
        self.size_bytes = len(self.key or b"") + len(self.value or b"") + _headers_bytes(self.headers)

    def ever_smaller(self) -> Iterator[_Written]:
        """The dead letter; without its value; without its headers, too; and without its key."""
        left_out: tuple[str, ...] = ()
        yield self
        for part in ("value", "headers", "key"):
            if _part_bytes(self.of.record, part):
                left_out = (*left_out, part)
                yield _Written(self._topic, self.partition, self.of, left_out)


def _part_bytes(record: Record, part: str) -> int:
    if part == "headers":
        return _headers_bytes(record.headers)
    return len((record.value if part == "value" else record.key) or b"")


def _headers_bytes(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") for name, value in headers)
