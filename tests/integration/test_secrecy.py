"""No profile's value and no secret is in anything that a run puts out: logs, errors, metrics, status, the page."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.support.members import DESTINATION, Member, Producer, member_environ
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.integration]

SECRETS = ["access-key-6f1d", "secret-key-9b2c"]
VALUES = [
    "key-41c7",
    "attribute-b5e0",
    "identity-77aa",
    "label-0d3f",
    "unmapped-e2f9",
    "broken-c8d1",
    "time-f00d",
]
PATHS = ("livez", "readyz", "metrics", "api/status", "")


def events() -> list[tuple[bytes, bytes]]:
    """Good events and bad ones of every kind, each with values that nothing may tell."""
    entry = {"status": "realized", "lastQualificationTime": "2020-01-01T00:00:00Z"}
    good = {
        "number": "attribute-b5e0",
        "unmapped": "unmapped-e2f9",
        "identityMap": {"ecid": [{"id": "identity-77aa"}]},
        "segmentMembership": {"ups": {"one": entry}},
    }
    bad_time = {
        **good,
        "segmentMembership": {"ups": {"one": {**entry, "lastQualificationTime": "time-f00d"}}},
    }
    bad_identity = {**good, "identityMap": {"ecid": [{"id": 5, "x": "identity-77aa"}]}}
    too_large = {**good, "number": "attribute-b5e0" * 8_000}
    values = [good, bad_time, bad_identity, too_large, {"segmentMembership": "broken-c8d1"}]
    texts = [json.dumps(value).encode() for value in values]
    texts += [b'{"number": "broken-c8d1"', b'["broken-c8d1"]', b"\xffbroken-c8d1"]
    return [(b"key-41c7-%d" % number, text) for number, text in enumerate(texts)] + [(b"\xffkey-41c7", b"{}")]


async def test_nothing_that_a_run_puts_out_holds_a_profiles_value_or_a_secret(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5), faults=Faults(unavailable=0.3, throttled=0.2))
    scripted.record_bytes = 64 * 1024
    async with served(scripted) as kinesis_url:
        environ = member_environ(
            kafka, topic, tmp_path, kinesis_url, log_level="debug", log_interval_ms="200"
        )
        connection = {
            "region": "eu-west-1",
            "accessKeyId": "${KEY_ID}",
            "secretKey": "${KEY}",
            "connectionUrl": kinesis_url,
        }
        (tmp_path / "destination.yaml").write_text(json.dumps({**DESTINATION, "connection": connection}))
        environ |= {"KEY_ID": SECRETS[0], "KEY": SECRETS[1]}
        member = await Member(tmp_path, environ, workers=2).start()
        try:
            told = await _told(member, kafka, topic, scripted)
        finally:
            await member.kill()
    told["log"] = member.log.read_text()
    assert "figures" in told["log"]
    assert "dead_lettered" in told["metrics"]
    for place, text in told.items():
        for word in (*SECRETS, *VALUES):
            assert word not in text, f"{word} is in {place}"


async def _told(member: Member, kafka: str, topic: str, scripted: ScriptedKinesis) -> dict[str, str]:
    async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
        url = await url_of(member)
        await ready(http, url)
        sent = events()
        await producer.produce(sent)
        await _settled(http, url, len(sent))
        scripted.faults = Faults(refused="AccessDeniedException")
        await producer.produce([(b"key-41c7-new", sent[0][1])])
        told = {"readyz while refused": await _unready(http, url)}
        scripted.faults = Faults()
        await _settled(http, url, len(sent) + 1)
        for path in PATHS:
            async with http.get(f"{url}/{path}") as answer:
                told[path or "page"] = await answer.text()
    pids = [member.process.pid, *member.worker_pids()]
    told["arguments"] = "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
    assert await member.stop() == 0
    return told


async def _status(http: aiohttp.ClientSession, url: str) -> Mapping[str, float]:
    async with http.get(f"{url}/api/status") as answer:
        workers = (await answer.json())["workers"]
    received = sum(worker["totals"]["received"] for worker in workers)
    return {"settled": received - sum(worker["flow"]["inFlight"] for worker in workers)}


async def _settled(http: aiohttp.ClientSession, url: str, count: int) -> None:
    while (await _status(http, url))["settled"] < count:
        await asyncio.sleep(0.05)


async def _unready(http: aiohttp.ClientSession, url: str) -> str:
    while True:
        async with http.get(f"{url}/readyz") as answer:
            if answer.status == 503:
                return await answer.text()
        await asyncio.sleep(0.02)
