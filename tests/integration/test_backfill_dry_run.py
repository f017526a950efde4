"""A dry run says beforehand what the backfill then exports, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from processor.configuration import parse_configuration
from processor.errors import KafkaRefused, StateRefused
from processor.governance.plan import Plan, compile_plan
from processor.operations.backfill_dry_run import dry_run_backfill
from tests.support.command import run
from tests.support.members import Producer, member_environ
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.topics import administered
from tests.support.world import committed, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from processor.operations.backfill_dry_run_figures import DryRunFigures
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

PROFILES = 120
TIME = "2020-01-01T00:00:00Z"
GOVERNANCE = {
    "labels": {"fields": {"email": ["C2"]}, "segments": [{"id": "three", "labels": ["C2"]}]},
    "policies": [
        {
            "name": "No third parties",
            "status": "ENABLED",
            "marketingActionRefs": ["exportToThirdParty"],
            "deny": {"label": "C2"},
        }
    ],
}


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


def plan(
    url: str,
    segments: Sequence[str],
    attributes: Sequence[str],
    *,
    is_governed: bool = False,
    stream: str = "s",
) -> Plan:
    destination = {
        "name": "dry",
        "stream": stream,
        "marketingActions": ["exportToThirdParty"],
        "segments": [{"id": each} for each in segments],
        "attributes": list(attributes),
        "connection": {"region": "eu-west-1", "accessKeyId": "a", "secretKey": "b", "connectionUrl": url},
    }
    governance = (json.dumps(GOVERNANCE), "governance.yaml") if is_governed else None
    return compile_plan(*parse_configuration((json.dumps(destination), "destination.yaml"), governance, {}))


def events(rng: random.Random, count: int) -> list[tuple[bytes, bytes | None]]:
    """Some of them invalid as soon as segment two is mapped."""
    found: list[tuple[bytes, bytes | None]] = []
    for number in range(count):
        key = b"profile-%03d" % rng.randrange(PROFILES)
        if rng.random() < 0.05:
            found.append((key, None))
            continue
        entries = {
            name: {"status": "realized", "lastQualificationTime": TIME}
            for name in ("one", "two", "three")
            if rng.random() < 0.5
        }
        if "two" in entries and rng.random() < 0.2:
            entries["two"]["lastQualificationTime"] = "yesterday"
        value = {"number": number, "email": f"{number}@example", "segmentMembership": {"ups": entries}}
        found.append((key, json.dumps(value).encode()))
    return found


async def exported_under(settings: Settings, first: Plan, kafka: str, count: int) -> None:
    """Run until all of `count` events are committed."""
    async with running(settings, first) as status:
        while await committed(kafka, settings.kafka.group, settings.kafka.topic) < count:
            await asyncio.sleep(0.05)
        await until(lambda: status.figures.in_flight == 0)


async def dry_run(settings: Settings, tried: Plan) -> DryRunFigures:
    figures = await dry_run_backfill(settings, tried, lambda _: None)
    left = [each.name for each in settings.state.directory.iterdir() if each.name.startswith("dry-run")]
    assert not left
    return figures


def by_segment(records: Sequence[tuple[str, bytes]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for _, data in records:
        tree: dict[str, Any] = json.loads(data)["segmentMembership"]
        for namespace, segments in tree.items():
            found.update((f"{namespace}/{name}", entry["status"]) for name, entry in segments.items())
    return found


async def test_a_dry_run_agrees_with_what_the_backfill_then_exports(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    settings = settings_for(kafka, topic, state_directory=str(tmp_path / "state"))
    former = plan(url, ["one", "three"], ["number", "email"])
    now = plan(url, ["one", "two", "three"], ["number", "email"], is_governed=True)
    async with Producer(kafka, topic, with_times=True) as producer:
        await producer.produce(events(random.Random(7), 600))
    await exported_under(settings, former, kafka, 600)
    before = Counter(scripted.stored)

    unchanged = await dry_run(settings, former)
    assert (unchanged.exports, unchanged.complete_for_these_files) == (0, 3)
    expected = await dry_run(settings, now)
    assert Counter(scripted.stored) == before
    assert expected.complete_for_these_files == expected.without_note == 0
    assert expected.untaken == expected.unmet == 0
    assert expected.source_from_ms is None
    assert expected.read >= 600

    async with running(settings, now) as status:
        await until(lambda: status.backfills.figures.completed == 3)
        figures = status.backfills.figures
    exports = list((Counter(scripted.stored) - before).elements())
    assert expected.exports == figures.exported == len(exports) > 0
    assert expected.profiles == figures.profiles
    assert expected.export_bytes == sum(len(data) for _, data in exports)
    assert expected.by_segment == by_segment(exports)
    assert {status for _, status in expected.by_segment} == {"realized", "existing", "exited"}
    assert expected.refused == figures.refused
    assert expected.refused["bad-membership"] > 0
    assert expected.items_by_policy == figures.removed
    assert 0 < expected.profiles_by_policy["No third parties"] < expected.items_by_policy["No third parties"]
    after = await dry_run(settings, now)
    assert (after.exports, after.complete_for_these_files) == (0, 3)


async def test_what_the_source_has_lost_and_what_was_not_taken_yet_is_reported(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    _, url = kinesis
    settings = settings_for(kafka, topic, state_directory=str(tmp_path / "state"))
    former, now = plan(url, ["one"], ["number"]), plan(url, ["one"], ["number", "email"])
    entries = {"one": {"status": "realized", "lastQualificationTime": TIME}}
    value = json.dumps({"number": 1, "email": "a", "segmentMembership": {"ups": entries}}).encode()
    async with Producer(kafka, topic, with_times=True) as producer:
        await producer.produce([(b"profile-%03d" % number, value) for number in range(PROFILES)])
        await exported_under(settings, former, kafka, PROFILES)
        async with administered(kafka) as admin:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(10)})
        await producer.produce([(b"profile-%03d" % number, value) for number in range(5)])
    expected = await dry_run(settings, now)
    assert expected.unmet == 10
    assert expected.exports == expected.profiles == PROFILES - 10
    assert expected.untaken == 5
    assert expected.source_from_ms is not None
    assert expected.source_from_ms > 1_577_836_800_000


async def test_the_command_prints_it_for_people_and_for_programs(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    _, url = kinesis
    environ = member_environ(kafka, topic, tmp_path, url)
    settings = settings_for(
        kafka,
        topic,
        kafka_group=environ["PROCESSOR_KAFKA_GROUP"],
        state_directory=environ["PROCESSOR_STATE_DIRECTORY"],
    )
    async with Producer(kafka, topic) as producer:
        await producer.produce(events(random.Random(8), 200))
    await exported_under(settings, plan(url, ["one"], ["number"], stream="exports"), kafka, 200)
    destination = {
        **json.loads((tmp_path / "destination.yaml").read_text()),
        "marketingActions": ["exportToThirdParty"],
    }
    destination["attributes"] = ["number", "email"]
    (tmp_path / "destination.yaml").write_text(json.dumps(destination))
    governance = {**GOVERNANCE, "labels": {"fields": {"email": ["C2"]}}}
    (tmp_path / "governance.yaml").write_text(json.dumps(governance))
    files = (
        "--destination",
        str(tmp_path / "destination.yaml"),
        "--governance",
        str(tmp_path / "governance.yaml"),
    )
    code, reported = await run(environ, "backfill", "--dry-run", *files)
    assert code == 0, reported
    for text in ("ups/two", "realized", "No third parties", "profiles would be exported", "bad-membership"):
        assert text in reported
    code, reported = await run(environ, "backfill", "--dry-run", "--json", *files)
    assert code == 0, reported
    found = json.loads(reported)
    assert found["exports"] > 0
    assert found["segments"]["ups/two"]["realized"] > 0
    assert found["policies"]["No third parties"]["profiles"] > 0


async def test_a_dry_run_of_a_group_that_has_exported_nothing_says_so(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    settings = settings_for(kafka, topic, state_directory=str(tmp_path))
    with pytest.raises(KafkaRefused, match="the group has exported nothing yet"):
        await dry_run_backfill(settings, plan(kinesis[1], ["one"], []), lambda _: None)
    async with administered(kafka) as admin:
        assert not {settings.changelog_topic, settings.backfill_topic} & set(await admin.list_topics())


async def test_a_dry_run_for_another_stream_is_refused_as_a_start_is(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    settings = settings_for(kafka, topic, state_directory=str(tmp_path))
    async with Producer(kafka, topic) as producer:
        await producer.produce(events(random.Random(8), 20))
    await exported_under(settings, plan(kinesis[1], ["one"], []), kafka, 20)
    with pytest.raises(StateRefused, match="the state was exported to eu-west-1/s"):
        await dry_run(settings, plan(kinesis[1], ["one"], [], stream="other"))
