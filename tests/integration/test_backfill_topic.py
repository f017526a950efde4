"""Requests for backfills reach every worker, and what workers report reaches whoever asks, by a small topic that anybody may spoil."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from structlog.testing import capture_logs

from processor.backfill.messages import Reported, Request, encoded, partition_key
from processor.backfill.note import BackfillNote
from processor.backfill.reporting import Reporting
from processor.embedded import start_kafka
from processor.errors import KafkaUnavailable
from processor.operations.backfill_requests import ask_for_backfill, backfill_views
from processor.operations.connection_checks import connection_checks
from processor.service import backfill_control
from processor.service.backfill_control import BackfillControl
from processor.telemetry.backfills import Backfills, Begun, Cause
from tests.conftest import create_topic
from tests.support.command import run
from tests.support.compaction import is_gone, put, roll
from tests.support.group import caught_up
from tests.support.members import Member, Producer, changes, expected, member_environ
from tests.support.numbered_changes import case
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.topics import administered, delete, described
from tests.support.world import committed, plan_for, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.operations.backfill_requests import BackfillView
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

CAUSE = Cause("new", "old", None)


class Worker:
    """The control of a worker's backfills, and the ids that it was handed."""

    def __init__(self, settings: Settings) -> None:
        self.heeded: list[str] = []
        self.backfills = Backfills()
        self.notes: dict[int, BackfillNote] = {}
        reporting = Reporting(self.backfills, lambda: self.notes, settings.kafka.client_id)
        self.control = BackfillControl(settings, reporting, self.heeded.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Worker]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.control.run(stop))
            yield self
            stop.set()


async def append(settings: Settings, *records: tuple[bytes | None, bytes | None]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.servers[0])
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(settings.backfill_topic, key=key, value=value, partition=0)
    finally:
        await producer.stop()


async def view(settings: Settings) -> BackfillView:
    async with aclosing(backfill_views(settings)) as views:
        async for each in views:
            return each
    raise AssertionError


async def view_when(settings: Settings, partition: int, stage: str) -> Reported:
    """What is reported of a partition once it is at a stage."""
    async with aclosing(backfill_views(settings)) as views:
        async for each in views:
            reported = each.partitions[partition].reported
            if reported is not None and reported.stage == stage:
                return reported
    raise AssertionError


