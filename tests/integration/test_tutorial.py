"""The tutorial's script of the docs, against the service as it is run: up to the exported records, and to the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

from tests.support.defined import TOKEN, DefinedMember, defined_environ
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import produce, vector

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.integration]

SCRIPT: Final = Path(__file__).parents[2] / "docs/tutorial/connect-and-activate.sh"
SEGMENTS: Final = ("7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae")


async def script(step: str, environ: Mapping[str, str]) -> str:
    """Run a step of the script, which succeeds, and return all that it wrote."""
    child = await asyncio.create_subprocess_exec(
        "bash",
        str(SCRIPT),
        step,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, told.decode()
    return told.decode()


def script_environ(url: str, kinesis_url: str, directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "API_HOST": url,
        "API_TOKEN": TOKEN,
        "ACCESS_KEY_ID": "an-access-key-5b1e",
        "SECRET_KEY": "a-secret-key-77d0",
        "STREAM": "profile-exports",
        "REGION": "eu-west-1",
        "CONNECTION_URL": kinesis_url,
        "SEGMENT_IDS": " ".join(SEGMENTS),
        "ATTRIBUTES": "person.email",
        "IDS_FILE": str(directory / "ids"),
    }


async def exported(kinesis: ScriptedKinesis, count: int) -> list[Any]:
    while len(kinesis.stored) < count:
        await asyncio.sleep(0.02)
    return [json.loads(data) for _, data in kinesis.stored]


async def exports_lack(kinesis: ScriptedKinesis, name: str) -> None:
    """Once there is an export without this member: the change of governance made it due, no event did."""
    while all(name in json.loads(data) for _, data in kinesis.stored):
        await asyncio.sleep(0.02)


async def all_of(http: aiohttp.ClientSession, url: str) -> list[Any]:
    async with http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        told = await answer.json()
        found: list[Any] = told["items"] if "items" in told else told["children"]
        return found


async def test_the_script_leads_to_the_example_record_is_governed_and_leaves_nothing(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    case = vector("seed-example")
    scripted = ScriptedKinesis(random.Random(5))
    member = DefinedMember(tmp_path, defined_environ(kafka, topic, tmp_path))
    async with served(scripted, {"an-access-key-5b1e"}) as kinesis_url, aiohttp.ClientSession() as http:
        await member.start()
        try:
            url = await url_of(member)
            await ready(http, url)
            environ = script_environ(url, kinesis_url, tmp_path)

            told = await script("connect", environ)
            assert "86043421-563b-46ec-8e6c-e23184711bf6 Amazon Kinesis" in told
            await produce(kafka, topic, case["events"])
            assert await exported(scripted, 2) == [each["data"] for each in case["exports"]]

            told += await script("policies", environ)
            assert "attribute person.email is removed by 'No contracted data to partners'" in told
            assert "Data policy violation: the attribute person.email (labels: C2)" in told
            await exports_lack(scripted, "person")

            told += await script("update", environ)
            assert "Version mismatch: the object was changed meanwhile" in told
            assert "Winter campaign: disabled" in told

            told += await script("delete", environ)
            for path in ("flowservice/flows", "flowservice/connections", "dulepolicy/policies/custom"):
                assert await all_of(http, f"{url}/data/foundation/{path}") == []
            await ready(http, url)
            assert await member.stop() == 0
        finally:
            await member.kill()
    assert "a-secret-key-77d0" not in told + member.log.read_text()
    assert "an-access-key-5b1e" not in told + member.log.read_text()


async def test_the_script_says_what_was_refused_and_goes_no_further(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    member = DefinedMember(tmp_path, defined_environ(kafka, topic, tmp_path))
    await member.start()
    try:
        async with aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
        environ = script_environ(url, "http://127.0.0.1:9", tmp_path) | {"API_TOKEN": "not-a-token-at-all"}
        with pytest.raises(AssertionError, match="connectionSpecs: 401 instead of 200"):
            await script("connect", environ)
        assert (tmp_path / "ids").read_text() == ""
        assert await member.stop() == 0
    finally:
        await member.kill()
