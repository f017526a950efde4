"""The changelog: a compacted topic, partition for partition beside the source, that says what was exported.

A record's key is the profile, its value the state record, which carries the source offset of the event that
made it. A deletion has no value and carries that offset in a header. Keys that begin with the byte 0xff are no
profiles: `ff stream` names the stream that the state was exported to, `ff consumed` the source offset before which all was
acknowledged when it was appended, as text, and `ff backfill` the configuration that the state is complete for (`BackfillNote`).

A topic that was deleted and made anew under the same name is another changelog: what is appended to it would be taken for the
state of what was exported, and be none of it. So where an append fails, the topic's id is looked at before the next one.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from processor.errors import KafkaError, KafkaRefused, KafkaUnavailable, StateRefused
from processor.kafka.changelog_batches import batches_of
from processor.kafka.client import client_options, errors_mapped
from processor.kafka.consumer_pool import ConsumerPool
from processor.kafka.consumer_state import end_of_gap
from processor.kafka.idempotent_producer import IdempotentProducer
from processor.kafka.offsets import Bounds
from processor.kafka.span_reader import read_span
from processor.kafka.topic_ids import topic_identity

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from processor.kafka.changelog_batches import Deletion
    from processor.kafka.topic_ids import TopicIdentity
    from processor.settings import KafkaSettings
    from processor.waiting.fence import Fence

STREAM_KEY: Final = b"\xffstream"
CONSUMED_KEY: Final = b"\xffconsumed"
OWN_KEYS: Final = b"\xff"
BACKFILL_KEY: Final = b"\xffbackfill"
RESTORED_BY: Final = (
    "`processor state restore-changelog` write it from the local stores. Where it is brought back from elsewhere, or the stores "
    "are lost: docs/operations.md, The changelog is lost"
)
RECORD_OVERHEAD_BYTES: Final = 128
"""What a batch of one record adds to its key and value, at most; the topic's max.message.bytes counts it."""

_ABSENCES: Final = 4
_LOOK_AGAIN_S: Final = 0.5
"""A topic that was created just now is not known to every broker at once."""
_BATCH_BYTES: Final = 256 * 1024
_FETCH_BYTES: Final = 8 * 1024 * 1024
_FETCH_WAIT_MS: Final = 200
_RECORDS_AT_ONCE: Final = 5_000
_READ_AT_ONCE: Final = 8
"""Partitions: each holds some fetches in memory."""
_LOOKED_AT_AT_ONCE: Final = 4


class Span(NamedTuple):
    """Where a batch of appended records stands: from `first` to before `end`."""

    first: int
    end: int


