"""A Kafka as people have it: with default settings it creates any topic that somebody asks for."""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from aiokafka.protocol.metadata import MetadataRequest

from processor.embedded import start_kafka
from processor.errors import KafkaRefused, StateRefused
from processor.service.run import run_service
from processor.telemetry.status import Status
from tests.conftest import create_topic
from tests.support.members import member_environ
from tests.support.numbered_changes import case, changes
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.topics import administered, delete, described, refusals
from tests.support.world import plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from processor.governance.plan import Plan
    from processor.settings import Settings


@pytest.fixture(scope="module")
def obliging() -> Iterator[str]:
    """A broker with Kafka's defaults, and nobody else's topics."""
    with start_kafka() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """One that creates nothing unasked, as many operators set it."""
    with start_kafka({"auto.create.topics.enable": "false"}) as broker:
        yield broker.bootstrap_servers


@pytest.fixture(params=["obliging", "strict"])
def servers(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


pytestmark = [pytest.mark.integration]

INTERNAL = {"__consumer_offsets", "__transaction_state", "__share_group_state"}


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    kinesis = ScriptedKinesis(random.Random(3))
    async with served(kinesis) as url:
        yield kinesis, url


@pytest.fixture
def plan(scripted: tuple[ScriptedKinesis, str]) -> Plan:
    return plan_for(case(), "s", scripted[1])


@pytest.fixture
def name() -> str:
    return f"events-{uuid.uuid4().hex[:8]}"


async def topics(servers: str) -> set[str]:
    async with administered(servers) as admin:
        return set(await admin.list_topics()) - INTERNAL


async def looked_at_by_another(servers: str, topic: str) -> None:
    """Ask for a topic as clients do by default; there is one then."""
    async with administered(servers) as admin:
        await admin._send_request(MetadataRequest([topic]))
        while topic not in await admin.list_topics():
            await asyncio.sleep(0.02)


async def refused(settings: Settings, plan: Plan) -> str:
    """Why the service does not start."""
    with pytest.raises((StateRefused, ExceptionGroup)) as failure:
        await run_service(settings, plan, asyncio.Event())
    return refusals(failure.value)[0]


async def test_the_broker_of_the_tests_creates_what_it_is_asked_for(kafka: str, name: str) -> None:
    await looked_at_by_another(kafka, name)


async def made(servers: str, settings: Settings, before: set[str]) -> set[str]:
    """The topics that there are more than before, once that of backfills is there, for which nobody waits."""
    while settings.backfill_topic not in (now := await topics(servers)):
        await asyncio.sleep(0.02)
    return now - before


def own_topics(settings: Settings) -> set[str]:
    return {settings.changelog_topic, settings.kafka.dead_letter_topic, settings.backfill_topic}


async def test_the_first_start_makes_its_three_topics_as_they_should_be(
    servers: str, plan: Plan, name: str
) -> None:
    await create_topic(servers, name, partitions=3)
    before = await topics(servers)
    await produce(servers, name, changes(20))
    settings = settings_for(servers, name, kafka_metadata_max_age_ms="100")
    async with running(settings, plan) as status:
        await until(lambda: status.figures.exported == 20)
        assert await made(servers, settings, before) == own_topics(settings)
    partitions, configuration = await described(servers, settings.changelog_topic)
    assert partitions == 3
    assert configuration["cleanup.policy"] == "compact"
    assert (await described(servers, settings.kafka.dead_letter_topic))[0] == 3
    partitions, configuration = await described(servers, settings.backfill_topic)
    assert (partitions, configuration["cleanup.policy"]) == (1, "compact")


async def test_a_source_that_does_not_exist_is_not_made_by_looking(
    servers: str, plan: Plan, name: str
) -> None:
    before = await topics(servers)
    with pytest.raises(KafkaRefused, match=f"topic {name} does not exist: create it"):
        await run_service(settings_for(servers, name), plan, asyncio.Event())
    assert await topics(servers) == before


COMMANDS = [
    ["validate", "--connect"],
    ["state", "show", "somebody"],
    ["state", "stats"],
    ["state", "rebuild"],
    ["dead-letters", "list"],
    ["dead-letters", "show", "0:0"],
    ["dead-letters", "replay", "--dry-run"],
    ["dead-letters", "replay"],
    ["backfill", "status"],
    ["run"],
]


@pytest.mark.parametrize("is_there", [False, True], ids=["no source", "a source alone"])
async def test_no_command_makes_a_topic(
    obliging: str, scripted: tuple[ScriptedKinesis, str], tmp_path: Path, name: str, *, is_there: bool
) -> None:
    if is_there:
        await create_topic(obliging, name, partitions=2)
    environ = member_environ(obliging, name, tmp_path, scripted[1])
    before = await topics(obliging)
    for command in COMMANDS[:-1] if is_there else [*COMMANDS, ["backfill"]]:
        files = (
            []
            if command[0] in {"state", "dead-letters", "backfill"}
            else ["--destination", str(tmp_path / "destination.yaml")]
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "processor", *command, *files,
            env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await process.communicate()
        assert b"Traceback" not in told, told.decode()
        assert await topics(obliging) == before, f"{command}\n{told.decode()}"


async def test_a_source_that_is_deleted_while_it_runs_stays_so_and_is_reported(
    servers: str, plan: Plan, name: str
) -> None:
    await create_topic(servers, name, partitions=3)
    await produce(servers, name, changes(20))
    settings = settings_for(servers, name, kafka_metadata_max_age_ms="100")
    async with running(settings, plan) as status:
        await until(lambda: status.figures.exported == 20)
        await delete(servers, name)
        await until(lambda: "source" in status.conditions)
        for _ in range(10):  # refreshes of the metadata
            assert name not in await topics(servers)
            await asyncio.sleep(0.1)
        assert "does not exist any more" in status.conditions["source"]


@pytest.mark.parametrize("partitions", [None, 3, 5], ids=["by a look", "as it was", "with more partitions"])
async def test_a_source_that_is_made_anew_while_it_runs_is_reported_as_that(
    obliging: str, plan: Plan, name: str, partitions: int | None
) -> None:
    await create_topic(obliging, name, partitions=3)
    await produce(obliging, name, changes(20))
    settings = settings_for(obliging, name, kafka_metadata_max_age_ms="100")
    status = Status()
    service = asyncio.create_task(run_service(settings, plan, asyncio.Event(), status))
    await until(lambda: status.figures.exported == 20)
    await delete(obliging, name)
    if partitions is None:
        await looked_at_by_another(obliging, name)
    else:
        await create_topic(obliging, name, partitions=partitions)
    await asyncio.wait([service])
    failure = service.exception()
    assert failure is not None
    assert any("was deleted and made anew while the service ran" in told for told in refusals(failure))
    # Nor does it go on when it is started again.
    assert "made anew" in await refused(settings, plan)


async def test_a_changelog_that_somebody_made_by_looking_is_reported_as_that_and_may_be_deleted(
    obliging: str, plan: Plan, name: str
) -> None:
    await create_topic(obliging, name, partitions=3)
    settings = settings_for(obliging, name)
    await looked_at_by_another(obliging, settings.changelog_topic)
    told = await refused(settings, plan)
    assert "has 1 partitions and" in told
    assert f"kafka-topics.sh --delete --topic {settings.changelog_topic}" in told
    await delete(obliging, settings.changelog_topic)
    async with running(settings, plan):
        pass
    assert (await described(obliging, settings.changelog_topic))[0] == 3


async def test_a_changelog_of_one_partition_that_somebody_made_by_looking_is_refused_for_its_policy(
    obliging: str, plan: Plan, name: str
) -> None:
    await create_topic(obliging, name, partitions=1)
    settings = settings_for(obliging, name)
    await looked_at_by_another(obliging, settings.changelog_topic)
    told = await refused(settings, plan)
    assert "has cleanup.policy=delete" in told
    assert f"kafka-topics.sh --delete --topic {settings.changelog_topic}" in told


async def test_members_that_start_together_make_each_topic_once(
    servers: str, plan: Plan, name: str, tmp_path: Path
) -> None:
    await create_topic(servers, name, partitions=6)
    before = await topics(servers)
    await produce(servers, name, changes(30))
    common = {"kafka_group": f"group-{name}", "kafka_metadata_max_age_ms": "100"}
    members = [
        settings_for(servers, name, **common, state_directory=str(tmp_path / str(number)))
        for number in range(4)
    ]
    async with AsyncExitStack() as stack:
        statuses = await asyncio.gather(
            *(stack.enter_async_context(running(settings, plan)) for settings in members)
        )
        await until(lambda: sum(status.figures.exported for status in statuses) >= 30)
        await until(lambda: sum(len(status.partitions) for status in statuses) == 6)
        assert await made(servers, members[0], before) == own_topics(members[0])
    assert (await described(servers, members[0].changelog_topic))[0] == 6
