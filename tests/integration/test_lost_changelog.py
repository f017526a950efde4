"""A changelog that is deleted while the service runs: nothing goes to the next of its name, and it is written anew."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from processor.operations.restore_changelog import restore_changelog
from processor.service.run import run_service
from processor.telemetry.status import Status
from tests.support.command import run
from tests.support.group import caught_up
from tests.support.members import Producer, changes, expected, first_occurrences, member_environ, repeats
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import create_changelog, plan_for, process_all, refusal, stored_state
from tests.support.topics import delete, refusals
from tests.support.world import running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.operations.restore_changelog import Restored
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

COMPACT = {"cleanup.policy": "compact"}


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


@pytest.fixture
def settings(kafka: str, topic: str, tmp_path: Path) -> Settings:
    return settings_for(
        kafka,
        topic,
        kafka_group=f"group-{topic}",
        kafka_metadata_max_age_ms="300",
        kafka_request_timeout_ms="2000",
        state_directory=str(tmp_path / "state"),
    )


async def restored(settings: Settings, *only: int) -> list[Restored]:
    return await restore_changelog(settings, only, lambda *_: None)


async def end_of(settings: Settings) -> int:
    """How many records were ever written to the changelog."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.servers[0])
    await consumer.start()
    try:
        ends = await consumer.end_offsets(
            [TopicPartition(settings.changelog_topic, each) for each in range(3)]
        )
        return sum(ends.values())
    finally:
        await consumer.stop()


async def test_a_changelog_that_is_deleted_under_load_is_reported_refused_and_written_anew_and_no_exit_is_lost(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], settings: Settings, tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng = random.Random(1)
    environ = member_environ(kafka, topic, tmp_path, url)
    status = Status()
    async with Producer(kafka, topic) as producer:
        service = asyncio.create_task(run_service(settings, plan_for(url), asyncio.Event(), status))
        await producer.produce(changes(rng, 300, 60))
        await caught_up(scripted, expected(producer.events))
        await until(lambda: status.figures.in_flight == 0)
        code, told = await run(environ, "state", "restore-changelog")
        assert code == 78
        assert "has members: stop the service wherever it runs first" in told

        await delete(kafka, settings.changelog_topic)
        await producer.produce(changes(rng, 30, 60, len(producer.events)))
        await until(lambda: "changelog topic" in status.conditions)
        told = status.conditions["changelog topic"]
        assert "Do not create it" in told
        assert "`processor state restore-changelog`" in told
        # As somebody does who has read that a topic is missing.
        await until(lambda: "changelog" in status.conditions)
        await create_changelog(settings, 3, COMPACT)
        await asyncio.wait([service])
        failure = service.exception()
        assert failure is not None
        assert any("was deleted and made anew" in each for each in refusals(failure)), failure
        assert status.figures.intruder_records == 0

        for _ in range(2):
            assert "restore-changelog" in await refusal(run_service(settings, plan_for(url), asyncio.Event()))
        assert await end_of(settings) == 0, "nothing is appended to a changelog that was made anew"
        before = stored_state(settings)

        code, told = await run(environ, "state", "restore-changelog")
        assert code == 0, told
        await process_all(settings, plan_for(url), producer, scripted)
        await producer.produce(changes(rng, 300, 60, len(producer.events)))
        await process_all(settings, plan_for(url), producer, scripted)
        shutil.rmtree(settings.state.directory)
        await producer.produce(changes(rng, 100, 60, len(producer.events)))
        await process_all(settings, plan_for(url), producer, scripted)
    assert before
    assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) <= 30, (
        "what was exported and could not be kept is exported again, and nothing else"
    )


async def test_what_a_start_finds_in_place_of_its_changelog_is_refused_though_the_stores_are_gone(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], settings: Settings
) -> None:
    scripted, url = kinesis
    rng = random.Random(2)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 100, 20))
        await process_all(settings, plan_for(url), producer, scripted)
        await delete(kafka, settings.changelog_topic)
        other = settings_for(kafka, topic, state_changelog_topic=settings.changelog_topic)
        await process_all(other, plan_for(url), producer, scripted)
    shutil.rmtree(settings.state.directory)
    told = await refusal(run_service(settings, plan_for(url), asyncio.Event()))
    assert "the committed offset relies on topic" in told
    assert "restore-changelog" in told


async def test_a_store_that_lacks_the_last_records_has_the_offsets_set_back_and_loses_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], settings: Settings, tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng = random.Random(3)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 200, 20))
        await process_all(settings, plan_for(url), producer, scripted)
        shutil.copytree(settings.state.directory, tmp_path / "old")
        await producer.produce(changes(rng, 200, 20, 200))
        await process_all(settings, plan_for(url), producer, scripted)
        shutil.rmtree(settings.state.directory)
        assert "no local store of partitions 0, 1, 2" in await refusal(restored(settings))
        shutil.copytree(tmp_path / "old", settings.state.directory)
        assert "has records already" in await refusal(restored(settings))
        await delete(kafka, settings.changelog_topic)
        assert "has no partition 7" in await refusal(restored(settings, 7))
        await restored(settings, 0, 2)
        assert "has records already" in await refusal(restored(settings))
        (told,) = await restored(settings, 1)
        assert told.committed < told.committed_before
        await producer.produce(changes(rng, 100, 20, 400))
        async with running(settings, plan_for(url)) as status:
            await caught_up(scripted, expected(producer.events))
            await until(lambda: status.figures.received >= 300 and not status.figures.in_flight)
    assert first_occurrences(scripted) == expected(producer.events)
