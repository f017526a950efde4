"""Dead letters that are larger than their topic takes: written without what makes them so, and said; nothing stops."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from processor.embedded import start_kafka
from processor.errors import Reason
from processor.kafka.dead_letters import DeadLetters
from processor.operations import dead_letters
from processor.profile.dead_letter import DeadLetter
from tests.support.group import caught_up
from tests.support.members import Producer, changes, expected, first_occurrences
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import create_changelog, plan_for
from tests.support.world import Read, committed, read_topic, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from processor.kafka.dead_letter_reader import DeadLetterRecord
    from processor.profile.source_record import Record
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

MIB = 1 << 20
PREFIX = "processor.dead-letter."

Event = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


async def create(servers: str, topic: str, configuration: Mapping[str, str], partitions: int = 3) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        answer = await admin.create_topics(
            [NewTopic(topic, partitions, 1, topic_configs=dict(configuration))]
        )
        assert [code for _, code, *_ in answer.topic_errors] == [0], answer
    finally:
        await admin.close()


async def max_message_bytes(servers: str, topic: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    return int(next(entry[1] for entry in answer.resources[0][4] if entry[0] == "max.message.bytes"))


def incompressible(size_bytes: int) -> bytes:
    """No JSON, and no smaller once it is compressed."""
    return random.Random(size_bytes).randbytes(size_bytes)


async def append(servers: str, topic: str, events: Sequence[Event]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=16 * MIB)
    await producer.start()
    try:
        for key, value, headers in events:
            await producer.send_and_wait(topic, key=key, value=value, headers=list(headers), partition=0)
    finally:
        await producer.stop()


async def letters_of(settings: Settings, url: str, events: Sequence[Event]) -> list[Read]:
    """What is written for events that all are bad, once their offsets are committed."""
    servers, topic = settings.kafka.servers[0], settings.kafka.topic
    await append(servers, topic, events)
    async with running(settings, plan_for(url)) as status:
        await until(lambda: status.figures.dead_lettered.total() == len(events))
        while await committed(servers, settings.kafka.group, topic) < len(events):
            await asyncio.sleep(0.05)
        await until(lambda: status.is_ready)
    return await read_topic(servers, settings.kafka.dead_letter_topic, len(events))


def told(letter: Read, name: str) -> str | None:
    value = dict(letter.headers).get(PREFIX + name)
    return None if value is None else value.decode()


async def test_the_topic_is_made_to_take_what_the_source_takes(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    _, url = kinesis
    topic = f"{topic}-large"
    await create(kafka, topic, {"max.message.bytes": str(8 * MIB)})
    settings = settings_for(kafka, topic)
    headers = [("theirs", incompressible(1000))]
    largest = incompressible(8 * MIB - 2000)
    (letter,) = await letters_of(settings, url, [(b"p1", largest, headers)])
    assert (letter.key, letter.value, told(letter, "left-out")) == (b"p1", largest, None)
    assert await max_message_bytes(kafka, settings.kafka.dead_letter_topic) == 8 * MIB + 16 * 1024


async def test_what_a_smaller_topic_takes_compressed_is_written_whole_and_the_rest_without_its_value(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    _, url = kinesis
    topic = f"{topic}-large"
    await create(kafka, topic, {"max.message.bytes": str(8 * MIB)})
    await create(kafka, f"{topic}-dead-letters", {"max.message.bytes": str(MIB)})
    settings = settings_for(kafka, topic)
    small, packs = b"{small", b"{" + b"packs well " * (6 * MIB // 11)
    large, larger = incompressible(2 * MIB), incompressible(7 * MIB)
    trace: list[tuple[str, bytes]] = [("trace", b"t")]
    events: list[Event] = [(b"p1", small, trace), (b"p2", packs, trace), (b"p3", large, trace)]
    events += [(b"p4", larger, trace), (b"p5", small, trace)]
    found = {letter.key: letter for letter in await letters_of(settings, url, events)}
    assert {key: letter.value for key, letter in found.items()} == {
        b"p1": small,
        b"p2": packs,
        b"p3": None,
        b"p4": None,
        b"p5": small,
    }
    assert told(found[b"p3"], "left-out") == f"value of {2 * MIB} bytes"
    assert [told(found[b"p3"], name) for name in ("topic", "partition", "offset")] == [topic, "0", "2"]
    assert dict(found[b"p3"].headers)["trace"] == b"t"
    # They are sent again from the source, which holds them still.
    outcome = await dead_letters.replay(settings.kafka, of_key(b"p3"))
    assert (outcome.sent, outcome.skipped) == (1, [])
    again = (await read_topic(kafka, topic, 6))[5]
    assert (again.key, again.value, dict(again.headers)) == (b"p3", large, {"trace": b"t"})


async def test_where_not_even_headers_and_key_fit_they_are_left_out_too(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    _, url = kinesis
    await create(kafka, f"{topic}-dead-letters", {"max.message.bytes": "2000"})
    settings = settings_for(kafka, topic)
    many = incompressible(3000)
    events: list[Event] = [
        (b"p1", b"{" + many, [("theirs", many)]),
        (many, b"{" + many, [("theirs", b"short")]),
    ]
    # Letters that fit one by one, and not in one batch: each is tried alone.
    events += [(b"p%d" % number, b"{" + incompressible(400), []) for number in range(2, 12)]
    found = await letters_of(settings, url, events)
    assert {told(letter, "offset"): told(letter, "left-out") for letter in found} == {
        "0": "value of 3001 bytes, headers of 3006 bytes",
        "1": "value of 3001 bytes, headers of 11 bytes, key of 3000 bytes",
        **{str(number): None for number in range(2, 12)},
    }
    outcome = await dead_letters.replay(settings.kafka, lambda letter: letter.source_offset == 1)
    (reason,) = [why for _, why in outcome.skipped]
    assert "left out: append the event by hand" in reason


async def test_letters_that_come_together_are_never_too_much_for_one_request() -> None:
    """A broker ends a connection over which more than its socket.request.max.bytes come, and does not say why."""
    with start_kafka({"socket.request.max.bytes": str(20 * MIB)}) as broker:
        servers = broker.bootstrap_servers
        await create(servers, "events-dead-letters", {"max.message.bytes": str(8 * MIB)}, partitions=12)
        written = DeadLetters(settings_for(servers, "events").kafka)
        await written.start()
        try:
            records = [record(number, incompressible(3 * MIB + number)) for number in range(16)]
            some = [DeadLetter(each, Reason.BAD_JSON, "bad") for each in records]
            await asyncio.gather(written.write(0, some[:8]), written.write(1, some[8:]))
        finally:
            await written.stop()
        found = await read_topic(servers, "events-dead-letters", 16)
    assert {letter.value for letter in found} == {each.value for each in records}


def record(offset: int, value: bytes) -> Record:
    return Read(0, offset, 1_700_000_000_000, b"p%d" % offset, value, [])


async def test_a_smaller_topic_is_reported_with_the_remedy_before_and_at_the_start(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Any
) -> None:
    _, url = kinesis
    smaller = {"max.message.bytes": "50000", "cleanup.policy": "compact,delete"}
    await create(kafka, f"{topic}-dead-letters", smaller)
    connection = {"region": "eu-west-1", "accessKeyId": "test", "secretKey": "test", "connectionUrl": url}
    destination = {"name": "n", "stream": "exports", "marketingActions": [], "segments": [{"id": "one"}]}
    (tmp_path / "destination.yaml").write_text(json.dumps({**destination, "connection": connection}))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PROCESSOR_")},
        "PROCESSOR_KAFKA_SERVERS": kafka,
        "PROCESSOR_KAFKA_TOPIC": topic,
        "PROCESSOR_KAFKA_GROUP": "any",
        "COLUMNS": "500",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "processor", "validate", "--connect", "--destination", str(tmp_path / "destination.yaml")),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    needed = await max_message_bytes(kafka, topic) + 16 * 1024
    assert "takes batches of 50000 bytes" in output
    assert "has cleanup.policy=compact,delete: of the dead letters of a key the last alone stays" in output
    assert f"--entity-name {topic}-dead-letters --add-config max.message.bytes={needed}" in output


def of_key(key: bytes) -> Any:
    def wanted(letter: DeadLetterRecord) -> bool:
        return letter.key == key

    return wanted


async def test_appends_to_a_changelog_that_takes_little_are_never_larger_than_it_takes(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(8)
    await create_changelog(settings, 3, {"cleanup.policy": "compact", "max.message.bytes": "3000"})
    async with Producer(kafka, topic) as producer:
        # So many profiles change at once that their records are many times that.
        await producer.produce(changes(rng, 3000, 3000))
        async with running(settings, plan_for(url)) as status:
            await caught_up(scripted, expected(producer.events))
            await until(lambda: not status.figures.in_flight)
            await until(lambda: status.is_ready)
    assert first_occurrences(scripted) == expected(producer.events)