class Changelog:
    """Appends, idempotent and kept by all in-sync replicas; and reads back."""

    def __init__(
        self, settings: KafkaSettings, topic: str, fence: Fence, *, max_message_bytes: int = _BATCH_BYTES
    ) -> None:
        self.topic = topic
        self.identity: TopicIdentity | None = None
        """As it was at the start; None where the brokers know no ids."""
        self._is_in_doubt = False
        """An append failed since the topic was looked at last."""
        self._batch_bytes = min(_BATCH_BYTES, max_message_bytes)
        self._settings = settings
        self._fence = fence
        self._producer = IdempotentProducer(self._new_producer, "the changelog producer")
        doing = f"connecting to read changelog {topic}"
        # Apart: who only looks must not wait until others have read all.
        self._readers = ConsumerPool(self._consumer, doing, _READ_AT_ONCE)
        self._lookers = ConsumerPool(self._consumer, doing, _LOOKED_AT_AT_ONCE)

    async def start(self) -> None:
        """Connect, to append; reading needs no start. May be tried again; `stop` is due even where it failed.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        await self._producer.start()
        self.identity = await self.look()

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def look(self) -> TopicIdentity | None:
        """The topic's identity; None where the brokers know no ids.

        Raises:
            KafkaRefused, KafkaUnavailable: it is gone, or Kafka does not say.

        """
        doing = f"looking at the id of changelog {self.topic}"
        for _ in range(_ABSENCES - 1):
            with suppress(KafkaRefused):
                return await self._looked(doing)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return await self._looked(doing)

    async def _looked(self, doing: str) -> TopicIdentity | None:
        with self._absence_explained(doing):
            async with self._lookers.one() as consumer:
                with errors_mapped(doing):
                    # No public method asks for what aiokafka's own requests do not ask for.
                    return await topic_identity(consumer._client, self.topic)  # noqa: SLF001  see above

    async def check_identity(self) -> None:
        """See that the topic is still the one that it was at the start, where the brokers know ids.

        Raises:
            StateRefused: it was deleted, and another was made under its name.
            KafkaRefused, KafkaUnavailable: it is gone, or Kafka does not say.

        """
        now = await self.look()
        if now is not None and now.is_another(self.identity):
            raise StateRefused(
                f"changelog {self.topic} was deleted and made anew while the service ran: it has nothing of what was "
                f"exported, and nothing is appended to it. Delete it again, and have {RESTORED_BY}"
            )
        self._is_in_doubt = False

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        """Append entries, in order; where they stand, once all are kept.

        Raises:
            StateRefused: the topic is another one than at the start.
            KafkaRefused: the topic is gone, may not be written, or refuses a record for its size.
            KafkaUnavailable: Kafka does not answer in time, or the fence has shut meanwhile; some may be kept
                nevertheless.

        """
        if self._is_in_doubt:
            await self.check_identity()
        try:
            with self._absence_explained(f"appending to changelog {self.topic}"):
                return await self._append(partition, entries)
        except KafkaError:
            self._is_in_doubt = True
            raise

    async def _append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        spans = []
        for batch in batches_of(entries, self._batch_bytes):
            await self._fence.passed()
            kept = await self._producer.send(batch, self.topic, partition)
            if not self._fence.is_open:
                # Sent by a member that was frozen, it may stand behind another owner's: no position to go on from.
                raise KafkaUnavailable(
                    f"appending to changelog {self.topic}: the answer came when the group's coordinator had been "
                    "silent for too long to know whether the partition is still this member's; it is appended again "
                    "when the coordinator answers"
                )
            spans.append(await self._span(partition, kept.offset, batch.record_count()))
        return spans

    async def bounds(self, partition: int) -> Bounds:
        """What there is of a partition now.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read.

        """
        place = TopicPartition(self.topic, partition)
        doing = f"looking at changelog {self.topic}"
        with self._absence_explained(doing):
            async with self._lookers.one() as consumer:
                with errors_mapped(doing):
                    begins = await consumer.beginning_offsets([place])
                    ends = await consumer.end_offsets([place])
                    return Bounds(begins[place], ends[place])

    async def read(
        self, partition: int, start: int, end: int
    ) -> AsyncGenerator[Sequence[ConsumerRecord[bytes, bytes]], None]:
        """The records from offset `start` to before `end`, in order; of some partitions at once, the others wait.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read; what came so far holds.

        """
        place = TopicPartition(self.topic, partition)
        if start >= end:
            return
        async with self._readers.one() as consumer:

            async def poll() -> Sequence[ConsumerRecord[bytes, bytes]]:
                found: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
                found = await consumer.getmany(place, timeout_ms=_FETCH_WAIT_MS, max_records=_RECORDS_AT_ONCE)
                return found.get(place, [])

            async def gap_end(position: int) -> int | None:
                return await end_of_gap(consumer, place, position, reads_committed=False)

            span = read_span(consumer, place, Bounds(start, end), poll=poll, gap_end=gap_end)
            async with aclosing(span) as found:
                async for records in found:
                    yield records

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_batch_size=self._batch_bytes,
        )

    @contextmanager
    def _absence_explained(self, doing: str) -> Iterator[None]:
        """Say what to do where the topic is gone: not to create it, as for any other topic."""
        try:
            yield
        except KafkaRefused as error:
            if not isinstance(error.__cause__, UnknownTopicOrPartitionError):
                raise
            raise KafkaRefused(
                f"{doing}: the topic does not exist any more. Do not create it, for it would be empty: stop the service, "
                f"and have {RESTORED_BY}"
            ) from error

    async def _span(self, partition: int, first: int, count: int) -> Span:
        if first >= 0:
            return Span(first, first + count)
        # Kafka had the batch already, from an append whose answer was lost, and does not say where: all that
        # came since then counts as someone else's, which costs an append of what is there already.
        end = (await self.bounds(partition)).end
        return Span(end, end)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
