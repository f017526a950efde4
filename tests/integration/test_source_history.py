"""The source's past, read from a real Kafka: whatever transactions, compaction and deletions have left of a span comes, in order, and the span ends."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from processor.backfill.latest_events import LatestEvents
from processor.embedded import start_kafka
from processor.errors import KafkaRefused
from processor.kafka.fetched_batches import unpack_whole_batches
from processor.kafka.offsets import Bounds
from processor.kafka.source_history import SourceHistory, open_history
from tests.conftest import KEPT, create_topic
from tests.support.compaction import is_gone, put, roll
from tests.support.memory_store import MemoryStore
from tests.support.topics import administered, delete
from tests.support.world import settings_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.profile.source_record import Record

pytestmark = [pytest.mark.integration]


@pytest.fixture(autouse=True)
def whole_batches() -> None:
    """As in the service."""
    unpack_whole_batches()


@pytest.fixture
async def topic(kafka: str) -> str:
    """A fresh topic of one partition."""
    name = f"events-{random.randrange(1 << 32):08x}"
    await create_topic(kafka, name, partitions=1)
    return name


async def read(history: SourceHistory, begin: int, end: int) -> list[Record]:
    found: list[Record] = []
    async for records in history.read(0, Bounds(begin, end)):
        assert records
        found += records
    return found


async def every_span(history: SourceHistory, events: dict[int, Any], end: int) -> None:
    """Whatever a span begins and ends with, its events come, in order, and it ends."""
    for begin in range(0, end, 3):
        for upto in range(begin + 1, end + 1, 2):
            found = [(each.offset, each.value) for each in await read(history, begin, upto)]
            assert found == [(at, value) for at, value in events.items() if begin <= at < upto], (begin, upto)


async def latest(history: SourceHistory, end: int) -> dict[bytes, int]:
    """The offset of each key's latest event, as a backfill finds it."""
    search, found, down_to = LatestEvents(MemoryStore(), lambda _: None), dict[bytes, int](), end
    begin = (await history.bounds(0)).begin
    while True:
        if down_to > begin:
            down_to = await search.read(history, 0, Bounds(begin, down_to))
        if not search.advance():
            return found
        found.update({each.key or b"": each.offset for each in search.take(1 << 30)})


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_each_keys_latest_event_is_found_with_its_headers_and_time_however_it_is_packed(
    kafka: str, topic: str, compression: str | None
) -> None:
    rng = random.Random(1)
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type=compression) as producer:
        kept = [
            await producer.send(
                topic,
                key=b"%d" % rng.randrange(2_000),
                value=rng.randbytes(rng.choice([0, 100, 3_000])),
                headers=[("duleLabels", b"C%d" % number)],
                timestamp_ms=number,
            )
            for number in range(10_000)
        ]
        await asyncio.gather(*kept)
    settings = settings_for(kafka, topic)
    async with open_history(settings.kafka, may_have_gaps=False) as history:
        assert await history.bounds(0) == Bounds(0, 10_000)
        records = await read(history, 0, 10_000)
        assert [(each.offset, each.timestamp, list(each.headers)) for each in records] == [
            (number, number, [("duleLabels", b"C%d" % number)]) for number in range(10_000)
        ]
        expected = {record.key: record.offset for record in records}
        assert await latest(history, 10_000) == expected


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_of_transactions_what_the_group_reads_comes_and_spans_end_at_markers_and_among_what_was_aborted(
    kafka: str, topic: str, isolation: str
) -> None:
    settings = settings_for(kafka, topic, kafka_isolation_level=isolation)
    committed: dict[int, bytes | None] = {}
    all_events: dict[int, bytes | None] = {}
    one = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic}-one")
    other = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic}-other")
    async with one, other:

        async def write(producer: AIOKafkaProducer, *values: bytes, kept: bool) -> None:
            for value in values:
                offset = (await producer.send_and_wait(topic, key=value[:1], value=value, partition=0)).offset
                all_events[offset] = value
                if kept:
                    committed[offset] = value

        for number in range(4):
            await one.begin_transaction()
            await other.begin_transaction()
            await write(one, b"a%d" % number, b"b%d" % number, kept=True)
            await write(other, b"a%d aborted" % number, b"c%d aborted" % number, kept=False)
            await write(one, b"c%d" % number, kept=True)
            await one.commit_transaction()
            await other.abort_transaction()
        stable = max(all_events) + 3
        async with open_history(settings.kafka, may_have_gaps=False) as history:
            while (await history.bounds(0)).end < stable:
                await asyncio.sleep(0.05)
            # All of the end is what no committed reader takes: an open transaction, behind markers.
            await one.begin_transaction()
            await write(one, b"d open", b"e open", kept=False)
            if isolation == "read_committed":
                assert await history.bounds(0) == Bounds(0, stable)
                await every_span(history, committed, stable)
                assert await latest(history, stable) == {key(v): at for at, v in committed.items()}
            else:
                assert await history.bounds(0) == Bounds(0, stable + 2)
                await every_span(history, all_events, stable + 2)
                assert await latest(history, stable + 2) == {key(v): at for at, v in all_events.items()}
        await one.abort_transaction()