async def test_a_request_reaches_workers_that_run_and_those_that_start_later_once_each(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    first, second = Worker(settings), Worker(settings)
    async with first.running():
        asked = (await ask_for_backfill(settings, "us")).request.id
        await until(lambda: first.heeded == [asked])
        async with second.running():
            await until(lambda: second.heeded == [asked])
            again = (await ask_for_backfill(settings, "us")).request.id
            await until(lambda: second.heeded == [asked, again])
            await until(lambda: first.heeded == [asked, again])


async def test_the_topic_is_made_once_compacted_and_of_one_partition(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    workers = [Worker(settings) for _ in range(3)]
    with capture_logs() as lines:
        async with workers[0].running(), workers[1].running(), workers[2].running():
            asked = (await ask_for_backfill(settings, "")).request.id
            await until(lambda: [each.heeded for each in workers] == [[asked]] * 3)
    partitions, configuration = await described(kafka, settings.backfill_topic)
    assert (partitions, configuration["cleanup.policy"]) == (1, "compact")
    assert not [line for line in lines if line["log_level"] in {"warning", "error"}]


async def test_of_requests_that_wait_for_a_worker_the_newest_alone_is_handed_on(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    odd = ["", "x" * 10_000, "\udcff", "\x00\n", "\U0001f600" * 300]
    asked = await asyncio.gather(*(ask_for_backfill(settings, each) for each in odd))
    newest = (await view(settings)).request
    assert newest in [each.request for each in asked]
    assert {each.partitions for each in asked} == {3}
    assert {each.members for each in asked} == {0}
    worker = Worker(settings)
    async with worker.running():
        await until(lambda: bool(worker.heeded))
    assert newest is not None
    assert worker.heeded == [newest.id]


async def test_whatever_else_is_written_there_stops_nobody_and_hides_no_request(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    worker = Worker(settings)
    garbage: list[tuple[bytes | None, bytes | None]] = [
        (b"request", b"\xff\xfe no JSON"),
        (b"request", b"[]"),
        (b"request", b'{"id": 7, "atMs": "x"}'),
        (b"request", b'{"id": "", "atMs": 1}'),
        (b"request", json.dumps({"id": "x" * 60_000, "atMs": 1}).encode()),
        (b"request", b"[" * 3_000),
        (b"partition-0", b"null"),
        (b"partition-x", b"{}"),
        (b"partition-99999", b"{}"),
        (b"partition-00", encoded(Reported("running", "f", 1))),
        (b"partition-1", None),
        (b"other", b"x" * 60_000),
        (b"", b"x"),
    ]
    with capture_logs() as lines:
        async with worker.running():
            asked = (await ask_for_backfill(settings, "us")).request
            await until(lambda: worker.heeded == [asked.id])
            await append(settings, *garbage)
            last = Request("after", 1)
            await append(settings, (b"request", encoded(last)))
            await until(lambda: worker.heeded == [asked.id, "after"])
    assert (await view(settings)).unreported == [0, 1, 2]
    reported = [line for line in lines if line["log_level"] in {"warning", "error"}]
    assert reported
    assert {line["event"] for line in reported} == {
        "records of the topic of backfills are passed over: they are none of this service's"
    }


async def test_kafka_that_is_away_for_a_moment_is_no_warning_and_one_that_stays_away_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_control, "_AGAIN_S", 0.01)
    worker = Worker(settings_for("127.0.0.1:1", "events"))
    tried_again, unheard = "the topic of backfills is tried again", backfill_control.UNHEARD
    with capture_logs() as lines:
        async with worker.running():
            await until(lambda: any(line["event"] == unheard for line in lines))
    ours = [(line["log_level"], line["event"]) for line in lines if line["event"] in {tried_again, unheard}]
    assert ours == [("info", tried_again), ("warning", unheard)]


async def test_a_request_that_is_withdrawn_reaches_nobody(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    await ask_for_backfill(settings, "")
    await append(settings, (b"request", None))
    worker = Worker(settings)
    worker.backfills.due(0, CAUSE, is_off=False)
    async with worker.running():
        await view_when(settings, 0, "waiting")  # the worker has read all by then
    assert worker.heeded == []
    assert (await view(settings)).request is None


async def test_what_a_worker_tells_stays_when_it_is_killed_and_is_reported_on_by_the_next(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    asked = (await ask_for_backfill(settings, "")).request.id
    first = Worker(settings)
    first.backfills.due(1, Cause("new", "old", asked), is_off=False)
    async with first.running():
        await view_when(settings, 1, "waiting")
        first.backfills.begin(1, Begun(3, 100, 1_000, 0, 100))
        first.backfills.read(1, 50, 50, 5_000)
        reported = await view_when(settings, 1, "running")
    assert (reported.request, reported.number, reported.boundary, reported.share) == (asked, 3, 100, 0.5)
    assert (await view(settings)).partitions[1].reported == reported
    second = Worker(settings)
    second.notes[1] = BackfillNote(3, "new", False, former="old", request=asked)
    second.backfills.due(1, Cause("new", "old", None), is_off=False)
    async with second.running():
        await view_when(settings, 1, "waiting")
        second.backfills.begin(1, Begun(4, 120, 2_000, 0, 120))
        second.backfills.complete(1)
        reported = await view_when(settings, 1, "complete")
    assert (reported.number, reported.request, reported.share) == (4, asked, 1.0)
    now = await view(settings)
    assert now.unheeding == [0, 2]
    assert not now.is_done


async def test_a_topic_that_was_deleted_is_made_anew_and_followed_from_its_beginning(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic, kafka_metadata_max_age_ms="500")
    worker = Worker(settings)
    async with worker.running():
        asked = (await ask_for_backfill(settings, "")).request.id
        await until(lambda: worker.heeded == [asked])
        await delete(kafka, settings.backfill_topic)
        again = (await ask_for_backfill(settings, "")).request.id
        await until(lambda: worker.heeded == [asked, again])


async def test_what_compaction_leaves_is_enough_also_where_it_took_the_end() -> None:
    with start_kafka({"log.cleaner.backoff.ms": "100"}) as broker:
        servers = broker.bootstrap_servers
        await create_topic(servers, "events", partitions=3)
        settings = settings_for(servers, "events")
        topic = settings.backfill_topic
        async with administered(servers) as admin:
            compaction = {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.01",
                "delete.retention.ms": "0",
            }
            await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=compaction)])
        requests = [(b"request", encoded(Request(f"id-{number}", number))) for number in range(50)]
        reported = Reported("complete", "new", 1, request="id-49")
        running = [
            (partition_key(0), encoded(Reported("running", "new", number, request="id-49")))
            for number in range(50)
        ]
        await put(servers, topic, [*requests, *running, (partition_key(0), encoded(reported))])
        await put(servers, topic, [(partition_key(2), encoded(reported)), (partition_key(2), None)])
        end = len(requests) + len(running) + 3
        await asyncio.to_thread(roll, broker, topic, end)
        while not await is_gone(servers, topic, end - 1):
            await asyncio.to_thread(roll, broker, topic, end)
        found = await view(settings)
        assert found.request is not None
        assert found.request.id == "id-49"
        assert [each.reported for each in found.partitions] == [reported, None, None]
        worker = Worker(settings)
        async with worker.running():
            await until(lambda: worker.heeded == ["id-49"])
            asked = (await ask_for_backfill(settings, "")).request.id
            await until(lambda: worker.heeded == ["id-49", asked])


async def test_a_topic_that_another_client_made_by_looking_is_used_and_warned_of(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with administered(kafka) as admin:
        await admin.create_topics([NewTopic(settings.backfill_topic, 3, 1)])
    worker = Worker(settings)
    with capture_logs() as lines:
        async with worker.running():
            asked = (await ask_for_backfill(settings, "")).request.id
            await until(lambda: worker.heeded == [asked])
    (reason,) = [line["reason"] for line in lines if line["event"] == "the topic of backfills forgets"]
    assert "cleanup.policy=delete" in reason
    async with served(ScriptedKinesis(random.Random(5))) as url:
        checks = [each async for each in connection_checks(settings, plan_for(case(), "s", url))]
    (warning,) = [each.warning for each in checks if each.warning]
    assert reason == warning
    assert not [each.trouble for each in checks if each.trouble]


async def test_status_says_where_there_is_no_topic_yet_and_makes_none(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    with pytest.raises(KafkaUnavailable, match="nothing was asked or reported yet"):
        await view(settings)
    async with administered(kafka) as admin:
        assert settings.backfill_topic not in await admin.list_topics()


async def lines_of(member: Member, count: int, text: str) -> list[str]:
    """The lines of a member's log that have a text, once there are so many."""
    while True:
        found = [line for line in member.log.read_text().splitlines() if text in line]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.05)


async def test_a_request_reaches_all_workers_of_two_processes_also_after_they_were_killed(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    scripted.check_order = False  # a killed member's request may arrive beside its successor's
    async with served(scripted) as url:
        environ = member_environ(kafka, topic, tmp_path, url)
        status = "backfill", "status", "--json"
        code, reported = await run(environ, *status)
        assert (code, "nothing was asked or reported yet" in reported) == (1, True)
        code, reported = await run(environ, "backfill", "--by", "a new segment")
        assert code == 0, reported
        assert "asked for a backfill of 3 partitions" in reported
        assert "has no members now: it begins when the service starts" in reported
        code, reported = await run(environ, *status)
        assert code == 1
        found = json.loads(reported)
        request = found["request"]["id"]
        assert found["request"]["by"] == "a new segment"
        assert [each["hasHeeded"] for each in found["partitions"]] == [False] * 3
        members = [await Member(tmp_path, environ, 2).start() for _ in range(2)]
        try:
            for each in members:
                await lines_of(each, 2, request)
            await members[0].kill()
            members[0] = await Member(tmp_path, environ, 2).start()
            await lines_of(members[0], 2, request)
            code, reported = await run(environ, *status, "--wait")
            assert code == 0, reported
            async with Producer(kafka, topic) as producer:
                await producer.produce(changes(random.Random(6), 200, 40))
                await caught_up(scripted, expected(producer.events))
            code, reported = await run(environ, "backfill")
            assert (code, "has no members" in reported) == (0, False), reported
            again = reported.partition("request ")[2].split()[0]
            for each in members:
                await lines_of(each, 2, again)
            code, reported = await run(environ, *status, "--wait")
            assert code == 0, reported
            found = json.loads(reported[reported.index("{") :])
            assert found["isDone"]
            assert [each["reported"]["request"] for each in found["partitions"]] == [again] * 3
            profiles = {key for key, _ in producer.events}
            assert sum(each["reported"]["profiles"] for each in found["partitions"]) == len(profiles)
            assert sum(each["reported"].get("exported", 0) for each in found["partitions"]) == 0
            code, reported = await run(environ, "backfill", "status")
            assert (code, reported.count(" complete ")) == (0, 3), reported
            assert "heeded by every partition" in reported
        finally:
            for each in members:
                await each.stop()


async def test_where_none_begins_by_itself_what_is_due_is_reported_tried_and_then_asked_for(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        environ = member_environ(kafka, topic, tmp_path, url, backfill="off")
        file = tmp_path / "destination.yaml"
        mapped = json.loads(file.read_text())
        file.write_text(json.dumps({**mapped, "attributes": []}))
        settings = settings_for(kafka, topic, kafka_group=environ["PROCESSOR_KAFKA_GROUP"])
        async with Producer(kafka, topic) as producer:
            await producer.produce(changes(random.Random(6), 200, 40))
        member = await Member(tmp_path, environ).start()
        try:
            await lines_of(member, 3, "partition restored")
            while await committed(kafka, settings.kafka.group, topic) < 200:
                await asyncio.sleep(0.05)
            before = len(scripted.stored)
            file.write_text(json.dumps(mapped))
            member.process.send_signal(signal.SIGHUP)
            for partition in range(3):
                assert (await view_when(settings, partition, "off")).former is not None
            code, reported = await run(environ, "backfill", "status")
            assert code == 1
            assert "`processor backfill` begins what is due of partitions 0, 1, 2" in reported
            code, reported = await run(environ, "backfill", "--dry-run", "--json", "--destination", str(file))
            assert code == 0, reported
            due = json.loads(reported)["exports"]
            assert due > 0
            assert len(scripted.stored) == before
            code, reported = await run(environ, "backfill")
            assert code == 0, reported
            code, reported = await run(environ, "backfill", "status", "--wait", "--json")
            assert code == 0, reported
            found = json.loads(reported[reported.index("{") :])
            assert sum(each["reported"].get("exported", 0) for each in found["partitions"]) == due
            assert len(scripted.stored) == before + due
        finally:
            await member.stop()
