"""What docs/deploy.md tells to do, done: its own commands, on a broker that allows only what is granted."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from structlog.testing import capture_logs

from processor.backfill.reporting import Reporting
from processor.embedded import start_kafka
from processor.errors import DefinitionUnavailable, KafkaRefused, ProcessorError, leaves
from processor.operations import kept_definition
from processor.operations.backfill_requests import ask_for_backfill
from processor.operations.connection_checks import connection_checks
from processor.operations.repartition import repartition
from processor.service import backfill_control
from processor.service.backfill_control import UNHEARD, UNREPORTED
from processor.service.background import in_background
from processor.service.run import run_service
from processor.telemetry.backfills import Backfills, Cause
from tests.conftest import create_topic
from tests.deploy import kafka_tools
from tests.support.definitions import adding
from tests.support.pages import commands
from tests.support.world import (
    committed,
    plan_for,
    produce,
    running,
    settings_for,
    stored_when,
    until,
    vector,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
    from pathlib import Path

    from processor.embedded import EmbeddedKafka, EmbeddedKinesis
    from processor.governance.plan import Plan
    from processor.settings import Settings
    from processor.telemetry.status import Status

TOPIC: Final = "profile-changes"
GROUP: Final = "loyalty-exports"
PASSWORD: Final = "pass-41"
PROPERTIES: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # The operator's own way in, and the broker's.
    "super.users": "User:ANONYMOUS",
    "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.plain.plain.sasl.jaas.config": (
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_processor="{PASSWORD}";'
    ),
}
CASE: Final = vector("seed-example")
EXPORTS: Final = len(CASE["exports"])
NO_WRITE: Final = (
    "kafka-acls.sh --bootstrap-server broker-1:9092 --add --deny-principal User:processor --operation Write "
    f"--topic {TOPIC}-dead-letters"
)

pytestmark = pytest.mark.timeout(300)


class Names(NamedTuple):
    """What a test calls the source and the group, so that all of them can use one broker."""

    topic: str = TOPIC
    group: str = GROUP

    def in_place_of_the_page_s(self, text: str) -> str:
        return text.replace(TOPIC, self.topic).replace(GROUP, self.group)


OFFSETS: Final = Names(f"{TOPIC}-offsets", f"{GROUP}-offsets")
PARTITIONS: Final = Names(f"{TOPIC}-partitions", f"{GROUP}-partitions")
ANEW: Final = Names(PARTITIONS.topic, f"{PARTITIONS.group}-2")


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedKafka]:
    with start_kafka(PROPERTIES, listeners={"PLAIN": "SASL_PLAINTEXT"}) as started:
        yield started


@pytest.fixture(scope="module")
def grants(broker: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The page's grants, for the names of the tests that start with them."""
    home = tmp_path_factory.mktemp("grants")
    for line in commands("What Kafka must allow", "kafka-acls.sh"):
        option, given = re.findall(r"(--topic|--group) (\S+)", line)[0]
        names = {each.in_place_of_the_page_s(given) for each in (OFFSETS, PARTITIONS, ANEW)}
        resources = " ".join(f"{option} {name}" for name in sorted(names))
        asyncio.run(kafka_tools.run(on(broker, line.replace(f"{option} {given}", resources)), home))


def on(broker: EmbeddedKafka, line: str) -> str:
    """A command of the page, for our broker."""
    return line.replace("broker-1:9092", broker.bootstrap_servers)


async def follow(broker: EmbeddedKafka, home: Path, names: Names, section: str, tool: str) -> str:
    """Do what a section tells, on our broker."""
    return "".join(
        [
            await kafka_tools.run(on(broker, names.in_place_of_the_page_s(line)), home)
            for line in commands(section, tool)
        ]
    )


def member(broker: EmbeddedKafka, directory: Path, names: Names) -> Settings:
    return settings_for(
        broker.addresses["PLAIN"],
        names.topic,
        kafka_group=names.group,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_user="processor",
        kafka_sasl_password=PASSWORD,
        state_directory=str(directory / "state"),
    )


@asynccontextmanager
async def caught_up(
    broker: EmbeddedKafka, settings: Settings, plan: Plan, events: int
) -> AsyncIterator[Status]:
    async with running(settings, plan) as status:
        yield status
        await until(lambda: status.figures.received >= events and not status.figures.in_flight)


async def refusal(settings: Settings, plan: Plan) -> str:
    """Why the service does not run."""
    why: list[str] = []
    try:
        await run_service(settings, plan, asyncio.Event())
    except* ProcessorError as refused:
        why = [str(leaf) for leaf in leaves(refused)]
    return "\n".join(why)


