"""What docs/deploy.md tells to do, done: its own commands, on a broker that allows only what is granted."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.console import leaves
from processor.embedded import start_kafka
from processor.errors import ProcessorError
from processor.service import run_service
from tests.conftest import create_topic
from tests.deploy import kafka_tools
from tests.deploy.manifests import KUBERNETES, container, render, the
from tests.deploy.tools import ROOT
from tests.integration.world import (
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
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from processor.embedded import EmbeddedKafka, EmbeddedKinesis
    from processor.governance.plan import Plan
    from processor.settings import Settings
    from processor.telemetry.status import Status

DOCS: Final = (ROOT / "docs" / "deploy.md").read_text()
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

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with start_kafka(PROPERTIES, listeners={"PLAIN": "SASL_PLAINTEXT"}) as started:
        yield started


def commands(section: str, tool: str) -> list[str]:
    """The lines of a section that run a tool."""
    text = re.split(r"^##+ ", DOCS, flags=re.MULTILINE)
    (found,) = [part for part in text if part.startswith(section + "\n")]
    lines = re.findall(rf"^\$ ({re.escape(tool)} .*)$", found, flags=re.MULTILINE)
    assert lines, f"{section} has no {tool}"
    return lines


async def follow(broker: EmbeddedKafka, home: Path, section: str, tool: str) -> str:
    """Do what a section tells, on our broker."""
    return "".join(
        [
            await kafka_tools.run(line.replace("broker-1:9092", broker.bootstrap_servers), home)
            for line in commands(section, tool)
        ]
    )


def member(broker: EmbeddedKafka, directory: Path, group: str = GROUP) -> Settings:
    return settings_for(
        broker.addresses["PLAIN"],
        TOPIC,
        kafka_group=group,
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


@pytest.fixture
async def source(broker: EmbeddedKafka) -> None:
    await create_topic(broker.bootstrap_servers, TOPIC, partitions=12)
    await produce(broker.bootstrap_servers, TOPIC, CASE["events"])


@pytest.fixture
def plan(stream: str, kinesis: EmbeddedKinesis) -> Plan:
    return plan_for(CASE, stream, kinesis.endpoint_url)


@pytest.mark.integration
async def test_the_grants_are_enough_and_without_them_nothing_runs(
    broker: EmbeddedKafka, source: None, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    assert f"topic {TOPIC}" in await refusal(member(broker, tmp_path), plan)
    await follow(broker, tmp_path, "What Kafka must allow", "kafka-acls.sh")
    await produce(broker.bootstrap_servers, TOPIC, [{"key": "bad", "valueText": "not JSON", "timestamp": 1}])
    async with caught_up(broker, member(broker, tmp_path), plan, len(CASE["events"]) + 1) as status:
        await stored_when(kinesis_client, stream, EXPORTS)
    assert status.figures.dead_lettered.total() == 1
    told = await follow(broker, tmp_path, "Scale out", "kafka-consumer-groups.sh")
    lags = [line.split()[5] for line in told.splitlines() if line.startswith(GROUP)]
    assert len(lags) == 12
    assert set(lags) <= {"0", "-"}


@pytest.mark.integration
async def test_lost_offsets_are_refused_and_set_again(
    broker: EmbeddedKafka, source: None, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    settings = member(broker, tmp_path)
    await follow(broker, tmp_path, "What Kafka must allow", "kafka-acls.sh")
    async with caught_up(broker, settings, plan, len(CASE["events"])):
        await stored_when(kinesis_client, stream, EXPORTS)
    gone = f"kafka-consumer-groups.sh --bootstrap-server {broker.bootstrap_servers} --delete --group {GROUP}"
    await kafka_tools.run(gone, tmp_path)
    assert "no committed offset" in await refusal(settings, plan)
    await follow(broker, tmp_path, "Disaster recovery", "kafka-consumer-groups.sh")
    async with caught_up(broker, settings, plan, len(CASE["events"])) as status:
        pass
    assert status.figures.skipped == len(CASE["events"]), "the state has them"
    assert len(await stored_when(kinesis_client, stream, EXPORTS)) == EXPORTS


@pytest.mark.integration
async def test_added_partitions_are_refused_and_a_new_group_exports_anew(
    broker: EmbeddedKafka, source: None, plan: Plan, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    await follow(broker, tmp_path, "What Kafka must allow", "kafka-acls.sh")
    async with caught_up(broker, member(broker, tmp_path), plan, len(CASE["events"])):
        await stored_when(kinesis_client, stream, EXPORTS)
    assert await committed(broker.bootstrap_servers, GROUP, TOPIC) == len(CASE["events"])
    told = await follow(broker, tmp_path, "Add partitions", "kafka-consumer-groups.sh")
    assert GROUP in told
    await follow(broker, tmp_path, "Add partitions", "kafka-topics.sh")
    assert "Start a new group" in await refusal(member(broker, tmp_path), plan)
    for line in commands("What Kafka must allow", "kafka-acls.sh"):
        ours = line.replace("broker-1:9092", broker.bootstrap_servers).replace(GROUP, f"{GROUP}-2")
        await kafka_tools.run(ours, tmp_path)
    anew = member(broker, tmp_path, f"{GROUP}-2")
    async with caught_up(broker, anew, plan, len(CASE["events"])) as status:
        assert len(await stored_when(kinesis_client, stream, 2 * EXPORTS)) == 2 * EXPORTS
    assert len(status.partitions) in {0, 24}
    await follow(broker, tmp_path, "Change the destination", "kafka-topics.sh")
    await follow(broker, tmp_path, "Change the destination", "kafka-consumer-groups.sh")


def test_an_overlay_of_one_s_own_renders_as_the_page_has_it(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "deploy" / "kubernetes")
    own = tmp_path / "own"
    own.mkdir()
    (text,) = re.findall(r"```yaml\n(# kustomization\.yaml\n.*?)```", DOCS, flags=re.DOTALL)
    (own / "kustomization.yaml").write_text(text)
    for name in ("destination.yaml", "governance.yaml"):
        shutil.copy(KUBERNETES / "base" / "config" / name, own / name)
    documents = render(own)
    (found,) = the(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert (
        found["image"] == "registry.example/processor:" + container("deployment")["image"].partition(":")[2]
    )
    assert the(documents, "ServiceAccount")["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/mine"
    }
    trigger = the(documents, "ScaledObject")["spec"]["triggers"][0]["metadata"]
    (settings,) = [
        document["data"]
        for document in documents
        if document["kind"] == "ConfigMap" and document["metadata"]["name"].startswith("processor-settings")
    ]
    assert trigger["bootstrapServers"] == settings["PROCESSOR_KAFKA_SERVERS"]
    assert {document["metadata"].get("namespace") for document in documents} == {"processor"}
