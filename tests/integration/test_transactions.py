"""Producers that write in transactions: what is committed comes out, once and in order; what is open is told."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.embedded import start_kafka
from processor.operations import dead_letters
from processor.settings import load_settings
from tests.deploy import kafka_tools
from tests.support.compaction import is_gone, put, roll
from tests.support.deploy_files import ROOT
from tests.support.group import caught_up
from tests.support.members import (
    Member,
    changes,
    expected,
    first_occurrences,
    member_environ,
    repeats,
)
from tests.support.observation import ready, scraped, url_of
from tests.support.scrape import sums
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import committed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    from processor.embedded.kafka import EmbeddedKafka

pytestmark = [pytest.mark.integration]

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

Event = tuple[bytes, bytes | None]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


@pytest.fixture
def compacting_kafka() -> Iterator[EmbeddedKafka]:
    with start_kafka({"log.cleaner.backoff.ms": "100"}) as broker:
        yield broker


async def created(servers: str, topic: str, configuration: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=dict(configuration))])
    finally:
        await admin.close()


class Writer:
    """A producer whose transactions are ended by hand; one partition, so that offsets are as events are sent."""

    def __init__(self, servers: str, topic: str, name: str, **options: Any) -> None:
        self.topic = topic
        self.producer = AIOKafkaProducer(
            bootstrap_servers=servers, transactional_id=f"{topic}-{name}", **options
        )

    async def write(self, events: Sequence[Event]) -> None:
        for key, value in events:
            await self.producer.send_and_wait(self.topic, key=key, value=value, partition=0)


@asynccontextmanager
async def writers(servers: str, topic: str, count: int, **options: Any) -> AsyncIterator[list[Writer]]:
    opened = [Writer(servers, topic, str(number), **options) for number in range(count)]
    try:
        for each in opened:
            await each.producer.start()
        yield opened
    finally:
        for each in opened:
            await each.producer.stop()


async def end_of(servers: str, topic: str) -> int:
    """The high watermark of the topic's one partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        return int((await consumer.end_offsets([place]))[place])
    finally:
        await consumer.stop()


async def left_open(servers: str, topic: str, *transactions: tuple[Any, Sequence[Event]]) -> None:
    """Three transactions, of which the second is left open, and the third is committed behind it."""
    (writer, events), *others = transactions
    await writer.producer.begin_transaction()
    await writer.write(events)
    await writer.producer.commit_transaction()
    # What follows is to stand behind its marker, which the broker writes a little later.
    await committed_up_to(servers, topic, len(events) + 1)
    for each, written in others:
        await each.producer.begin_transaction()
        await each.write(written)
    await others[-1][0].producer.commit_transaction()


async def committed_up_to(servers: str, topic: str, offset: int) -> None:
    while await committed(servers, f"group-{topic}", topic) < offset:
        await asyncio.sleep(0.05)
    assert await committed(servers, f"group-{topic}", topic) == offset


async def committed_to_the_end(servers: str, topic: str) -> None:
    """Once it is so; the last transaction's marker may come later than all events."""
    while await committed(servers, f"group-{topic}", topic) != await end_of(servers, topic):
        await asyncio.sleep(0.05)


async def open_transaction(http: aiohttp.ClientSession, at: str) -> str | None:
    """What readiness says of an open transaction."""
    async with http.get(f"{at}/readyz") as answer:
        reasons = (await answer.json())["reasons"]
    return next((str(why) for name, why in reasons.items() if name.endswith("open transaction")), None)


async def lag(http: aiohttp.ClientSession, at: str) -> tuple[float, float]:
    """In offsets, and in seconds."""
    found = sums(await scraped(http, at))["0"]
    return found["processor_partition_lag_records"], found["processor_partition_lag_seconds"]


