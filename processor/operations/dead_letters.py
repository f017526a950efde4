"""What an operator does with dead letters: reads them, and sends them to the source again after a fix.

An event is a whole profile. So a dead letter is sent only where the source holds no later event of its key: an old
profile must not undo a newer one. Where the events behind it were deleted, there counts as being a later one. A producer
may append while dead letters are sent; what it appended between the last look and the dead letter is appended again
behind it, so the newest profile stays the last one. Transactions that are open are waited for: they may hold such
events. A dead letter without its value, which its topic did not take, is sent as the source still holds it.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from processor.kafka.client import client_options, errors_mapped
from processor.kafka.client_lifecycle import connected
from processor.kafka.dead_letter_reader import DeadLetterRecord, TopicReader, dead_letter_in, open_reader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence

    from processor.profile.source_record import Record
    from processor.settings import KafkaSettings

_KEY: Final = "key"
_REQUEST_BYTES_MAX: Final = 128 * 1024 * 1024


class Event(NamedTuple):
    """An event that is appended to the source."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int


@dataclass(slots=True)
class Outcome:
    """What became of the dead letters: how many were sent, and each that was skipped with the reason."""

    sent: int = 0
    appended_again: int = 0
    """Newer events that were appended behind a dead letter."""
    skipped: list[tuple[DeadLetterRecord, str]] = field(default_factory=list)


async def read_dead_letters(
    settings: KafkaSettings, wanted: Callable[[DeadLetterRecord], bool]
) -> AsyncGenerator[DeadLetterRecord, None]:
    """Yield all dead letters there are now that are `wanted`, partition by partition.

    Raises:
        KafkaRefused, KafkaUnavailable: they cannot be read.

    """
    topic = settings.dead_letter_topic
    async with open_reader(settings) as reader:
        for partition, bounds in (await reader.bounds(topic)).items():
            async with aclosing(reader.read(topic, partition, *bounds)) as records:
                async for record in records:
                    found = dead_letter_in(record, partition)
                    if found is not None and wanted(found):
                        yield found


async def read_dead_letter(settings: KafkaSettings, partition: int, offset: int) -> DeadLetterRecord | None:
    """Return the dead letter at an offset of a partition of its topic; None where there is none.

    Raises:
        KafkaRefused, KafkaUnavailable: it cannot be read.

    """
    topic = settings.dead_letter_topic
    async with open_reader(settings) as reader:
        begin, end = (await reader.bounds(topic)).get(partition, (0, 0))
        if not begin <= offset < end:
            return None
        async with aclosing(reader.read(topic, partition, offset, offset + 1)) as records:
            async for record in records:
                return dead_letter_in(record, partition)
    return None


async def replay(
    settings: KafkaSettings, wanted: Callable[[DeadLetterRecord], bool], *, dry_run: bool = False
) -> Outcome:
    """Send the dead letters that are `wanted` to the source topic again, at least once; with `dry_run`, send none.

    Raises:
        KafkaRefused, KafkaUnavailable: it was broken off; what was sent stays, and is skipped the next time.

    """
    outcome = Outcome()
    by_partition: dict[int, dict[bytes, DeadLetterRecord]] = defaultdict(dict)
    async with aclosing(read_dead_letters(settings, wanted)) as dead_letters:
        async for each in dead_letters:
            why = _unfit(each, settings.topic)
            if why is not None:
                outcome.skipped.append((each, why))
                continue
            newest, key = by_partition[each.source_partition], each.key or b""
            older = min(each, newest.get(key, each), key=lambda one: one.source_offset)
            newest[key] = max(each, newest.get(key, each), key=lambda one: one.source_offset)
            if older is not newest[key]:
                outcome.skipped.append((older, "a later dead letter has the same key"))
    async with open_reader(settings) as reader, _producer(settings) as producer:
        for partition, chosen in sorted(by_partition.items()):
            await _Replay(settings.topic, partition, reader, producer, outcome).run(chosen, dry_run=dry_run)
    return outcome


