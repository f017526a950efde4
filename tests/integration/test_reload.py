"""Changed files are taken on SIGHUP, all or nothing; what is mapped newly, or no more, behaves as the semantics say."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from processor.configuration import Files
from processor.configuration.plan import plan_of
from processor.service.reload import Changes
from processor.service.run import run_service
from processor.telemetry.status import Status
from tests.support.members import DESTINATION, Member, Producer, member_environ
from tests.support.observation import in_flight, ready, status_of, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


def event(number: int, *segments: str) -> tuple[bytes, bytes]:
    time = f"2020-01-01T00:00:0{number}Z"
    entries = {name: {"status": "realized", "lastQualificationTime": time} for name in segments}
    return b"p1", json.dumps({"number": number, "segmentMembership": {"ups": entries}}).encode()


def statuses(kinesis: ScriptedKinesis) -> list[dict[str, str]]:
    """The statuses by segment, export by export."""
    found = []
    for _, data in kinesis.stored:
        entries = json.loads(data)["segmentMembership"].get("ups", {})
        found.append({segment: entry["status"] for segment, entry in entries.items()})
    return found


async def exports_reach(kinesis: ScriptedKinesis, count: int) -> None:
    while len(kinesis.stored) < count:
        await asyncio.sleep(0.02)


async def reloads_reach(http: aiohttp.ClientSession, url: str, result: str, count: int) -> dict[str, Any]:
    """The status once each worker has `count` reloads of this result."""
    while True:
        async with http.get(f"{url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [
            line
            for line in lines
            if line.startswith("processor_configuration_reloads_total") and result in line
        ]
        if found and all(line.endswith(f" {count}.0") for line in found):
            return await status_of(http, url)
        await asyncio.sleep(0.02)


async def all_is_kept(http: aiohttp.ClientSession, url: str) -> None:
    """Once nothing is in flight: the state of what was exported is in the changelog."""
    while await in_flight(http, url):
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
async def test_files_are_taken_on_sighup_and_refused_as_a_whole_where_they_are_wrong(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, workers: int
) -> None:
    scripted, kinesis_url = kinesis
    environ = member_environ(kafka, topic, tmp_path, kinesis_url)
    file = tmp_path / "destination.yaml"
    connection = json.loads(file.read_text())["connection"]

    def change(**members: Any) -> None:
        file.write_text(json.dumps({**DESTINATION, "connection": connection, **members}))

    member = await Member(tmp_path, environ, workers).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
            await producer.produce([event(1, "one", "two", "three")])
            await exports_reach(scripted, 1)

            change(segments=[{"id": "one"}, {"id": "three"}])  # two is unmapped, three mapped newly
            member.process.send_signal(signal.SIGHUP)
            told = await reloads_reach(http, url, "taken", 1)
            assert [each["name"] for each in told["workers"][0]["destination"]["items"]] == [
                "ups/one",
                "ups/three",
                "number",
            ]
            # Three was there already, and the backfill brings it.
            await exports_reach(scripted, 2)
            await producer.produce([event(2, "one", "two", "three")])
            await exports_reach(scripted, 3)

            change(segments=[{"id": "one"}, {"id": "four"}], attributes=["number", "number"])
            member.process.send_signal(signal.SIGHUP)
            told = await reloads_reach(http, url, "refused", 1)
            assert "number is given already" in told["workers"][0]["destination"]["problems"][0]
            await ready(http, url)
            await producer.produce([event(3, "one", "three")])
            await exports_reach(scripted, 4)

            change(stream="another")
            member.process.send_signal(signal.SIGHUP)
            told = await reloads_reach(http, url, "refused", 2)
            assert "stream: it cannot change" in told["workers"][0]["destination"]["problems"][0]

            change()
            member.process.send_signal(signal.SIGHUP)
            told = await reloads_reach(http, url, "taken", 2)
            assert told["workers"][0]["destination"]["problems"] == []
            await producer.produce([event(4, "one", "three")])
            await exports_reach(scripted, 5)
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert statuses(scripted) == [
        {"one": "realized", "two": "realized"},
        {"one": "existing", "three": "realized"},
        {"one": "existing", "three": "existing"},
        {"one": "existing", "three": "existing"},
        {"one": "existing"},
    ]


async def test_a_worker_that_is_started_anew_follows_the_last_valid_files_whatever_they_hold_by_then(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    environ = member_environ(kafka, topic, tmp_path, kinesis_url)
    file = tmp_path / "destination.yaml"
    connection = json.loads(file.read_text())["connection"]
    member = await Member(tmp_path, environ, workers=2).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
            await producer.produce([event(1, "one", "two")])
            await exports_reach(scripted, 1)
            await all_is_kept(http, url)
            file.write_text(
                json.dumps({**DESTINATION, "connection": connection, "segments": [{"id": "one"}]})
            )
            member.process.send_signal(signal.SIGHUP)
            await reloads_reach(http, url, "taken", 1)

            file.write_text("name: [a half-written file")
            for pid in member.worker_pids():
                os.kill(pid, signal.SIGKILL)
            while True:
                async with http.get(f"{url}/api/status") as answer:
                    told = await answer.json()
                problems = [each["destination"]["problems"] for each in told["workers"]]
                if len(problems) == 2 and told["ready"]:
                    break
                await asyncio.sleep(0.05)
            assert all("it is not YAML" in each[0] for each in problems), problems
            assert all(
                any(
                    entry["event"].startswith("the changed configuration is refused")
                    for entry in each["errors"]
                )
                for each in told["workers"]
            )
            assert [item["name"] for item in told["workers"][0]["destination"]["items"]] == [
                "ups/one",
                "number",
            ]
            await producer.produce([event(2, "one", "two")])
            await exports_reach(scripted, 2)
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert statuses(scripted) == [{"one": "realized", "two": "realized"}, {"one": "existing"}]


async def test_keys_alone_may_change_while_the_service_runs_by_sighup_and_by_their_files(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted, known = ScriptedKinesis(random.Random(5)), {"test"}
    async with served(scripted, known) as kinesis_url, aiohttp.ClientSession() as http:
        environ = member_environ(kafka, topic, tmp_path, kinesis_url, kinesis_slow_retry_ms="300")
        file = tmp_path / "destination.yaml"
        connection = json.loads(file.read_text())["connection"]

        def connect(**members: str) -> None:
            file.write_text(json.dumps({**DESTINATION, "connection": {**connection, **members}}))

        member = await Member(tmp_path, environ, workers=2).start()
        try:
            async with Producer(kafka, topic) as producer:
                url = await url_of(member)
                await ready(http, url)

                # The keys have come to their end, and one of the workers dies: its next life waits for others.
                known.clear()
                await producer.produce([event(1, "one")])
                await unready(http, url, "AWS does not know the access key")
                first = member.worker_pids()
                os.kill(first[0], signal.SIGKILL)
                await unready(http, url, "AWS does not know the access key", but=first)

                connect(region="eu-west-2", accessKeyId="new")
                member.process.send_signal(signal.SIGHUP)
                told = await reloads_reach(http, url, "refused", 1)
                for worker in told["workers"]:
                    (problem,) = worker["destination"]["problems"]
                    assert "connection.region: it cannot change while the service runs" in problem

                known.add("new")
                connect(accessKeyId="new")
                member.process.send_signal(signal.SIGHUP)
                await reloads_reach(http, url, "taken", 1)
                await exports_reach(scripted, 1)
                await ready(http, url)

                # From here on by files, which are read anew without a signal.
                key_file = tmp_path / "access-key-id"
                key_file.write_text("new\n")
                file.write_text(
                    json.dumps(
                        {
                            **DESTINATION,
                            "connection": {
                                **{name: text for name, text in connection.items() if name != "accessKeyId"},
                                "accessKeyIdFile": str(key_file),
                            },
                        }
                    )
                )
                member.process.send_signal(signal.SIGHUP)
                await reloads_reach(http, url, "taken", 2)
                await producer.produce([event(2, "one")])
                await exports_reach(scripted, 2)
                known.clear()
                known.add("newer")
                key_file.write_text("newer\n")
                await producer.produce([event(3, "one")])
                await exports_reach(scripted, 3)
                await ready(http, url)
            assert await member.stop() == 0
        finally:
            await member.kill()
    assert statuses(scripted) == [{"one": "realized"}, {"one": "existing"}, {"one": "existing"}]


async def test_a_worker_that_waits_to_be_connected_begins_with_the_files_that_changed_meanwhile(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted, known = ScriptedKinesis(random.Random(5)), {"new"}
    async with served(scripted, known) as kinesis_url:

        def files(key: str, *segments: str) -> Files:
            connection = {
                "region": "eu-west-1",
                "accessKeyId": key,
                "secretKey": "s",
                "connectionUrl": kinesis_url,
            }
            mapped = [{"id": segment} for segment in segments]
            text = json.dumps({**DESTINATION, "connection": connection, "segments": mapped})
            return Files((text, "destination.yaml"), None, [])

        changes, status, stop = Changes(), Status(), asyncio.Event()
        settings, plan = settings_for(kafka, topic), plan_of(files("old", "one", "two"))
        async with Producer(kafka, topic) as producer, asyncio.TaskGroup() as tasks:
            await producer.produce([event(1, "one", "two", "three")])
            tasks.create_task(run_service(settings, plan, stop, status, restarted=True, changes=changes))
            await until(lambda: "AWS does not know the access key" in status.conditions.get("kinesis", ""))
            changes.offer(files("new", "three"))
            await exports_reach(scripted, 1)
            stop.set()
    assert statuses(scripted) == [{"three": "realized"}]


async def unready(http: aiohttp.ClientSession, url: str, because: str, but: Sequence[int] = ()) -> None:
    """Wait until a worker, another process than those of `but`, is unready for that reason."""
    while True:
        async with http.get(f"{url}/api/status") as answer:
            workers = (await answer.json())["workers"]
        reasons = [
            reason for each in workers if each["pid"] not in but for reason in each["conditions"].values()
        ]
        if any(because in reason for reason in reasons):
            return
        await asyncio.sleep(0.02)


async def held(http: aiohttp.ClientSession, url: str) -> str:
    """What `/readyz` says of the limit of dead letters, once it holds."""
    while True:
        async with http.get(f"{url}/readyz") as answer:
            reasons: dict[str, str] = (await answer.json())["reasons"]
        for what, why in reasons.items():
            if what.endswith("dead-letter limit"):
                return why
        await asyncio.sleep(0.05)


async def dead_lettered(http: aiohttp.ClientSession, urls: Sequence[str]) -> int:
    """By all workers of these processes."""
    letters = 0
    for url in urls:
        async with http.get(f"{url}/api/status") as answer:
            letters += sum(int(each["totals"]["deadLettered"]) for each in (await answer.json())["workers"])
    return letters


async def test_a_backlog_of_bad_events_is_let_through_by_sighup_to_each_process_of_the_group_once(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    homes = [tmp_path / "one", tmp_path / "two"]
    members = []
    for home in homes:
        home.mkdir()
        environ = member_environ(kafka, topic, home, kinesis_url, dead_letter_limit_count="20", http_port="0")
        members.append(Member(home, environ, workers=2 if home is homes[0] else 1))
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            for member in members:
                await member.start()
            urls = [await url_of(member) for member in members]
            for url in urls:
                await ready(http, url)
            # A broken release, for long; then it is mended.
            await producer.produce([(b"p%d" % number, b"{no json") for number in range(3_000)])
            good = [(b"p%d" % number, event(1, "one")[1]) for number in range(30)]
            await producer.produce(good)
            for url in urls:
                why = await held(http, url)
                assert "events were bad (PROCESSOR_DEAD_LETTER_LIMIT_COUNT: 20, _SHARE: 50%)" in why
                assert "send SIGHUP to every process of the group" in why
            async with http.get(f"{urls[0]}/api/status") as answer:
                limits = [each["deadLetterLimit"] for each in (await answer.json())["workers"]]
            assert any(each["isHeld"] and each["ratio"] == 1 for each in limits)
            assert await dead_lettered(http, urls) <= 3 * 20
            for member in members:
                os.kill(member.process.pid, signal.SIGHUP)
            await exports_reach(scripted, 30)
            for url in urls:
                await ready(http, url)
            while await dead_lettered(http, urls) < 3_000:
                await asyncio.sleep(0.05)
            assert await dead_lettered(http, urls) == 3_000
            # It was for once: the producer is broken again.
            await producer.produce([(b"p%d" % number, b"{no json") for number in range(200)])
            for url in urls:
                assert "were bad" in await held(http, url)
        logs = "".join(member.log.read_text() for member in members)
        assert logs.count("dead letters of what the topic has by now are let through, once") == 3
        assert "what was let through is done, dead letters count again" in logs
        assert [await member.stop() for member in members] == [0, 0]
    finally:
        for member in members:
            await member.kill()