@asynccontextmanager
async def running(
    tmp_path: Path, servers: str, topic: str, url: str, **settings: str
) -> AsyncIterator[tuple[aiohttp.ClientSession, str, Member]]:
    member = await Member(tmp_path, member_environ(servers, topic, tmp_path, url, **settings)).start()
    try:
        async with aiohttp.ClientSession() as http:
            at = await url_of(member)
            await ready(http, at)
            yield http, at, member
        assert await member.stop() == 0
    finally:
        await member.kill()


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("times", ["CreateTime", "LogAppendTime"])
async def test_of_transactions_that_lie_in_one_another_what_is_committed_comes_out_in_order(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, times: str, compression: Any
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(f"{times} {compression}"), f"{topic}-one"
    await created(kafka, topic, {"message.timestamp.type": times})
    wanted: list[Event] = []
    async with (
        writers(kafka, topic, 3, compression_type=compression) as three,
        running(tmp_path, kafka, topic, url) as (http, at, _),
    ):
        plain = AIOKafkaProducer(bootstrap_servers=kafka, compression_type=compression)
        await plain.start()
        sent = 0
        for _ in range(4):
            fates = dict(zip(three, rng.sample([True, False, rng.random() < 0.5], 3), strict=True))
            for writer in three:
                await writer.producer.begin_transaction()
            for _ in range(6):
                chosen = rng.choice([*three, None])
                events = changes(rng, rng.randrange(1, 5), 10, sent)
                sent += len(events)
                if chosen is None:
                    for key, value in events:
                        await plain.send_and_wait(topic, key=key, value=value, partition=0)
                else:
                    await chosen.write(events)
                if chosen is None or fates[chosen]:
                    wanted += events
            for writer in rng.sample(three, 3):
                if fates[writer]:
                    await writer.producer.commit_transaction()
                else:
                    await writer.producer.abort_transaction()
        await plain.stop()
        await caught_up(scripted, expected(wanted))
        await committed_to_the_end(kafka, topic)
        while await lag(http, at) != (0, 0):
            await asyncio.sleep(0.05)
    assert first_occurrences(scripted) == expected(wanted)
    assert repeats(scripted) == 0


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "aborted"])
async def test_behind_a_transaction_s_end_there_is_no_lag_and_a_new_start_begins_there(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, *, is_committed: bool
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(2), f"{topic}-one"
    await created(kafka, topic, {})
    first, second = changes(rng, 20, 10), changes(rng, 20, 10, 20)
    async with writers(kafka, topic, 1) as (writer,):
        async with running(tmp_path, kafka, topic, url) as (http, at, _):
            await writer.producer.begin_transaction()
            await writer.write(first)
            await (
                writer.producer.commit_transaction() if is_committed else writer.producer.abort_transaction()
            )
            await committed_up_to(kafka, topic, 21)
            assert await lag(http, at) == (0, 0)
        async with running(tmp_path, kafka, topic, url) as (http, at, _):
            assert await lag(http, at) == (0, 0)
            await writer.producer.begin_transaction()
            await writer.write(second)
            await writer.producer.commit_transaction()
            await committed_up_to(kafka, topic, 42)
    assert first_occurrences(scripted) == expected([*(first if is_committed else []), *second])
    assert repeats(scripted) == 0


async def test_an_open_transaction_is_reported_with_its_remedy_and_its_end_lets_events_through(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(3), f"{topic}-one"
    await created(kafka, topic, {})
    before, opened, behind = changes(rng, 10, 10), changes(rng, 10, 10, 10), changes(rng, 10, 10, 20)
    settings = {"kafka_transaction_timeout_ms": "1000", "stall_timeout_ms": "2000"}
    async with (
        writers(kafka, topic, 2) as (writer, other),
        running(tmp_path, kafka, topic, url, **settings) as (http, at, member),
    ):
        await left_open(kafka, topic, (other, before), (writer, opened), (other, behind))
        # The first is committed up to its marker; what stands behind the open one is not.
        while (why := await open_transaction(http, at)) is None:
            await asyncio.sleep(0.05)
        assert "open since offset 11 of partition 0" in why
        assert f"kafka-transactions.sh --bootstrap-server … abort --topic {topic} --partition 0" in why
        while (found := sums(await scraped(http, at))["0"])[
            "processor_partition_open_transaction_records"
        ] != 21:
            await asyncio.sleep(0.05)
        assert found["processor_partition_open_transaction_seconds"] > 1
        assert await lag(http, at) == (0, 0)
        await asyncio.sleep(4)  # two stalls' time: the watchdog must find no work
        async with http.get(f"{at}/livez") as answer:
            assert answer.status == 200
        await writer.producer.commit_transaction()
        await ready(http, at)
        await caught_up(scripted, expected([*before, *opened, *behind]))
        await committed_to_the_end(kafka, topic)
        assert sums(await scraped(http, at))["0"]["processor_partition_open_transaction_seconds"] == 0
        assert "stalled" not in member.log.read_text()
    assert first_occurrences(scripted) == expected([*before, *opened, *behind])
    assert repeats(scripted) == 0


async def test_a_transaction_that_hangs_is_found_and_ended_as_the_run_book_has_it(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(4), f"{topic}-hung"
    await created(kafka, topic, {})
    before, opened, behind = changes(rng, 10, 10), changes(rng, 10, 10, 10), changes(rng, 10, 10, 20)

    async def follow(line: str, start_offset: str) -> str:
        names = {"broker-1:9092": kafka, "profile-changes": topic, "--partition 3": "--partition 0"}
        for name, ours in (*names.items(), ("4711", start_offset)):
            line = line.replace(name, ours)
        return await kafka_tools.run(line, tmp_path)

    lines = re.findall(r"^\$ (kafka-transactions\.sh .*)$", OPERATIONS, re.MULTILINE)
    describe, find, abort = lines
    async with (
        writers(kafka, topic, 2) as (writer, other),
        running(tmp_path, kafka, topic, url, kafka_transaction_timeout_ms="1000") as (http, at, _),
    ):
        await left_open(kafka, topic, (other, before), (writer, opened), (other, behind))
        told = (await follow(describe, "")).splitlines()
        head = next(line for line in told if line.startswith("ProducerId"))
        column = head.split().index("CurrentTransactionStartOffset")
        rows = [row.split() for row in told[told.index(head) + 1 :]]
        (start_offset,) = {row[column] for row in rows} - {"None"}
        assert start_offset == "11"
        # Its producer lives, and its time is not over: nothing is to be found that hangs for longer.
        assert topic not in await follow(find, "")
        await follow(abort, start_offset)
        await caught_up(scripted, expected([*before, *behind]))
        await ready(http, at)
    assert first_occurrences(scripted) == expected([*before, *behind])


async def test_where_uncommitted_events_are_read_they_come_at_once_and_a_change_to_committed_ones_goes_on(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(4), f"{topic}-one"
    await created(kafka, topic, {})
    early, late = changes(rng, 10, 10), changes(rng, 10, 10, 10)
    async with writers(kafka, topic, 1) as (writer,):
        await writer.producer.begin_transaction()
        await writer.write(early)
        async with running(tmp_path, kafka, topic, url, kafka_isolation_level="read_uncommitted"):
            await committed_up_to(kafka, topic, 10)
        # The committed offset is behind the last stable one now: no sign that the topic was cut short.
        async with running(tmp_path, kafka, topic, url) as (http, at, _):
            await writer.write(late)
            assert await lag(http, at) == (0, 0)
            await writer.producer.commit_transaction()
            await committed_up_to(kafka, topic, 21)
    assert first_occurrences(scripted) == expected([*early, *late])
    assert repeats(scripted) == 0


async def test_where_a_group_begins_with_the_latest_an_open_transaction_s_events_are_not_lost(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng, topic = random.Random(5), f"{topic}-one"
    await created(kafka, topic, {})
    events = changes(rng, 10, 10)
    async with writers(kafka, topic, 1) as (writer,):
        await writer.producer.begin_transaction()
        await writer.write(events)
        async with running(tmp_path, kafka, topic, url, kafka_offset_reset="latest"):
            await writer.producer.commit_transaction()
            await committed_up_to(kafka, topic, 11)
    assert first_occurrences(scripted) == expected(events)


@pytest.mark.parametrize("fate", ["aborted", "open, then committed", "open, then aborted"])
async def test_a_letter_is_sent_again_unless_a_later_event_of_its_key_is_committed(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, fate: str
) -> None:
    _, url = kinesis
    topic = f"{topic}-one"
    await created(kafka, topic, {})
    settings = load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": kafka,
            "PROCESSOR_KAFKA_TOPIC": topic,
            "PROCESSOR_KAFKA_GROUP": f"group-{topic}",
        }
    )
    async with writers(kafka, topic, 1) as (writer,):
        await writer.producer.begin_transaction()
        await writer.write([(b"p1", b"{bad")])
        await writer.producer.commit_transaction()
        async with running(tmp_path, kafka, topic, url):
            await committed_up_to(kafka, topic, 2)
        await writer.producer.begin_transaction()
        await writer.write([(b"p1", b"{later")])
        if fate == "aborted":
            await writer.producer.abort_transaction()
        replaying = asyncio.create_task(dead_letters.replay(settings.kafka, lambda _: True))
        if fate != "aborted":
            done, _ = await asyncio.wait([replaying], timeout=3)
            assert not done, "what is open may be a later event"
            if fate.endswith("committed"):
                await writer.producer.commit_transaction()
            else:
                await writer.producer.abort_transaction()
        outcome = await replaying
    if fate.endswith("committed"):
        assert [why for _, why in outcome.skipped] == [
            "the source holds a later event of its key, at offset 2"
        ]
    else:
        assert (outcome.sent, outcome.skipped) == (1, [])


async def test_what_compaction_took_at_the_end_is_no_lag(
    compacting_kafka: EmbeddedKafka, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    servers, topic = compacting_kafka.bootstrap_servers, "events"
    compaction = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0",
    }
    await created(servers, topic, compaction)
    kept = [event for event in changes(random.Random(6), 20, 10) if event[1] is not None]
    await put(servers, topic, kept)
    await put(servers, topic, [(b"gone", kept[0][1]), (b"gone", None)])
    end = await end_of(servers, topic)
    await asyncio.to_thread(roll, compacting_kafka, topic, end)
    while not await is_gone(servers, topic, end - 1):
        await asyncio.to_thread(roll, compacting_kafka, topic, end)
    async with running(tmp_path, servers, topic, url, stall_timeout_ms="2000") as (http, at, member):
        await committed_up_to(servers, topic, end)
        assert await lag(http, at) == (0, 0)
        more = changes(random.Random(7), 10, 10, 100)
        await put(servers, topic, more)
        await committed_up_to(servers, topic, end + len(more))
        assert "stalled" not in member.log.read_text()
    assert "gone" not in {profile for profile, _ in scripted.stored}