class _Replay:
    """Sends dead letters to one partition of the source."""

    def __init__(
        self, topic: str, partition: int, reader: TopicReader, producer: AIOKafkaProducer, outcome: Outcome
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._reader = reader
        self._producer = producer
        self._outcome = outcome

    async def run(self, dead_letters: dict[bytes, DeadLetterRecord], *, dry_run: bool) -> None:
        begin, end = (await self._reader.bounds(self._topic)).get(self._partition, (0, 0))
        first = min(each.source_offset for each in dead_letters.values()) + 1
        later = await self._newest(dead_letters, max(first, begin), end)
        to_send: dict[bytes, Event] = {}
        for key, each in sorted(dead_letters.items(), key=lambda item: item[1].source_offset):
            if begin > each.source_offset + 1:
                self._skip(
                    each, "the events behind it were deleted from the source: there may have been a later one"
                )
            elif key in later and later[key].offset > each.source_offset:
                self._skip(each, f"the source holds a later event of its key, at offset {later[key].offset}")
            else:
                event = await self._event(each, begin)
                if event is None:
                    self._skip(
                        each, f"{each.left_out} left out, and the source does not hold its event any more"
                    )
                else:
                    to_send[key] = event
        if dry_run:
            self._outcome.sent += len(to_send)
            return
        looked_until = end
        sent_at = await self._send(list(to_send.values()))
        self._outcome.sent += len(sent_at)
        for key in to_send.keys() - sent_at.keys():
            self._skip(dead_letters[key], f"{self._topic} does not take it: raise its max.message.bytes")
        while sent_at:
            _, end = (await self._reader.bounds(self._topic))[self._partition]
            between = await self._newest(sent_at, looked_until, end, frozenset(sent_at.values()))
            # What came before our own is older by its place and newer by its content.
            overtaken = {key: event for key, event in between.items() if event.offset < sent_at[key]}
            to_send = {
                key: Event(key, event.value, event.headers, event.timestamp)
                for key, event in overtaken.items()
            }
            sent_at = await self._send(list(to_send.values()))
            self._outcome.appended_again += len(sent_at)
            looked_until = end

    async def _event(self, each: DeadLetterRecord, begin: int) -> Event | None:
        """Return the event of a dead letter; where that is not whole, from the source, None if it is not there any more."""
        if not each.left_out:
            return Event(each.key or b"", each.value, each.headers, each.timestamp_ms)
        offset = each.source_offset
        if offset >= begin:
            async with aclosing(
                self._reader.read(self._topic, self._partition, offset, offset + 1)
            ) as records:
                async for record in records:
                    return Event(record.key or b"", record.value, record.headers, record.timestamp)
        return None

    async def _newest(
        self,
        keys: Collection[bytes],
        start: int,
        end: int,
        ours: frozenset[int] = frozenset(),
    ) -> dict[bytes, Record]:
        """Return the last event of each of `keys` between two offsets, without those at the offsets `ours`."""
        found: dict[bytes, Record] = {}
        async with aclosing(self._reader.read(self._topic, self._partition, start, end)) as records:
            async for record in records:
                if record.key is not None and record.key in keys and record.offset not in ours:
                    found[record.key] = record
        return found

    async def _send(self, events: Sequence[Event]) -> dict[bytes, int]:
        """Append events, and return the offset of each, by key, but for those that are too large."""
        at: dict[bytes, int] = {}
        with errors_mapped(f"sending dead letters to {self._topic}"):
            for event in events:
                try:
                    kept = await self._producer.send_and_wait(
                        self._topic,
                        key=event.key,
                        value=event.value,
                        headers=list(event.headers),
                        timestamp_ms=event.timestamp_ms,
                        partition=self._partition,
                    )
                except (kafka.MessageSizeTooLargeError, kafka.RecordTooLargeError):
                    continue
                at[event.key] = kept.offset
        return at

    def _skip(self, each: DeadLetterRecord, why: str) -> None:
        self._outcome.skipped.append((each, why))


def _unfit(each: DeadLetterRecord, topic: str) -> str | None:
    if _KEY in each.left_out.replace(",", "").split():
        return f"{each.left_out} left out: append the event by hand, from {each.source_topic}"
    if not each.key:
        return "it has no key, so no fix makes it an event of a profile"
    if each.source_topic != topic:
        return f"it came from topic {each.source_topic}"
    return None


@asynccontextmanager
async def _producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        # Not idempotent: aiokafka counts an event that was refused for its size, Kafka does not, and takes no later
        # one then. One that is appended twice is looked at by where it stands last.
        enable_idempotence=False,
        # As large as the source took it from its producer, compressed.
        compression_type="zstd",
        max_request_size=_REQUEST_BYTES_MAX,
    )
    async with connected(producer, "connecting the producer"):
        yield producer
