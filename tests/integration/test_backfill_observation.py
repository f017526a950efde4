"""What a running service tells of its backfills: in its log, its metrics and its status, and never among its events."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.support.members import Member, Producer, member_environ
from tests.support.observation import ready, scraped, url_of
from tests.support.scrape import sums, unaccounted
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration]

PROFILES = 60
PARTITIONS = 3


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


def events() -> list[tuple[bytes, bytes]]:
    """Two of each profile, which is in two segments that are mapped, and in one that is not."""
    time = "2020-01-01T00:00:00Z"
    entries = {
        each: {"status": "realized", "lastQualificationTime": time} for each in ("one", "two", "three")
    }
    found = []
    for number in range(2 * PROFILES):
        value = {"number": number, "segmentMembership": {"ups": entries}}
        found.append((b"profile-%03d" % (number % PROFILES), json.dumps(value).encode()))
    return found


def map_another(directory: Path) -> None:
    path = directory / "destination.yaml"
    text = json.loads(path.read_text())
    path.write_text(json.dumps({**text, "segments": [*text["segments"], {"id": "three"}]}))


def logged(member: Member, event: str) -> list[dict[str, Any]]:
    return [line for line in member.lines(event) if line["event"].startswith(event)]


async def changed_once_all_is_exported(
    member: Member, http: aiohttp.ClientSession, producer: Producer, scripted: ScriptedKinesis
) -> str:
    """Have a ready member export all events, then follow changed files; the address that it is looked at."""
    url = await url_of(member)
    await ready(http, url)
    await producer.produce(events())
    while len(scripted.stored) < 2 * PROFILES:
        await asyncio.sleep(0.02)
    map_another(member.log.parent)
    member.process.send_signal(signal.SIGHUP)
    return url


async def test_a_backfill_is_told_of_and_counted_by_itself(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    member = await Member(tmp_path, member_environ(kafka, topic, tmp_path, kinesis_url)).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await changed_once_all_is_exported(member, http, producer, scripted)
            found: dict[str, float] = {}
            while found.get("processor_backfills_completed_total") != PARTITIONS:
                scrape = await scraped(http, url)
                assert set(unaccounted(scrape).values()) == {0}
                (found,) = sums(scrape).values()
            async with http.get(f"{url}/api/status") as answer:
                status = await answer.json()
        assert found["processor_events_received_total"] == 2 * PROFILES
        assert found["processor_backfill_exported_total"] == PROFILES
        assert found["processor_kinesis_records_stored_total"] == 3 * PROFILES
        assert found["processor_backfill_profiles_total"] == PROFILES
        assert found["processor_backfill_events_read_total"] == 2 * PROFILES
        assert found["processor_backfill_remaining_offsets"] == 0
        assert scrape["processor_backfill_partitions", labels(topic, stage="complete")] == PARTITIONS
        assert status["backfill"]["partitions"] == {
            "off": 0,
            "waiting": 0,
            "running": 0,
            "complete": PARTITIONS,
        }
        assert status["backfill"]["exported"] == PROFILES
        begun, complete = logged(member, "a backfill has begun"), logged(member, "a backfill is complete")
        assert {line["partition"] for line in begun} == {line["partition"] for line in complete} == {0, 1, 2}
        ((former, fingerprint),) = {(line["former"], line["fingerprint"]) for line in begun}
        assert former != fingerprint
        assert (
            sum(line["profiles"] for line in complete)
            == sum(line["exported"] for line in complete)
            == PROFILES
        )
        assert await member.stop() == 0
    finally:
        await member.kill()


def labels(topic: str, **others: str) -> frozenset[tuple[str, str]]:
    of_all = {"worker": "0", "group": f"group-{topic}", "topic": topic, "stream": "exports"}
    return frozenset((of_all | others).items())


async def test_under_off_it_is_told_that_one_is_due_for_which_partitions_and_how_it_is_begun(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    environ = member_environ(kafka, topic, tmp_path, kinesis_url, backfill="off")
    member = await Member(tmp_path, environ).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await changed_once_all_is_exported(member, http, producer, scripted)
            due = labels(topic, stage="off")
            while (scrape := await scraped(http, url))["processor_backfill_partitions", due] != PARTITIONS:
                await asyncio.sleep(0.02)
            (found,) = sums(scrape).values()
            assert found["processor_backfill_left_seconds"] == found["processor_backfill_still_seconds"] == 0
        assert {line["partition"] for line in logged(member, "a backfill is due") if "partition" in line} == {
            0,
            1,
            2,
        }
        (warning,) = logged(member, "a backfill is due, and PROCESSOR_BACKFILL=off")
        assert "`processor backfill` begins it" in warning["event"]
        assert len(scripted.stored) == 2 * PROFILES
        assert await member.stop() == 0
    finally:
        await member.kill()
