"""Events that cannot be exported, kept whole: key, value and headers as they came, and why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from processor.kafka.client import client_options, errors_mapped
from processor.kafka.unbroken import unbroken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.errors import Reason
    from processor.kafka.records import Record
    from processor.settings import KafkaSettings

HEADER_PREFIX: Final = "processor.dead-letter."
_REQUEST_BYTES_MAX: Final = 128 * 1024 * 1024


class DeadLetter(NamedTuple):
    """An event, the word for what is wrong with it, and a sentence without any of its data."""

    record: Record
    reason: Reason
    detail: str


class DeadLetters:
    """Writes to the dead-letter topic; every letter is acknowledged by all in-sync replicas."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.topic = settings.dead_letter_topic
        self._source_topic = settings.topic
        self._producer = AIOKafkaProducer(
            **client_options(settings),
            acks="all",
            enable_idempotence=True,
            # A letter is as large as its event, and a topic may allow larger ones than the client's default.
            max_request_size=_REQUEST_BYTES_MAX,
            linger_ms=5,
        )

    async def start(self) -> None:
        """Connect. May be tried again; `stop` is due even where it failed.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        with errors_mapped("connecting the dead-letter producer"):
            await unbroken(self._producer.start())

    async def stop(self) -> None:
        """Disconnect; letters that are still on their way are waited for."""
        await self._producer.stop()

    async def write(self, partition: int, letters: Sequence[DeadLetter]) -> None:
        """Write letters of a partition, in order, and wait until all of them are kept.

        Raises:
            KafkaRefused: the topic is gone, may not be written, or refuses a letter for its size.
            KafkaUnavailable: Kafka does not answer in time; some may be kept nevertheless.

        """
        with errors_mapped(f"writing to dead-letter topic {self.topic}"):
            kept = [
                await self._producer.send(
                    self.topic,
                    key=_key(letter.record),
                    value=letter.record.value,
                    headers=self._headers(partition, letter),
                )
                for letter in letters
            ]
            await asyncio.gather(*kept)

    def _headers(self, partition: int, letter: DeadLetter) -> list[tuple[str, bytes | None]]:
        record = letter.record
        told = {
            "topic": self._source_topic,
            "partition": partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "reason": letter.reason.value,
            "error": letter.detail,
        }
        return [
            *record.headers,
            *((HEADER_PREFIX + name, str(value).encode()) for name, value in told.items()),
        ]


def _key(record: Record) -> bytes | None:
    # aiokafka sends no record that has neither. An empty key is as bad as none, and says so.
    return b"" if record.key is None and record.value is None else record.key
