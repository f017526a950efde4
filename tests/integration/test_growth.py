"""Partitions are added to the source while the service runs: followed word by word, no exit is lost, and nothing is exported anew."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from processor.errors import KafkaUnavailable
from processor.kafka.changelog import Changelog
from processor.operations.connection_checks import connection_checks
from processor.operations.repartition import repartition
from processor.service.run import run_service
from processor.telemetry.status import Status
from tests.conftest import create_topic
from tests.support.command import run
from tests.support.group import caught_up
from tests.support.members import Producer, changes, expected, first_occurrences, member_environ, repeats
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import plan_for, process_all, refusal
from tests.support.world import running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from processor.governance.plan import Plan
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

PROFILES = 40
FINISHED = "those of this worker are finished"


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


@pytest.fixture
async def settings(kafka: str, tmp_path: Path) -> Settings:
    topic = f"events-{uuid.uuid4().hex[:8]}"
    await create_topic(kafka, topic, partitions=2)
    return settings_for(
        kafka,
        topic,
        kafka_group=f"group-{topic}",
        kafka_metadata_max_age_ms="300",
        state_directory=str(tmp_path / "state"),
    )


async def add_partitions(settings: Settings, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.servers[0])
    await admin.start()
    try:
        await admin.create_partitions({settings.kafka.topic: NewPartitions(total_count=count)})
    finally:
        await admin.close()


def breaking_off(after: int) -> Any:
    """Kafka goes away after so many appends."""
    append, appends = Changelog.append, 0

    async def until_then(self: Changelog, *arguments: Any) -> Any:
        nonlocal appends
        appends += 1
        if appends > after:
            raise KafkaUnavailable("as scripted")
        return await append(self, *arguments)

    return mock.patch.object(Changelog, "append", until_then)


async def finished_again(settings: Settings, plan: Plan) -> None:
    status, stop = Status(), asyncio.Event()
    service = asyncio.create_task(run_service(settings, plan, stop, status))
    await until(lambda: FINISHED in status.conditions.get("added partitions", ""))
    stop.set()
    await service


async def troubles(settings: Settings, plan: Plan) -> list[str]:
    return [each.trouble async for each in connection_checks(settings, plan) if each.trouble]


async def broken_off(settings: Settings, plan: Plan, after: Sequence[int]) -> None:
    """Break the command off after so many appends, again and again: nothing starts in between."""
    for appends in after:
        with breaking_off(appends), pytest.raises(KafkaUnavailable):
            await repartition(settings, lambda *_: None)
        told = await refusal(run_service(settings, plan, asyncio.Event()))
        assert "run `processor state repartition` again" in told


@pytest.mark.parametrize("count", [4, 3], ids=["twice as many", "one more"])
async def test_the_message_is_followed_word_by_word(
    kafka: str, settings: Settings, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, count: int
) -> None:
    scripted, url = kinesis
    plan, rng, topic = plan_for(url), random.Random(count), settings.kafka.topic
    environ = member_environ(kafka, topic, tmp_path, url)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 200, PROFILES))
        async with running(settings, plan) as status:
            await caught_up(scripted, expected(producer.events))
            await add_partitions(settings, count)
            await until(lambda: "added partitions" in status.conditions)
            # This one does not know of them yet: it asks every five minutes.
            await producer.produce(changes(rng, 60, PROFILES, 200))
            known = list(producer.events)
            async with Producer(kafka, topic) as informed:
                await informed.produce(changes(rng, 200, PROFILES, 260))
                events = known + informed.events
            await caught_up(scripted, expected(known))
            await until(lambda: FINISHED in status.conditions["added partitions"])
            told = status.conditions["added partitions"]
            assert (
                "stop the service wherever it runs, run `processor state repartition`, and start it again"
                in told
            )
            code, words = await run(environ, "state", "repartition")
            assert (code, "has members" in words) == (78, True)
            stopped_at = len(scripted.stored)
    # A start finishes, and takes nothing of the new ones.
    await finished_again(settings, plan)
    assert len(scripted.stored) == stopped_at
    (trouble,) = await troubles(settings, plan)
    assert "processor state repartition" in trouble
    await broken_off(settings, plan, (0, 2, 4) if count == 4 else (2,))
    code, words = await run(environ, "state", "repartition")
    assert code == 0, words
    rows = re.findall(r"^\D*(\d+)\D+(\d+)\D+(\d+)\D*$", words, flags=re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(count)), words
    code, words = await run(environ, "state", "repartition")
    assert (code, "there is nothing to move" in words) == (78, True)

    assert await troubles(settings, plan) == []
    async with running(settings, plan) as status:
        await caught_up(scripted, expected(events))
        await until(lambda: status.is_ready and not status.figures.in_flight)
    assert first_occurrences(scripted) == expected(events)
    assert repeats(scripted) == 0
    async with Producer(kafka, topic) as producer:
        producer.events = events
        await producer.produce(changes(rng, 100, PROFILES, len(events)))
        await process_all(settings, plan, producer, scripted)
        shutil.rmtree(settings.state.directory)
        await producer.produce([(b"profile-%03d" % each, None) for each in range(PROFILES)])
        await process_all(settings, plan, producer, scripted)
        assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) == 0
