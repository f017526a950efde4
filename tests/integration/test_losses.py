"""Events that nobody took, and a group that begins anew: told with partition and both offsets, counted, and got over as the run-book says."""

from __future__ import annotations

import json
import random
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from structlog.testing import capture_logs

from tests.conftest import create_topic
from tests.deploy import kafka_tools
from tests.support.deploy_files import ROOT
from tests.support.group import caught_up
from tests.support.members import Producer, changes, expected, first_occurrences, repeats
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.state_topics import plan_for, process_all
from tests.support.world import running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

(SET_BACK,) = re.findall(
    r"^\$ (kafka-consumer-groups\.sh .*--to-datetime .*)$",
    (ROOT / "docs" / "operations.md").read_text(),
    flags=re.MULTILINE,
)
PASSED: Final = "the group's offset was set forward by hand"
DELETED: Final = "events were deleted from the source before they were read"


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


def lines(logs: Sequence[Mapping[str, Any]], beginning: str) -> list[Mapping[str, Any]]:
    return [each for each in logs if each["event"].startswith(beginning)]


async def reset(settings: Settings, line: str, home: Path) -> None:
    """Run a line of the run-book, or like it, for this group."""
    kafka = settings.kafka
    for page_s, ours in (
        ("broker-1:9092", kafka.servers[0]),
        ("loyalty-exports", kafka.group),
        ("profile-changes", kafka.topic),
    ):
        line = line.replace(page_s, ours)
    await kafka_tools.run(line, home)


async def test_a_reset_forward_is_reported_and_set_back_as_the_run_book_says_it_repairs_all(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(1)
    forward = re.sub(r"--to-datetime \S+", "--to-latest", SET_BACK)
    assert forward != SET_BACK
    async with Producer(kafka, topic, with_times=True) as producer:
        await producer.produce(changes(rng, 200, 30))
        await process_all(settings, plan_for(url), producer, scripted)
        before = datetime.now(UTC)
        await producer.produce(changes(rng, 60, 30, 200))
        await reset(settings, forward, tmp_path)
        with capture_logs() as logs:
            async with running(settings, plan_for(url)) as status:
                await until(lambda: len(status.partitions) == 3 and status.is_ready)
        told = lines(logs, PASSED)
        assert status.figures.lost == {"passed": 60}
        assert sum(each["lost_to"] - each["lost_from"] for each in told) == 60
        assert {each["partition"] for each in told} == {0, 1, 2}
        assert first_occurrences(scripted) == expected(producer.events[:200])

        at = before.strftime("%Y-%m-%dT%H:%M:%S.000")
        await reset(settings, re.sub(r"(--to-datetime) \S+", rf"\1 {at}", SET_BACK), tmp_path)
        with capture_logs() as logs:
            async with running(settings, plan_for(url)) as status:
                await caught_up(scripted, expected(producer.events))
        assert not lines(logs, PASSED)
        assert not status.figures.lost
    assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) == 0


async def deleted_until(servers: str, topic: str, offset: int) -> None:
    """As retention does, at once."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})
    finally:
        await admin.close()


async def test_what_the_source_deleted_unread_is_reported_at_a_start_and_while_it_runs(
    kafka: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    topic = f"events-{uuid.uuid4().hex[:8]}"
    await create_topic(kafka, topic, partitions=1)
    settings = settings_for(
        kafka,
        topic,
        in_flight_bytes=str(1 << 20),
        kafka_partition_fetch_max_bytes="1024",
        kinesis_request_timeout_ms="1500",
    )
    entry = {"status": "realized", "lastQualificationTime": "2020-01-01T00:00:00Z"}

    def events(first: int, end: int) -> list[tuple[bytes, bytes]]:
        membership = {"ups": {"one": entry}}
        return [
            (b"%d" % each, json.dumps({"segmentMembership": membership, "filling": "x" * 40_000}).encode())
            for each in range(first, end)
        ]

    async with Producer(kafka, topic) as producer:
        await producer.produce(events(0, 10))
        async with running(settings, plan_for(url)):
            await until(lambda: len(scripted.stored) == 10)
        await producer.produce(events(10, 300))
        await deleted_until(kafka, topic, 25)
        scripted.faults = Faults(black_hole=True)
        with capture_logs() as logs:
            async with running(settings, plan_for(url)) as status:
                await until(lambda: status.figures.in_flight > 20)
                assert status.figures.lost == {"deleted": 15}
                await deleted_until(kafka, topic, 290)
                scripted.faults = Faults()
                await until(lambda: bool(scripted.stored) and scripted.stored[-1].partition_key == "299")
    first, second = lines(logs, DELETED)
    assert (first["partition"], first["lost_from"], first["lost_to"]) == (0, 10, 25)
    assert (second["partition"], second["lost_to"]) == (0, 290)
    assert status.figures.lost["deleted"] == 15 + 290 - second["lost_from"]
    exported = {int(each.partition_key) for each in scripted.stored}
    assert exported == set(range(10)) | set(range(25, second["lost_from"])) | set(range(290, 300))


async def test_a_group_that_begins_anew_on_another_topic_is_reported_so(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str]
) -> None:
    scripted, url = kinesis
    settings, rng = settings_for(kafka, topic), random.Random(1)
    async with Producer(kafka, topic) as producer:
        await producer.produce(changes(rng, 30, 10))
        with capture_logs() as logs:
            await process_all(settings, plan_for(url), producer, scripted)
        assert not [each for each in lines(logs, "the group begins anew") if each["log_level"] == "warning"]
    renamed = f"{topic}-renamed"
    await create_topic(kafka, renamed, partitions=2)
    with capture_logs() as logs:
        async with running(
            settings_for(kafka, renamed, kafka_group=settings.kafka.group), plan_for(url)
        ) as status:
            await until(lambda: len(status.partitions) == 2 and status.is_ready)
    assert status.figures.begun_anew == {"topic": 2}
    told = lines(logs, "the group begins anew on this topic")
    assert [(each["partition"], each["offset"]) for each in sorted(told, key=lambda e: e["partition"])] == [
        (0, 0),
        (1, 0),
    ]
    assert all(each["elsewhere"][topic] > 0 for each in told)
    async with running(
        settings_for(kafka, renamed, kafka_group=settings.kafka.group), plan_for(url)
    ) as status:
        await until(lambda: len(status.partitions) == 2 and status.is_ready)
    assert not status.figures.begun_anew
