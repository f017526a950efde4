"""Changes by the API on real members: two writers at once, and Kafka away in the middle of one."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from processor.embedded import start_kafka
from tests.conftest import create_topic
from tests.integration.test_defined_member import event, exports_reach, running
from tests.support.defined import SERVICE, TOKEN, Api, defined_environ, mapped
from tests.support.members import Producer
from tests.support.observation import follows, ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]

ROUNDS = 8


async def renamed(
    http: aiohttp.ClientSession, url: str, flow: str, name: str, etag: str
) -> tuple[int, dict[str, Any]]:
    """Rename a flow as it was at `etag`; the answer's status and body."""
    headers = {"Authorization": f"Bearer {TOKEN}", "If-Match": etag}
    body = [{"op": "replace", "path": "/name", "value": name}]
    async with http.patch(f"{url}{SERVICE}/flows/{flow}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def shown(http: aiohttp.ClientSession, url: str, flow: str) -> tuple[str, str]:
    """Name and etag of a flow, once the definition can be read."""
    while True:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.get(f"{url}{SERVICE}/flows/{flow}", headers=headers) as answer:
            if answer.status == 200:
                (item,) = (await answer.json())["items"]
                return item["name"], item["etag"]
            assert answer.status == 503
        await asyncio.sleep(0.1)


async def test_of_two_writers_at_two_members_one_is_refused_and_no_other_change_is_lost(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    homes = [tmp_path / "a", tmp_path / "b"]
    async with AsyncExitStack() as stack:
        kinesis_url = await stack.enter_async_context(served(ScriptedKinesis(random.Random(5))))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        urls = []
        for home in homes:
            home.mkdir()
            member = await stack.enter_async_context(running(home, defined_environ(kafka, topic, home)))
            urls.append(await url_of(member))
            await ready(http, urls[-1])
        apis = [Api(http, url) for url in urls]
        source, connection = await apis[0].connect(kinesis_url)
        _, flow = await apis[0].activate(source, connection)
        for number in range(ROUNDS):
            names = [f"{each}-{number}" for each in "ab"]
            _, etag = await shown(http, urls[0], flow)
            while await shown(http, urls[1], flow) != await shown(http, urls[0], flow):
                await asyncio.sleep(0.02)
            answers = await asyncio.gather(
                *(renamed(http, url, flow, name, etag) for url, name in zip(urls, names, strict=True)),
                *(api.make("/connections", _platform(f"{number} at {at}")) for at, api in enumerate(apis)),
            )
            statuses = [status for status, _ in answers[:2]]
            assert sorted(statuses) == [202, 412]
            (winner,) = [name for name, status in zip(names, statuses, strict=True) if status == 202]
            assert (await shown(http, urls[statuses.index(202)], flow))[0] == winner
        wanted = {f"{number} at {at}" for number in range(ROUNDS) for at in (0, 1)}
        for api in apis:
            # What the other member changed last comes when it comes.
            while not await _connections(api) >= wanted:
                await asyncio.sleep(0.05)


async def _connections(api: Api) -> set[str]:
    made, _ = await api.call("GET", "/connections?limit=100", status=200)
    return {each["name"] for each in made["items"]}


def _platform(name: str) -> dict[str, Any]:
    return {"name": name, "connectionSpec": {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}}


async def test_a_change_while_kafka_is_away_is_an_error_and_whole_or_nothing_once_it_is_back(
    tmp_path: Path,
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    with start_kafka() as broker:
        servers, topic = broker.bootstrap_servers, "events"
        await create_topic(servers, topic, partitions=1)
        async with (
            served(scripted) as kinesis_url,
            running(tmp_path, defined_environ(servers, topic, tmp_path)) as member,
            aiohttp.ClientSession() as http,
        ):
            url = await url_of(member)
            await ready(http, url)
            api = Api(http, url)
            source, connection = await api.connect(kinesis_url)
            _, flow = await api.activate(source, connection, "one")
            before, etag = await shown(http, url, flow)

            await asyncio.to_thread(broker.kill)
            status, told = await renamed(http, url, flow, "while away", etag)
            assert status == 503
            assert told["detail"]

            await asyncio.to_thread(broker.restart)
            name, now = await shown(http, url, flow)
            assert (name == before) == (now == etag)
            assert name in {before, "while away"}
            await api.patch(f"/flows/{flow}", mapped("two"))
            await follows(http, url, "one", "two")
            async with Producer(servers, topic) as producer:
                await producer.produce([event(1, "one", "two")])
                await exports_reach(scripted, 1)
            await ready(http, url)
    assert set(json.loads(scripted.stored[0][1])["segmentMembership"]["ups"]) == {"one", "two"}
