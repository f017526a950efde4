"""Members whose definition is kept in Kafka: exports begin, change and end with the dataflow that the API makes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.support.defined import KEY, SECRET, TOKEN, Api, DefinedMember, defined_environ, mapped
from tests.support.members import Producer
from tests.support.observation import follows, ready, status_of, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def running(directory: Path, environ: dict[str, str], workers: int = 1) -> AsyncIterator[DefinedMember]:
    """A member, which ends in order, or at once where the test has failed."""
    member = DefinedMember(directory, environ, workers)
    await member.start()
    try:
        yield member
        assert await member.stop() == 0
    finally:
        await member.kill()


def event(number: int, *segments: str, profile: str = "p1") -> tuple[bytes, bytes]:
    time = f"2020-01-01T00:00:0{number}Z"
    entries = {name: {"status": "realized", "lastQualificationTime": time} for name in segments}
    return profile.encode(), json.dumps({"number": number, "segmentMembership": {"ups": entries}}).encode()


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


async def noticed(http: aiohttp.ClientSession, url: str, notice: str | None) -> None:
    """Once the status has a notice that ends so, or none, and where there is one, no worker."""
    while True:
        told = await status_of(http, url)
        found = told["notice"]
        if found is None if notice is None else (found or "").endswith(notice) and not told["workers"]:
            return
        await asyncio.sleep(0.05)


async def reasons_have(http: aiohttp.ClientSession, url: str, text: str) -> None:
    while text not in str((await status_of(http, url))["reasons"]):
        await asyncio.sleep(0.05)


async def test_a_member_starts_empty_and_exports_from_the_first_flow_on_until_it_is_deleted(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    async with running(tmp_path, defined_environ(kafka, topic, tmp_path)) as member:
        url = await url_of(member)
        await ready(http, url)
        await noticed(http, url, "there is no dataflow")
        api = Api(http, url)
        async with Producer(kafka, topic) as producer:
            await producer.produce([event(1, "one", "two")])
            source, connection = await api.connect(kinesis_url)
            _, flow = await api.activate(source, connection)
            await noticed(http, url, "maps no segment yet")

            await api.patch(f"/flows/{flow}", mapped("one"))
            await exports_reach(scripted, 1)
            await noticed(http, url, None)
            await ready(http, url)

            await api.call("POST", f"/flows/{flow}/action?op=disable", status=202)
            await noticed(http, url, f"the dataflow {flow} is disabled")
            await ready(http, url)
            await producer.produce([event(2, "one", "two")])
            await api.call("POST", f"/flows/{flow}/action?op=enable", status=202)
            await exports_reach(scripted, 2)
            told = [await status_of(http, url), await api.call("GET", "/connections", status=200)]

            await api.call("DELETE", f"/flows/{flow}", status=202)
            await noticed(http, url, "there is no dataflow")
    assert statuses(scripted) == [{"one": "realized"}, {"one": "existing"}]
    shown = member.log.read_text() + json.dumps(told)
    for secret in (SECRET, TOKEN, KEY):
        assert secret not in shown


async def test_a_change_is_followed_by_all_workers_of_all_members_and_begins_the_backfill_that_it_makes_due(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    homes = [tmp_path / "a", tmp_path / "b"]
    for home in homes:
        home.mkdir()
    environs = [
        defined_environ(kafka, topic, homes[0]),
        defined_environ(kafka, topic, homes[1], api_token=""),  # it follows, and serves no API
    ]
    async with (
        running(homes[0], environs[0], 2) as first,
        running(homes[1], environs[1]) as second,
        Producer(kafka, topic) as producer,
    ):
        urls = [await url_of(first), await url_of(second)]
        await ready(http, urls[0])
        api = Api(http, urls[0])
        source, connection = await api.connect(kinesis_url)
        _, flow = await api.activate(source, connection, "one")
        for url, workers in zip(urls, (2, 1), strict=True):
            await follows(http, url, "one", workers=workers)
            await ready(http, url)
        profiles = [f"p{number}" for number in range(12)]
        await producer.produce([event(1, "one", "two", profile=each) for each in profiles])
        await exports_reach(scripted, 12)

        await api.patch(f"/flows/{flow}", mapped("two"))
        for url, workers in zip(urls, (2, 1), strict=True):
            await follows(http, url, "one", "two", workers=workers)
        # Nothing new came: each profile's latest event is looked at once more.
        await exports_reach(scripted, 24)
    exported = [json.dumps(each, sort_keys=True) for each in statuses(scripted)]
    assert Counter(exported) == {
        '{"one": "realized"}': 12,
        '{"one": "existing", "two": "realized"}': 12,
    }


async def test_members_and_workers_that_are_killed_come_back_with_what_is_in_force_and_lose_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    environ = defined_environ(kafka, topic, tmp_path)
    member = DefinedMember(tmp_path, environ)
    await member.start()
    try:
        async with Producer(kafka, topic) as producer:
            url = await url_of(member)
            await ready(http, url)
            api = Api(http, url)
            source, connection = await api.connect(kinesis_url)
            _, flow = await api.activate(source, connection, "one")
            await producer.produce([event(1, "one", "two")])
            await exports_reach(scripted, 1)

            os.kill(member.worker_pids()[0], signal.SIGKILL)
            await api.patch(f"/flows/{flow}", mapped("two"))
            await producer.produce([event(2, "one", "two")])
            await exports_reach(scripted, 2)
            await follows(http, url, "one", "two")

            # The parent, right after a change was accepted; its worker ends by itself.
            await api.patch(f"/flows/{flow}", mapped("three"))
            member.process.kill()
            await member.process.wait()
            await producer.produce([event(3, "one", "two", "three")])
            member = DefinedMember(tmp_path, environ)
            await member.start()
            url = await url_of(member)
            await follows(http, url, "one", "two", "three")
            await ready(http, url)
            while {"one": "existing", "two": "existing", "three": "realized"} not in statuses(scripted):
                await asyncio.sleep(0.05)
        assert await member.stop() == 0
    finally:
        await member.kill()


async def test_keys_that_kinesis_does_not_know_are_told_and_mended_by_a_patch_while_the_api_goes_on(
    kafka: str, topic: str, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    async with (
        served(scripted, {"right"}) as kinesis_url,
        running(tmp_path, defined_environ(kafka, topic, tmp_path)) as member,
        Producer(kafka, topic) as producer,
    ):
        url = await url_of(member)
        await ready(http, url)
        api = Api(http, url)
        source, connection = await api.connect(kinesis_url, key="wrong")
        await api.activate(source, connection, "one")
        await reasons_have(http, url, "AWS does not know the access key")
        await producer.produce([event(1, "one")])
        await api.patch(
            f"/connections/{connection}",
            {"op": "replace", "path": "/auth/params/accessKeyId", "value": "right"},
        )
        await exports_reach(scripted, 1)
        await ready(http, url)


async def test_a_member_whose_kafka_is_away_at_the_start_serves_says_so_and_goes_on(
    kafka: str, topic: str, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    environ = defined_environ("127.0.0.1:9", topic, tmp_path)
    async with running(tmp_path, environ) as member:
        url = await url_of(member)
        await reasons_have(http, url, "the definition was not read yet")
        told, _ = await Api(http, url).call("GET", "/flows", status=503)
        assert "was not read yet" in told["detail"]


async def test_a_member_without_the_key_of_a_secret_says_so_and_runs_once_it_has_it(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    _, kinesis_url = kinesis
    homes = [tmp_path / "a", tmp_path / "b"]
    for home in homes:
        home.mkdir()
    async with (
        running(homes[0], defined_environ(kafka, topic, homes[0])) as first,
        running(homes[1], defined_environ(kafka, topic, homes[1], api_token="")) as second,
    ):
        url, other = await url_of(first), await url_of(second)
        await ready(http, url)
        api, keys = Api(http, url), homes[1] / "sealing-keys"
        right = keys.read_text()
        keys.write_text(right[::-1].replace("=", "") + "=")
        source, connection = await api.connect(kinesis_url)
        await api.activate(source, connection, "one")
        await follows(http, url, "one")
        await reasons_have(http, other, "accessKeyId")
        keys.write_text(right)
        second.process.send_signal(signal.SIGHUP)
        await follows(http, other, "one")
        await ready(http, other)
