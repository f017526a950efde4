"""Clusters of three brokers, of which one is always away, and brokers of another version."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.embedded import start_cluster, start_kafka
from tests.conftest import KEPT, create_topic
from tests.support.group import caught_up
from tests.support.members import Member, Producer, expected, first_occurrences, member_environ
from tests.support.members import changes as random_changes
from tests.support.numbered_changes import case, changes, numbers
from tests.support.numbered_changes import expected as expected_numbers
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.topics import described
from tests.support.world import committed, plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_brokers_that_are_killed_one_by_one_under_load_lose_and_reorder_nothing(tmp_path: Path) -> None:
    rng, kinesis = random.Random(11), ScriptedKinesis(random.Random(3))
    with start_cluster(3, {"min.insync.replicas": "2"}) as brokers:
        servers = ",".join(broker.bootstrap_servers for broker in brokers)
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        await admin.start()
        await admin.create_topics([NewTopic("events", 6, 3, topic_configs=KEPT)])
        await admin.close()
        async with served(kinesis) as url, Producer(servers, "events") as producer:
            environ = member_environ(servers, "events", tmp_path, url)
            # The first start, which makes topics, meets a cluster of two as well.
            brokers[0].kill()
            member = await Member(tmp_path, environ, workers=2).start()
            try:
                for away, following in zip(brokers, [*brokers[1:], None], strict=True):
                    for _ in range(5):
                        count = len(producer.events)
                        await producer.produce(random_changes(rng, 100, profiles=60, start=count))
                    await caught_up(kinesis, expected(producer.events))
                    away.restart()
                    if following is not None:
                        following.kill()
                await caught_up(kinesis, expected(producer.events))
            finally:
                code = await member.stop()
            assert code == 0, member.log.read_text()
        assert first_occurrences(kinesis) == expected(producer.events)
        partitions, configuration = await described(servers, "group-events-events-state")
        assert (partitions, configuration["min.insync.replicas"]) == (6, "2")
        assert configuration["cleanup.policy"] == "compact"


async def test_the_main_job_on_kafka_3_9() -> None:
    kinesis = ScriptedKinesis(random.Random(3))
    with start_kafka(version="3.9.1") as broker:
        servers = broker.bootstrap_servers
        await create_topic(servers, "events", partitions=3)
        settings = settings_for(servers, "events")
        async with served(kinesis) as url:
            plan = plan_for(case(), "s", url)
            await produce(servers, "events", changes(40))
            async with running(settings, plan) as status:
                await until(lambda: status.figures.exported == 40)
            await produce(servers, "events", changes(40, start=40))
            async with running(settings, plan) as status:
                await until(lambda: status.figures.exported == 40)
        assert numbers(kinesis) == expected_numbers(80)
        assert await committed(servers, settings.kafka.group, "events") == 80
        assert (await described(servers, settings.changelog_topic))[1]["cleanup.policy"] == "compact"
