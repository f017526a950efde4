"""What a set-up looks at, on a real member: a real topic's sample, previews that come true, and what is away or slow."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

from processor.embedded import start_kafka
from tests.conftest import create_topic
from tests.integration.test_defined_member import exports_reach, running, statuses
from tests.support.defined import SECRET, SEGMENTS, SERVICE, TOKEN, Api, defined_environ, mapped
from tests.support.kinesis_connection import endpoint
from tests.support.members import Producer
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]

OWN: Final = "/data/foundation/processor"
READ_TOKEN: Final = "a-read-token-of-the-tests-01234"
TIME: Final = "2020-01-01T00:00:00Z"
KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"


def profile(number: int, *segments: str) -> tuple[bytes, bytes]:
    entries = {each: {"status": "realized", "lastQualificationTime": TIME} for each in segments}
    value = {"number": number, "email": f"jane{number}@example.com", "segmentMembership": {"ups": entries}}
    return f"profile-{number}".encode(), json.dumps(value).encode()


async def asked(
    http: aiohttp.ClientSession, url: str, path: str, body: Any = None, token: str = TOKEN
) -> tuple[int, Any]:
    """The status and the body of an answer to a call of our own."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.request(
        "GET" if body is None else "POST", url + OWN + path, json=body, headers=headers
    ) as answer:
        return answer.status, await answer.json()


def counted(kinesis: ScriptedKinesis) -> Counter[tuple[str, str]]:
    """How often each segment was exported with each status."""
    return Counter(each for found in statuses(kinesis) for each in found.items())


def account(kinesis_url: str) -> dict[str, Any]:
    params = {"accessKeyId": KEY_ID, "secretKey": SECRET, "region": "eu-west-1", "connectionUrl": kinesis_url}
    return {"auth": {"params": params}}


