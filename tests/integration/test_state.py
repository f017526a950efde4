"""State outlives the process, moves with its partition, and never lies, on a real broker."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from processor.embedded import start_kafka
from processor.errors import StateRefused
from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.service.run import run_service
from tests.conftest import create_topic
from tests.support.group import caught_up
from tests.support.members import (
    Member,
    Producer,
    changes,
    expected,
    first_occurrences,
    member_environ,
    repeats,
)
from tests.support.observation import url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import create_changelog, plan_for, process_all, refusal, stored_state
from tests.support.topics import delete
from tests.support.world import read_topic, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from processor.settings import Settings


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


pytestmark = [pytest.mark.integration]


@pytest.fixture
def own_kafka() -> Iterator[Any]:
    with start_kafka({"log.cleaner.backoff.ms": "200"}) as broker:
        yield broker


@pytest.mark.parametrize("keeps_its_disk", [True, False])
async def test_a_restart_goes_on_where_it_stopped(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], keeps_its_disk: bool
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(1)
    async with Producer(kafka, topic) as producer:
        for _ in range(3):
            await producer.produce(changes(rng, 200, 40, len(producer.events)))
            await process_all(settings, plan_for(url), producer, scripted)
            if not keeps_its_disk:
                shutil.rmtree(settings.state.directory)
    assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) == 0


async def test_a_compacted_changelog_restores_the_same_state_byte_for_byte(
    own_kafka: Any, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    servers, rng = own_kafka.bootstrap_servers, random.Random(2)
    await create_topic(servers, "events", partitions=1)
    settings = settings_for(servers, "events", kafka_max_poll_records="20")
    await create_changelog(
        settings,
        1,
        {
            "cleanup.policy": "compact",
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "1",
            "delete.retention.ms": "86400000",
        },
    )
    async with Producer(servers, "events") as producer:
        await producer.produce(changes(rng, 3000, 20))
        await process_all(settings, plan_for(url), producer, scripted)
        while len(await changelog_offsets(settings)) > 600:
            await asyncio.sleep(0.2)
    before = stored_state(settings)
    shutil.rmtree(settings.state.directory)
    async with running(settings, plan_for(url)):
        pass
    assert stored_state(settings) == before
    assert len(before) > 5
    assert repeats(scripted) == 0


async def changelog_offsets(settings: Settings) -> list[int]:
    """Those of the records of its only partition."""
    consumer = AIOKafkaConsumer(
        settings.changelog_topic,
        bootstrap_servers=settings.kafka.servers[0],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        (place,) = consumer.assignment()
        end = (await consumer.end_offsets([place]))[place]
        offsets: list[int] = []
        while await consumer.position(place) < end:
            for batch in (await consumer.getmany(timeout_ms=100)).values():
                offsets += [record.offset for record in batch]
        return offsets
    finally:
        await consumer.stop()


async def test_the_changelog_is_created_to_outlive_zombies(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    _, url = kinesis
    settings = settings_for(kafka, topic)
    async with running(settings, plan_for(url)):
        pass
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        resource_ = ConfigResource(ConfigResourceType.TOPIC, settings.changelog_topic)
        (answer,) = await admin.describe_configs([resource_])
        (described,) = await admin.describe_topics([settings.changelog_topic])
    finally:
        await admin.close()
    configuration = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert configuration["cleanup.policy"] == "compact"
    assert configuration["min.compaction.lag.ms"] == "86400000"
    assert configuration["min.insync.replicas"] == "1"
    assert len(described["partitions"]) == 3


async def test_an_intruders_record_is_overruled_and_counted(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(3)
    intruder = AIOKafkaProducer(bootstrap_servers=kafka)
    await intruder.start()
    async with Producer(kafka, topic) as producer, running(settings, plan_for(url)) as status:
        await producer.produce(changes(rng, 100, 10))
        await caught_up(scripted, expected(producer.events))
        await until(lambda: status.figures.in_flight == 0)
        old = encode_record(StateRecord(0, memberships={"one": "2020-01-01T00:00:00Z"}))
        for partition in range(3):
            for profile in range(10):
                key = b"profile-%03d" % profile
                await intruder.send_and_wait(
                    settings.changelog_topic, key=key, value=old, partition=partition
                )
        await producer.produce(changes(rng, 100, 10, len(producer.events)))
        await caught_up(scripted, expected(producer.events))
        await until(lambda: status.figures.in_flight == 0)
        assert status.figures.intruder_records == 30
    await intruder.stop()
    before = stored_state(settings)
    shutil.rmtree(settings.state.directory)
    async with running(settings, plan_for(url)):
        pass
    assert stored_state(settings) == before


async def test_a_changelog_that_is_gone_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 30, 10))
        await process_all(settings, plan_for(url), producer, scripted)
    await delete(kafka, settings.changelog_topic)
    with pytest.raises(StateRefused, match=r"does not exist, though group .* has committed offsets"):
        await run_service(settings, plan_for(url), asyncio.Event())
    await create_changelog(settings, 3, {"cleanup.policy": "compact"})
    assert "it was deleted and made anew" in await refusal(
        run_service(settings, plan_for(url), asyncio.Event())
    )


async def test_another_groups_changelog_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 30, 10))
        await process_all(settings, plan_for(url), producer, scripted)
    other = settings_for(kafka, topic, state_changelog_topic=settings.changelog_topic)
    assert "no committed offset, but its changelog has records" in await refusal(
        run_service(other, plan_for(url), asyncio.Event())
    )


async def test_another_stream_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 30, 10))
        await process_all(settings, plan_for(url), producer, scripted)

    told = await refusal(run_service(settings, plan_for(url, "another"), asyncio.Event()))
    assert "exported to eu-west-1/exports, the destination is eu-west-1/another" in told


@pytest.mark.parametrize(
    ("partitions", "policy", "words"),
    [
        (2, "compact", "has 2 partitions and"),
        (3, "delete", "Delete it, with kafka-topics.sh"),
        (3, "compact,delete", "Delete it, with kafka-topics.sh"),
    ],
)
async def test_a_changelog_that_is_none_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], partitions: int, policy: str, words: str
) -> None:
    _, url = kinesis
    settings = settings_for(kafka, topic)
    await create_changelog(settings, partitions, {"cleanup.policy": policy})
    with pytest.raises(StateRefused, match=words):
        await run_service(settings, plan_for(url), asyncio.Event())


async def test_a_changelog_that_was_used_and_deletes_by_age_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    _, url = kinesis
    settings = settings_for(kafka, topic)
    await create_changelog(settings, 3, {"cleanup.policy": "delete"})
    writer = AIOKafkaProducer(bootstrap_servers=kafka)
    await writer.start()
    try:
        await writer.send_and_wait(settings.changelog_topic, key=b"p", value=b"x", partition=0)
    finally:
        await writer.stop()
    with pytest.raises(StateRefused, match="set it back"):
        await run_service(settings, plan_for(url), asyncio.Event())


async def test_a_source_that_was_made_anew_is_refused(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 30, 10))
        await process_all(settings, plan_for(url), producer, scripted)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await create_topic(kafka, topic, partitions=3)
    told = await refusal(run_service(settings, plan_for(url), asyncio.Event()))
    # Kafka deletes a group's offsets with their topic.
    assert "the source topic was made anew" in told


async def test_a_state_that_the_changelog_does_not_take_is_a_dead_letter(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    await create_changelog(settings, 3, {"cleanup.policy": "compact", "max.message.bytes": "1000"})
    many = {"email": [{"id": f"{number}@example.com"} for number in range(100)]}
    entry = {"status": "realized", "lastQualificationTime": "2020-01-01T00:00:00Z"}
    large = json.dumps({"segmentMembership": {"ups": {"one": entry}}, "identityMap": many}).encode()
    async with Producer(kafka, topic) as producer:
        await producer._producer.send_and_wait(topic, key=b"large", value=large)
        await producer.produce(changes(rng, 30, 10))
        async with running(settings, plan_for(url)) as status:
            await caught_up(scripted, expected(producer.events))
            await until(lambda: status.figures.dead_lettered["too-large"] == 1)
    (letter,) = await read_topic(kafka, settings.kafka.dead_letter_topic, 1)
    assert (letter.key, letter.value) == (b"large", large)
    assert b"the changelog takes" in (dict(letter.headers)["processor.dead-letter.error"] or b"")


async def test_kafka_restarted_under_load_loses_and_reorders_nothing(
    own_kafka: Any, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    servers, rng = own_kafka.bootstrap_servers, random.Random(7)
    await create_topic(servers, "events", partitions=3)
    settings = settings_for(servers, "events")
    async with Producer(servers, "events") as producer, running(settings, plan_for(url)) as status:
        for kill in (own_kafka.kill, own_kafka.stop):
            await producer.produce(changes(rng, 1000, 50, len(producer.events)))
            await until(lambda: status.figures.received > 0)
            await asyncio.to_thread(kill)
            await asyncio.to_thread(own_kafka.restart)
            await producer.produce(changes(rng, 200, 50, len(producer.events)))
            await caught_up(scripted, expected(producer.events))
    assert first_occurrences(scripted) == expected(producer.events)


async def test_a_rebalance_while_restoring_loses_and_repeats_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(8)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 6000, 3000))
        await process_all(settings, plan_for(url), producer, scripted)
        shutil.rmtree(settings.state.directory)
        environs = []
        for name in ("one", "two", "three"):
            (tmp_path / name).mkdir()
            changes_ = {"kafka_group": settings.kafka.group}
            environs.append(member_environ(kafka, topic, tmp_path / name, url, **changes_))
        members = [
            await Member(tmp_path / name, environ).start()
            for name, environ in zip(("one", "two", "three"), environs, strict=True)
        ]
        try:
            await producer.produce(changes(rng, 600, 3000, len(producer.events)))
            await caught_up(scripted, expected(producer.events))
            for member in members:
                await url_of(member)  # before it, SIGTERM is not heeded yet
            assert [await member.stop() for member in members] == [0, 0, 0]
        finally:
            for member in members:
                await member.kill()
    assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) == 0
