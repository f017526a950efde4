"""A sample of a real topic's recent events, and `processor init --from-topic` on it."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from processor.errors import KafkaRefused, Reason
from processor.operations.topic_sample import SampleBounds, read_sample
from processor.settings import KafkaSettings
from tests.support.command import run
from tests.support.process import environ
from tests.support.topics import administered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.integration]

ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}


def settings(servers: str, topic: str) -> KafkaSettings:
    return KafkaSettings.model_validate({"servers": servers, "topic": topic, "group": f"group-{topic}"})


def event(segment: str, **members: object) -> bytes:
    return json.dumps({"segmentMembership": {"ups": {segment: ENTRY}}, **members}).encode()


async def produce(
    servers: str,
    topic: str,
    events: Sequence[tuple[bytes | None, bytes | None]],
    partition: int | None = None,
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=2_000_000)
    await producer.start()
    try:
        for key, value in events:
            await producer.send(topic, value, key, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


async def test_the_last_events_of_each_partition_are_looked_at_and_no_group_is_joined(
    kafka: str, topic: str
) -> None:
    for partition in range(3):
        old = [(b"old-%d" % partition, event("old"))]
        new = [(b"%d-%d" % (partition, n), event("new", person={"email": "a@b.c"})) for n in range(3)]
        await produce(kafka, topic, [*old, *new], partition)
    read = await read_sample(settings(kafka, topic), SampleBounds(events=3))
    found = read.suggestions
    assert (read.partitions_read, read.partitions, found.events, found.profiles) == (3, 3, 9, 9)
    assert [(each.id, each.members) for each in found.segments] == [("new", 9)]
    assert [(each.path, each.present, each.example) for each in found.attributes] == [
        ("person.email", 9, "x@x.x")
    ]
    async with administered(kafka) as admin:
        assert f"group-{topic}" not in {group for group, *_ in await admin.list_consumer_groups()}


async def test_odd_events_are_counted_and_large_ones_read(kafka: str, topic: str) -> None:
    events = [
        (b"1", event("one", note="x" * 900_000)),
        (b"2", event("two")),
        (b"2", None),
        (b"\xff\xfe", event("three")),
        (None, event("four")),
        (b"3", b"no JSON \x1b[2J"),
        (b"4", b"{}"),
    ]
    await produce(kafka, topic, events, partition=0)
    found = (await read_sample(settings(kafka, topic), SampleBounds(events=100))).suggestions
    assert (found.events, found.profiles) == (7, 1)
    assert dict(found.invalid) == {Reason.BAD_KEY: 2, Reason.BAD_JSON: 1, Reason.BAD_MEMBERSHIP: 1}
    assert [each.id for each in found.segments] == ["one"]


async def test_bytes_and_time_are_bounds_and_what_was_read_by_then_counts(kafka: str, topic: str) -> None:
    large = event("one", note="x" * 100_000)
    for partition in range(3):
        await produce(kafka, topic, [(b"%d-%d" % (partition, n), large) for n in range(10)], partition)
    read = await read_sample(settings(kafka, topic), SampleBounds(events=100, bytes=600_000))
    assert read.partitions_read == 0
    assert 3 <= read.suggestions.events <= 9, "each partition has its share"
    read = await read_sample(settings(kafka, topic), SampleBounds(events=100, seconds=0))
    assert (read.partitions_read, read.suggestions.events) == (0, 0)


async def test_an_empty_topic_suggests_nothing_and_an_absent_one_is_told_and_not_made(
    kafka: str, topic: str
) -> None:
    read = await read_sample(settings(kafka, topic), SampleBounds(events=100))
    assert (read.partitions_read, read.suggestions.events) == (3, 0)
    absent = f"absent-{uuid.uuid4().hex[:8]}"
    with pytest.raises(KafkaRefused, match=f"topic {absent} does not exist"):
        await read_sample(settings(kafka, absent), SampleBounds(events=100))
    async with administered(kafka) as admin:
        assert absent not in await admin.list_topics()


async def test_without_a_terminal_the_files_come_from_the_topic_and_validate(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    evil = "\x1b[2J\n  evil: ${HOME}"
    await produce(kafka, topic, [(b"1", event(evil, loyalty=1)), (b"2", event("plain"))])
    place = {
        **environ(kafka, topic, tmp_path),
        "PROCESSOR_DESTINATION_FILE": str(tmp_path / "destination.yaml"),
        "PROCESSOR_KAFKA_GROUP": "",
    }
    async with asyncio.timeout(60):
        code, told = await run(place, "init", "--from-topic", "--stream", "exports", "--region", "eu-west-1")
    assert code == 0, told
    assert "\x1b" not in told
    assert "export PROCESSOR_KAFKA_GROUP=" in told
    assert told.rstrip().endswith("processor validate --connect")
    code, told = await run({**place, "PROCESSOR_KAFKA_GROUP": "g"}, "validate")
    assert code == 0, told
    assert "ups/plain" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["destination.yaml"]