async def test_what_a_preview_shows_of_a_real_topic_is_what_the_backfill_exports(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    kinesis = ScriptedKinesis(random.Random(5))
    environ = defined_environ(kafka, topic, tmp_path, api_read_token=READ_TOKEN)
    async with (
        served(kinesis, names=["exports"]) as kinesis_url,
        Producer(kafka, topic) as producer,
        running(tmp_path, environ) as member,
        aiohttp.ClientSession() as http,
    ):
        url = await url_of(member)
        await ready(http, url)
        await producer.produce(
            [profile(number, *["one"] * (number < 4), *["two"] * (number > 2)) for number in range(6)]
        )

        status, sample = await asked(http, url, "/sample?refresh=true", token=READ_TOKEN)
        assert (status, sample["topic"], sample["profiles"]) == (200, topic, 6)
        assert sample["partitionsRead"] == sample["partitions"] == 3
        assert {each["id"]: each["members"] for each in sample["segments"]} == {"one": 4, "two": 3}
        assert "jane" not in json.dumps(sample)

        status, seen = await asked(http, url, "/streams", account(kinesis_url) | {"stream": "exports"})
        assert (status, seen["list"]) == (200, {"names": ["exports"], "isWhole": True})
        assert seen["stream"] == {
            "name": "exports", "exists": True, "status": "ACTIVE", "mode": "ON_DEMAND", "shards": 4,
        }  # fmt: skip
        assert not kinesis.stored

        api = Api(http, url)
        source, connection = await api.connect(kinesis_url)
        _, flow = await api.activate(source, connection, "one")
        await exports_reach(kinesis, 4)
        _, etag = await api.call("GET", f"/flows/{flow}", status=200)
        change = {
            "method": "PATCH",
            "path": f"{SERVICE}/flows/{flow}",
            "body": [mapped("two")],
            "ifMatch": etag,
        }
        status, shown = await asked(http, url, "/previews", change)
        assert status == 200, shown
        assert (shown["backfill"]["isDue"], shown["backfill"]["exported"]) == (True, 3)
        assert "jane" not in json.dumps(shown)

        before = counted(kinesis)
        await api.patch(f"/flows/{flow}", mapped("two"))
        await exports_reach(kinesis, 4 + shown["backfill"]["exported"])
        expected = {
            (each["id"], name): each[name]
            for each in shown["backfill"]["segments"]
            for name in ("realized", "existing", "exited")
            if each[name]
        }
        assert counted(kinesis) - before == Counter(expected)
        status, late = await asked(http, url, "/previews", change)
        assert status == 412, late

        off = {**change, "ifMatch": "*", "body": [{"op": "remove", "path": f"{SEGMENTS}/0"}]}
        status, shown = await asked(http, url, "/previews", off)
        assert (status, shown["backfill"]["exported"]) == (200, 0), "what is unmapped goes without a word"


async def test_permissions_that_the_stream_lacks_are_told(kafka: str, topic: str, tmp_path: Path) -> None:
    denied = Faults(
        unnamed="AccessDeniedException", undescribed="AccessDeniedException", unlisted="AccessDeniedException"
    )
    kinesis = ScriptedKinesis(random.Random(5), faults=denied)
    async with (
        served(kinesis, names=["exports"]) as kinesis_url,
        running(tmp_path, defined_environ(kafka, topic, tmp_path)) as member,
        aiohttp.ClientSession() as http,
    ):
        url = await url_of(member)
        status, seen = await asked(http, url, "/streams", account(kinesis_url) | {"stream": "exports"})
        assert status == 200
        assert seen["missingPermissions"] == [
            "kinesis:ListStreams", "kinesis:DescribeStreamSummary", "kinesis:ListShards",
        ]  # fmt: skip
        assert seen["problems"] == []


async def test_an_endpoint_that_never_answers_holds_up_neither_other_calls_nor_further_ones(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        begun.put_nowait(None)
        await reader.read()

    async with (
        endpoint(never) as slow,
        served(ScriptedKinesis(random.Random(5)), names=["exports"]) as kinesis_url,
        running(tmp_path, defined_environ(kafka, topic, tmp_path)) as member,
        aiohttp.ClientSession() as http,
    ):
        url = await url_of(member)
        waiting = [asyncio.create_task(asked(http, url, "/streams", account(slow))) for _ in range(2)]
        for _ in waiting:
            await begun.get()
        status, told = await asked(http, url, "/streams", account(kinesis_url))
        assert (status, told["title"]) == (429, "Too Many Requests")
        assert (await asked(http, url, "/token"))[0] == 200
        assert (await asked(http, url, "/sample"))[0] == 200
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        while (found := await asked(http, url, "/streams", account(kinesis_url)))[0] == 429:
            await asyncio.sleep(0.05)
        assert found[1]["list"]["names"] == ["exports"]
        assert SECRET not in await asyncio.to_thread(member.log.read_text)


async def test_while_kafka_is_away_a_sample_is_an_error_and_whose_a_token_is_is_told(tmp_path: Path) -> None:
    with start_kafka() as broker:
        servers, topic = broker.bootstrap_servers, "events"
        await create_topic(servers, topic, partitions=1)
        async with (
            running(tmp_path, defined_environ(servers, topic, tmp_path)) as member,
            aiohttp.ClientSession() as http,
        ):
            url = await url_of(member)
            assert (await asked(http, url, "/sample"))[0] == 200
            await asyncio.to_thread(broker.kill)
            # What was read is kept for a while; what is asked for anew is not there.
            while (answer := await asked(http, url, "/sample?refresh=true"))[0] == 200:
                await asyncio.sleep(0.2)
            status, told = answer
            assert status == 503
            assert "none of the servers answers" in told["detail"]
            assert (await asked(http, url, "/token"))[0] == 200
            await asyncio.to_thread(broker.restart)
            while (await asked(http, url, "/sample?refresh=true"))[0] != 200:
                await asyncio.sleep(0.2)