async def fill(broker: EmbeddedKafka, names: Names) -> None:
    await create_topic(broker.bootstrap_servers, names.topic, partitions=12)
    await produce(broker.bootstrap_servers, names.topic, CASE["events"])


@pytest.fixture
def plan(stream: str, kinesis: EmbeddedKinesis) -> Plan:
    return plan_for(CASE, stream, kinesis.endpoint_url)


@pytest.mark.integration
async def test_the_grants_are_enough_and_without_them_nothing_runs(
    broker: EmbeddedKafka, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    names = Names()
    await fill(broker, names)
    settings = member(broker, tmp_path, names)
    assert f"topic {TOPIC}" in await refusal(settings, plan)
    assert [each async for each in connection_checks(settings, plan) if each.trouble]
    await follow(broker, tmp_path, names, "What Kafka must allow", "kafka-acls.sh")
    assert not [each async for each in connection_checks(settings, plan) if each.trouble]
    await produce(broker.bootstrap_servers, TOPIC, [{"key": "bad", "valueText": "not JSON", "timestamp": 1}])
    async with caught_up(broker, settings, plan, len(CASE["events"]) + 1) as status:
        await stored_when(kinesis_client, stream, EXPORTS)
    assert status.figures.dead_lettered.total() == 1
    told = await follow(broker, tmp_path, names, "Scale out", "kafka-consumer-groups.sh")
    assert not [each async for each in connection_checks(settings, plan) if each.trouble]
    await kafka_tools.run(on(broker, NO_WRITE), tmp_path)
    (trouble,) = [each.trouble async for each in connection_checks(settings, plan) if each.trouble]
    assert f"an ACL is missing on topic {TOPIC}-dead-letters: grant Write" in trouble
    lags = [line.split()[5] for line in told.splitlines() if line.startswith(GROUP)]
    assert len(lags) == 12
    assert set(lags) <= {"0", "-"}


@pytest.mark.integration
async def test_the_definition_needs_the_grant_of_its_topic_and_says_so_until_that_is_given(
    broker: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_definition, "_REFUSED_AGAIN_S", 0.2)
    names = Names("defined-changes", "defined-exports")
    await fill(broker, names)
    settings = member(broker, tmp_path, names)
    topic = settings.configuration_topic
    grants = [
        on(broker, names.in_place_of_the_page_s(line))
        for line in commands("What Kafka must allow", "kafka-acls.sh")
    ]
    (needed,) = [line for line in grants if topic in line]
    for line in grants:
        if line != needed:
            await kafka_tools.run(line, tmp_path)
    kept = kept_definition.KeptDefinition(settings)
    with capture_logs() as lines:
        async with in_background(kept.run(asyncio.Event())):
            await until(lambda: bool(warnings_of(lines, kept_definition.UNFOLLOWED)))
            with pytest.raises(DefinitionUnavailable, match="an ACL is missing on the topic"):
                kept.current()
            await kafka_tools.run(needed, tmp_path)
            assert (await kept.next(-1)).version == 0
            made = await kept.change(adding("a"), "us")
            assert await kept.next(0) == made
            deny = "kafka-acls.sh --bootstrap-server broker-1:9092 --add --deny-principal User:processor --operation"
            await kafka_tools.run(on(broker, f"{deny} Write --topic {topic}"), tmp_path)
            with pytest.raises(KafkaRefused, match="an ACL is missing on the topic"):
                await kept.change(adding("b"), "us")
            assert kept.current() == made
    told = warnings_of(lines, kept_definition.UNFOLLOWED)
    assert all("grant Create, Read, Write and DescribeConfigs" in line["remedy"] for line in told)
    reasons = [line["reason"] for line in told]
    assert len(reasons) == len(set(reasons)), "a reason is logged once"


@pytest.mark.integration
async def test_without_the_grant_of_the_topic_of_backfills_it_runs_and_says_so_until_that_is_given(
    broker: EmbeddedKafka,
    plan: Plan,
    kinesis_client: Any,
    stream: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_control, "_REFUSED_AGAIN_S", 0.2)
    names = Names("older-changes", "older-exports")
    await fill(broker, names)
    settings = member(broker, tmp_path, names)
    grants = [
        on(broker, names.in_place_of_the_page_s(line))
        for line in commands("What Kafka must allow", "kafka-acls.sh")
    ]
    (needed,) = [line for line in grants if settings.backfill_topic in line]
    for line in grants:
        if line != needed:
            await kafka_tools.run(line, tmp_path)
    checks = [each async for each in connection_checks(settings, plan)]
    assert not [each.trouble for each in checks if each.trouble]
    (warning,) = [each.warning for each in checks if each.warning]
    assert settings.backfill_topic in warning
    assert "grant Create, Read, Write and DescribeConfigs" in warning
    with pytest.raises(KafkaRefused, match="grant Create, Read, Write and DescribeConfigs"):
        await ask_for_backfill(settings, "")
    with capture_logs() as lines:
        async with caught_up(broker, settings, plan, len(CASE["events"])) as status:
            await stored_when(kinesis_client, stream, EXPORTS)
            await until(lambda: bool(warnings_of(lines, UNHEARD)))
            await until(lambda: status.is_ready)
            await kafka_tools.run(needed, tmp_path)
            asked = (await ask_for_backfill(settings, "")).request.id
            await until(lambda: any(line.get("request") == asked for line in lines))
    reasons = [line["reason"] for line in warnings_of(lines, UNHEARD)]
    assert len(reasons) == len(set(reasons)), "a reason is logged once"
    assert all("grant" in line["remedy"] for line in warnings_of(lines, UNHEARD))
    assert "the topic of backfills is followed again" in {line["event"] for line in lines}
    # Read, and no more: what is asked for comes, and what cannot be told holds up nothing.
    deny = "kafka-acls.sh --bootstrap-server broker-1:9092 --add --deny-principal User:processor --operation"
    await kafka_tools.run(on(broker, f"{deny} Write --topic {settings.backfill_topic}"), tmp_path)
    heeded: list[str] = []
    backfills = Backfills()
    backfills.due(0, Cause("new", "old", None), is_off=False)
    reporting = Reporting(backfills, dict, "worker")
    control = backfill_control.BackfillControl(settings, reporting, heeded.append)
    with capture_logs() as lines:
        async with in_background(control.run(asyncio.Event())):
            await until(lambda: heeded == [asked] and bool(warnings_of(lines, UNREPORTED)))
    (unreported,) = warnings_of(lines, UNREPORTED)
    assert "an ACL is missing on the topic" in unreported["reason"]


def warnings_of(lines: Sequence[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [line for line in lines if line["log_level"] == "warning" and line["event"] == event]


@pytest.mark.integration
async def test_lost_offsets_are_refused_and_set_again(
    broker: EmbeddedKafka, grants: None, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    await fill(broker, OFFSETS)
    settings = member(broker, tmp_path, OFFSETS)
    async with caught_up(broker, settings, plan, len(CASE["events"])):
        await stored_when(kinesis_client, stream, EXPORTS)
    gone = f"kafka-consumer-groups.sh --bootstrap-server broker-1:9092 --delete --group {OFFSETS.group}"
    await kafka_tools.run(on(broker, gone), tmp_path)
    assert "no committed offset" in await refusal(settings, plan)
    await follow(broker, tmp_path, OFFSETS, "Disaster recovery", "kafka-consumer-groups.sh")
    async with caught_up(broker, settings, plan, len(CASE["events"])) as status:
        pass
    assert status.figures.skipped == len(CASE["events"]), "the state has them"
    assert len(await stored_when(kinesis_client, stream, EXPORTS)) == EXPORTS


@pytest.mark.integration
async def test_partitions_are_added_and_their_state_moved_and_a_new_group_exports_anew(
    broker: EmbeddedKafka, grants: None, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    await fill(broker, PARTITIONS)
    settings = member(broker, tmp_path, PARTITIONS)
    async with caught_up(broker, settings, plan, len(CASE["events"])):
        await stored_when(kinesis_client, stream, EXPORTS)
    assert await committed(broker.bootstrap_servers, PARTITIONS.group, PARTITIONS.topic) == len(
        CASE["events"]
    )
    await follow(broker, tmp_path, PARTITIONS, "Add partitions", "kafka-topics.sh")
    told = await follow(broker, tmp_path, PARTITIONS, "Add partitions", "kafka-consumer-groups.sh")
    assert PARTITIONS.group in told
    with pytest.raises(KafkaRefused, match="Alter on it is needed"):
        await repartition(settings, lambda *_: None)
    await follow(broker, tmp_path, PARTITIONS, "Add partitions", "kafka-acls.sh")
    outcome = await repartition(settings, lambda *_: None)
    assert (outcome.before, outcome.now) == (12, 24)
    async with running(settings, plan) as status:
        await until(lambda: status.is_ready and len(status.partitions) == 24)
    assert len(await stored_when(kinesis_client, stream, EXPORTS)) == EXPORTS
    async with caught_up(broker, member(broker, tmp_path, ANEW), plan, len(CASE["events"])) as status:
        assert len(await stored_when(kinesis_client, stream, 2 * EXPORTS)) == 2 * EXPORTS
    assert len(status.partitions) in {0, 24}
    await follow(broker, tmp_path, PARTITIONS, "Change the destination", "kafka-topics.sh")
    await follow(broker, tmp_path, PARTITIONS, "Change the destination", "kafka-consumer-groups.sh")
