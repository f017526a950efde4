"""`validate --connect` says what `run` would say, in the same words, and nothing else."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer

from processor.operations.connection_checks import Check, connection_checks
from processor.operations.restore_changelog import restore_changelog
from processor.service.run import run_service
from processor.telemetry.status import Status
from tests.support.command import run
from tests.support.members import Producer, changes, member_environ
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import create_changelog, plan_for, process_all, refusal
from tests.support.topics import delete
from tests.support.world import running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.governance.plan import Plan
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


async def checks(settings: Settings, plan: Plan) -> list[Check]:
    return [each async for each in connection_checks(settings, plan)]


async def troubles(settings: Settings, plan: Plan) -> list[str]:
    return [each.trouble for each in await checks(settings, plan) if each.trouble is not None]


async def refused_by_both(settings: Settings, plan: Plan) -> str:
    (told,) = await troubles(settings, plan)
    # `run` takes partitions over together, and ends at the first that it cannot: it may be another.
    words = re.sub(r"offset \d+", "", re.sub(r"^partition \d+: ", "", told))
    by_run = re.sub(r"offset \d+", "", await refusal(run_service(settings, plan, asyncio.Event())))
    assert words in by_run, (told, by_run)
    return told


async def test_what_run_would_refuse_is_refused_in_the_same_words(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(4)
    plan = plan_for(url)
    first = await checks(settings, plan)
    assert not [each for each in first if each.trouble or each.warning]
    assert [each.what for each in first if "will be created" in each.what] == [
        f"Kafka dead-letter topic {topic}-dead-letters: will be created",
        f"Kafka topic of backfills {settings.backfill_topic}: will be created",
        f"Kafka changelog {settings.changelog_topic}: will be created",
    ]
    assert not [each for each in first if each.trouble or each.warning]
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 60, 20))
        await process_all(settings, plan, producer, scripted)
    assert await troubles(settings, plan) == []
    async with running(settings, plan) as status:
        await until(lambda: status.is_ready and len(status.partitions) == 3)
        assert await troubles(settings, plan) == [], "it may be asked beside a service that runs"

    assert "exported to eu-west-1/exports" in await refused_by_both(settings, plan_for(url, "another"))
    shutil.copytree(settings.state.directory, tmp_path / "kept")
    shutil.rmtree(settings.state.directory)
    assert await troubles(settings, plan) == []
    assert "exported to eu-west-1/exports" in await refused_by_both(settings, plan_for(url, "another"))
    shutil.rmtree(settings.state.directory)
    shutil.copytree(tmp_path / "kept", settings.state.directory)

    await delete(kafka, settings.changelog_topic)
    assert "does not exist, though group" in await refused_by_both(settings, plan)
    await create_changelog(settings, 3, {"cleanup.policy": "compact"})
    assert "it was deleted and made anew" in await refused_by_both(settings, plan)
    await delete(kafka, settings.changelog_topic)
    await restore_changelog(settings, [], lambda *_: None)
    assert await troubles(settings, plan) == []


async def test_what_run_does_without_is_no_trouble(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    scripted.faults = Faults(undescribed="AccessDeniedException", unlisted="AccessDeniedException")
    environ = member_environ(kafka, topic, tmp_path, url)
    code, told = await run(
        environ, "validate", "--connect", "--destination", str(tmp_path / "destination.yaml")
    )
    assert code == 0, told
    assert "✗" not in told
    assert "✓ Kinesis stream exports: records up to 1048576 bytes" in told
    assert "the stream's record maximum is unknown, 1 MiB is assumed" in told
    assert "the stream's shards are unknown" in told
    assert '"event"' not in told
    assert "[warning" not in told


async def test_a_state_directory_that_cannot_be_written_is_reported(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = settings_for(kafka, topic, state_directory=str(tmp_path / "file" / "state"))
    (told,) = await troubles(settings, plan_for(kinesis[1]))
    assert f"{tmp_path / 'file'} cannot be written" in told
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    settings = settings_for(kafka, topic, state_directory=str(tmp_path / "link"), http_host="192.0.2.1")
    told, address = await troubles(settings, plan_for(kinesis[1]))
    assert f"{tmp_path / 'link'} cannot be written" in told
    assert "PROCESSOR_HTTP_HOST" in address


async def test_a_group_that_takes_no_member_of_ours_in_is_reported_by_both_and_joined_once_it_does(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    settings, plan = settings_for(kafka, topic), plan_for(kinesis[1])
    foreign = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=settings.kafka.group, enable_auto_commit=False
    )
    await foreign.start()
    try:
        (told,) = await troubles(settings, plan)
        assert "the group has members that are none of this service" in told
        stop, status = asyncio.Event(), Status()
        service = asyncio.create_task(run_service(settings, plan, stop, status))
        await until(lambda: "group" in status.conditions)
        assert status.conditions["group"] == told
        await foreign.stop()
        await until(lambda: service.done() or (status.is_ready and len(status.partitions) == 3))
        stop.set()
        await service
    finally:
        await foreign.stop()