def key(value: bytes | None) -> bytes:
    return (value or b"")[:1]


async def test_of_a_compacted_source_spans_end_where_nothing_is_left_up_to_its_very_end() -> None:
    with start_kafka({"log.cleaner.backoff.ms": "100"}) as broker:
        servers = broker.bootstrap_servers
        async with administered(servers) as admin:
            compaction = {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.01",
                "delete.retention.ms": "0",
            }
            await admin.create_topics([NewTopic("events", 1, 1, topic_configs=compaction)])
        events = [(b"%d" % (number % 7), b"%d" % number) for number in range(40)]
        tombstones: list[tuple[bytes, bytes | None]] = [(b"%d" % number, None) for number in range(3)]
        await put(servers, "events", [*events, *tombstones])
        await asyncio.to_thread(roll, broker, "events", 43)
        while not await is_gone(servers, "events", 42):
            await asyncio.to_thread(roll, broker, "events", 43)
        settings = settings_for(servers, "events")
        left = {number: b"%d" % number for number in range(33, 40) if number % 7 > 2}
        async with open_history(settings.kafka, may_have_gaps=True) as history:
            assert (await history.bounds(0)).end == 43
            for begin, end in [(0, 43), (40, 43), (42, 43), (39, 41), (0, 20), (35, 38)]:
                found = {each.offset: each.value for each in await read(history, begin, end)}
                assert found == {at: value for at, value in left.items() if begin <= at < end}, (begin, end)
            assert await latest(history, 43) == {b"%d" % (at % 7): at for at in left}


async def deleted_before(servers: str, topic: str, offset: int) -> None:
    async with administered(servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})


async def produced(servers: str, topic: str, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        kept = [await producer.send(topic, key=b"%d" % (n % 50), value=b"%d" % n) for n in range(count)]
        await asyncio.gather(*kept)


@pytest.mark.parametrize(("upto", "comes_from"), [(60, 60), (100, None), (150, None)])
async def test_what_is_deleted_before_it_is_read_is_passed_over(
    kafka: str, topic: str, upto: int, comes_from: int | None
) -> None:
    await produced(kafka, topic, 200)
    async with open_history(settings_for(kafka, topic).kafka, may_have_gaps=False) as history:
        assert await history.bounds(0) == Bounds(0, 200)
        await deleted_before(kafka, topic, upto)
        found = [each.offset for each in await read(history, 20, 100)]
        assert found == ([] if comes_from is None else list(range(comes_from, 100)))
        assert await history.bounds(0) == Bounds(upto, 200)


async def test_what_was_fetched_before_it_was_deleted_may_come_and_the_rest_comes_all_the_same(
    kafka: str, topic: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(40):
            await producer.send_and_wait(topic, key=b"%d" % number, value=random.randbytes(200_000))
    async with open_history(settings_for(kafka, topic).kafka, may_have_gaps=False) as history:
        offsets: list[int] = []
        async for records in history.read(0, Bounds(0, 40)):
            if not offsets:
                await deleted_before(kafka, topic, 35)
            offsets += [each.offset for each in records]
        assert offsets == sorted(set(offsets))
        assert set(range(35, 40)) <= set(offsets)


async def test_a_source_that_was_made_anew_and_is_shorter_is_refused_with_what_happened(
    kafka: str, topic: str
) -> None:
    await produced(kafka, topic, 200)
    async with open_history(settings_for(kafka, topic).kafka, may_have_gaps=False) as history:
        assert len(await read(history, 0, 100)) == 100
        await delete(kafka, topic)
        async with administered(kafka) as admin:
            await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=KEPT)])
        await produced(kafka, topic, 5)
        with pytest.raises(KafkaRefused, match="it was cut short, or the topic was deleted and made anew"):
            await read_when_it_answers(history, 100, 200)


async def read_when_it_answers(history: SourceHistory, begin: int, end: int) -> Sequence[Record]:
    """A client learns of a topic's new leader, or new id, a little later."""
    while True:
        try:
            return await read(history, begin, end)
        except KafkaRefused as error:
            if "cut short" in str(error):
                raise
        await asyncio.sleep(0.1)
