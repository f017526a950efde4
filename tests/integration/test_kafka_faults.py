"""Kafka refuses, loses its topic, holds large messages, or rebalances again and again."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from processor.embedded import start_kafka
from processor.errors import KafkaRefused
from processor.service.run import run_service
from tests.conftest import KEPT
from tests.support.group import caught_up
from tests.support.members import Member, Producer, expected, first_occurrences, member_environ
from tests.support.members import changes as random_changes
from tests.support.numbered_changes import case, changes, numbers
from tests.support.numbered_changes import expected as expected_numbers
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from processor.embedded.kafka import EmbeddedKafka

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    kinesis = ScriptedKinesis(random.Random(3))
    async with served(kinesis) as url:
        yield kinesis, url


@pytest.fixture
def guarded() -> Iterator[EmbeddedKafka]:
    """A broker where the user alice may do what is granted to her, and nothing else."""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": f'{module} required user_alice="secret";',
    }
    with start_kafka(properties, listeners={"PLAIN": "SASL_PLAINTEXT"}) as broker:
        yield broker


TOPIC, GROUP, CLUSTER = 2, 3, 4
READ, ALL = 3, 2
ALLOW, DENY = 3, 2
LITERAL = 3


async def acl(
    servers: str, resource: int, name: str, operation: int, permission: int, request: Any = CreateAclsRequest
) -> None:
    """Grant, deny, or (with the other request) take back; aiokafka has the protocol and no method."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        told = request(resource, name, LITERAL, "User:alice", "*", operation, permission)
        await admin._send_to_controller(told)
    finally:
        await admin.close()


async def create(servers: str, topic: str, partitions: int = 2, **configuration: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        named = KEPT | {name.replace("_", "."): value for name, value in configuration.items()}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=named)])
    finally:
        await admin.close()


async def test_what_no_acl_allows_is_reported_at_the_start_and_while_it_runs(
    guarded: EmbeddedKafka, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    await create(guarded.bootstrap_servers, "events")
    settings = settings_for(
        guarded.addresses["PLAIN"],
        "events",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_user="alice",
        kafka_sasl_password="secret",
        kafka_metadata_max_age_ms="500",
    )
    plan = plan_for(case(), "s", url)
    with pytest.raises(KafkaRefused, match="an ACL is missing on the topic"):
        await run_service(settings, plan, asyncio.Event())
    servers = guarded.bootstrap_servers
    for resource, name in ((TOPIC, "*"), (GROUP, "*"), (CLUSTER, "kafka-cluster")):
        await acl(servers, resource, name, ALL, ALLOW)
    await produce(guarded.bootstrap_servers, "events", changes(20))
    async with running(settings, plan) as status:
        await until(lambda: status.figures.exported == 20)
        await acl(servers, TOPIC, "events", READ, DENY)
        await until(lambda: "fetching" in status.conditions)
        assert "an ACL is missing on the topic" in status.conditions["fetching"]
        await produce(guarded.bootstrap_servers, "events", changes(20, start=20))
        await acl(servers, TOPIC, "events", READ, DENY, DeleteAclsRequest)
        await until(lambda: status.is_ready and status.figures.exported == 40)
    assert numbers(kinesis) == expected_numbers(40)


async def test_a_message_above_the_fetch_limits_comes_through(
    kafka: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    topic = f"large-{random.randrange(1 << 30)}"
    await create(kafka, topic, max_message_bytes=str(4 * 1024 * 1024))
    events = changes(21)
    events[10]["value"]["unmapped"] = "x" * (2 * 1024 * 1024)
    settings = settings_for(
        kafka, topic, kafka_partition_fetch_max_bytes="65536", kafka_fetch_max_bytes="131072"
    )
    await produce_large(kafka, topic, events)
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 21)
    assert sum(map(len, numbers(kinesis).values())) == 21


async def produce_large(servers: str, topic: str, events: list[dict[str, Any]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=8 * 1024 * 1024)
    await producer.start()
    try:
        for event in events:
            value = json.dumps(event["value"]).encode()
            await producer.send_and_wait(topic, key=event["key"].encode(), value=value, timestamp_ms=0)
    finally:
        await producer.stop()


async def test_a_topic_that_is_deleted_while_it_is_read_makes_the_service_unready(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    settings = settings_for(kafka, topic, kafka_metadata_max_age_ms="500")
    await produce(kafka, topic, changes(20))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 20)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()
        await until(lambda: "source" in status.conditions and not status.partitions)
        assert "does not exist any more" in status.conditions["source"]
        assert not status.is_ready
    assert numbers(kinesis) == expected_numbers(20)


async def test_no_partition_stands_still_after_a_broker_was_stopped_for_longer_than_a_request_may_take(
    scripted: tuple[ScriptedKinesis, str],
) -> None:
    """An append that expires while its partition has no leader leaves a gap in its producer's numbers."""
    kinesis, url = scripted
    with start_kafka() as broker:
        servers = broker.bootstrap_servers
        await create(servers, "events", partitions=8)
        settings = settings_for(
            servers, "events", kafka_request_timeout_ms="1000", kafka_metadata_max_age_ms="100"
        )
        events = changes(1_000)
        async with running(settings, plan_for(case(), "s", url)) as status, asyncio.TaskGroup() as tasks:
            tasks.create_task(produce_under_way(servers, "events", events))
            await until(lambda: status.figures.exported > 200)
            await asyncio.to_thread(broker.stop)
            await until(lambda: "kafka" in status.conditions)
            await asyncio.to_thread(broker.restart)
            await until(lambda: status.is_ready and status.figures.exported == len(events))
            assert status.figures.in_flight == 0
    assert numbers(kinesis) == expected_numbers(len(events))


async def produce_under_way(servers: str, topic: str, events: list[dict[str, Any]]) -> None:
    """Append events one after another, some milliseconds apart, whatever becomes of the broker meanwhile."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    await producer.start()
    try:
        for event in events:
            await asyncio.sleep(0.003)
            value = json.dumps(event["value"]).encode()
            await producer.send(topic, key=event["key"].encode(), value=value, timestamp_ms=0)
    finally:
        await producer.stop()


async def test_a_storm_of_rebalances_loses_reorders_and_repeats_nothing(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    kinesis, rng = ScriptedKinesis(random.Random(5)), random.Random(7)
    async with served(kinesis) as url:
        homes = [tmp_path / str(number) for number in range(4)]
        for home in homes:
            home.mkdir()
        environs = [member_environ(kafka, topic, home, url) for home in homes]
        members = [await Member(homes[0], environs[0]).start()]
        try:
            async with Producer(kafka, topic) as producer:
                for _ in range(3):
                    await producer.produce(random_changes(rng, 100, 40, len(producer.events)))
                    # Each join is one rebalance, each leave another, and none waits for the one before.
                    guests = [
                        await Member(home, environ).start()
                        for home, environ in zip(homes[1:], environs[1:], strict=True)
                    ]
                    members += guests
                    await producer.produce(random_changes(rng, 100, 40, len(producer.events)))
                    await caught_up(kinesis, expected(producer.events))
                    for guest in guests:
                        # One that is told to end before it has begun ends as any process does.
                        assert await guest.stop() in {0, -signal.SIGTERM}
                wanted = expected(producer.events)
                await caught_up(kinesis, wanted)
            assert await members[0].stop() == 0
        finally:
            for member in members:
                await member.kill()
    assert first_occurrences(kinesis) == wanted
