"""Changelogs and starts that are refused."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.configuration import parse_configuration
from processor.errors import StateRefused
from processor.governance.plan import Plan, compile_plan
from processor.profile.state_record import has_departed
from processor.state.place import place_of
from processor.state.store_inspection import open_to_look
from tests.support.group import caught_up
from tests.support.members import (
    DESTINATION,
    Producer,
    expected,
)
from tests.support.world import committed, running

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from processor.settings import Settings
    from tests.support.scripted_kinesis import ScriptedKinesis


def plan_for(url: str, stream: str = "exports") -> Plan:
    connection = {
        "region": "eu-west-1",
        "accessKeyId": "test",
        "secretKey": "test",
        "connectionUrl": url,
    }
    text = json.dumps({**DESTINATION, "stream": stream, "connection": connection})
    return compile_plan(*parse_configuration((text, "destination.yaml"), None, {}))


async def process_all(settings: Settings, plan: Plan, producer: Producer, kinesis: ScriptedKinesis) -> None:
    """Run until all that was produced is exported and committed."""
    topic, servers = settings.kafka.topic, settings.kafka.servers[0]
    async with running(settings, plan):
        await caught_up(kinesis, expected(producer.events))
        while await committed(servers, settings.kafka.group, topic) < len(producer.events):
            await asyncio.sleep(0.05)


def stored_state(settings: Settings) -> dict[bytes, bytes]:
    """The records of all local stores, less those of profiles that left."""
    found: dict[bytes, bytes] = {}
    for path in place_of(settings.state, settings.kafka.group, settings.kafka.topic).iterdir():
        database = open_to_look(path)
        for key, record in database.items():
            assert isinstance(key, bytes)
            if not key.startswith(b"\xff") and not has_departed(record):
                found[key] = record
        database.close()
    return found


async def refusal(service: Coroutine[object, object, object]) -> str:
    """What a service that refuses to go on says, of one partition or of several."""
    try:
        await service
    except StateRefused as error:
        return str(error)
    except ExceptionGroup as failure:
        others = failure.split(StateRefused)[1]
        assert others is None, others
        return repr(failure.split(StateRefused)[0])
    raise AssertionError("it went on")


async def create_changelog(settings: Settings, partitions: int, configuration: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.servers[0])
    await admin.start()
    try:
        new = NewTopic(settings.changelog_topic, partitions, 1, topic_configs=dict(configuration))
        answer = await admin.create_topics([new])
        assert [code for _, code, *_ in answer.topic_errors] == [0], answer
    finally:
        await admin.close()
