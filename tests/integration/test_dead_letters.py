"""Dead letters: held back where they are too many, read back, and sent to the source again."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from processor.errors import KafkaRefused
from processor.operations import dead_letters
from processor.worker.dead_letter_limit import CONDITION
from tests.support.world import (
    committed,
    plan_for,
    produce,
    read_topic,
    running,
    settings_for,
    stored_when,
    until,
    vector,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.embedded import EmbeddedKinesis
    from processor.kafka.dead_letter_reader import DeadLetterRecord
    from processor.settings import Settings

pytestmark = pytest.mark.integration

TIME_MS = 1_590_449_856_000


def bad(key: str, text: str = "{not json") -> dict[str, Any]:
    return {"key": key, "timestamp": TIME_MS, "valueText": text, "headers": {"trace": key}}


def good(key: str) -> dict[str, Any]:
    return {**vector("seed-example")["events"][0], "key": key}


def every(_: DeadLetterRecord) -> bool:
    return True


async def dead_lettered(
    settings: Settings, events: Sequence[dict[str, Any]], kinesis_url: str, stream: str
) -> None:
    """Have the service work on events, all in one partition, until none is in flight."""
    await produce(settings.kafka.servers[0], settings.kafka.topic, events, partition=1)
    async with running(settings, plan_for(vector("seed-example"), stream, kinesis_url)) as status:
        await until(lambda: status.figures.received == len(events) and status.figures.in_flight == 0)


async def test_too_many_dead_letters_stop_the_service_unready_and_lose_nothing(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    settings = settings_for(kafka, topic, dead_letter_limit_count="5", shutdown_timeout_ms="300")
    plan = plan_for(vector("seed-example"), stream, kinesis.endpoint_url)
    async with running(settings, plan) as status:
        await produce(kafka, topic, [bad(f"p{number}") for number in range(20)], partition=1)
        await until(lambda: CONDITION in status.conditions)
        assert "20 of the last 20 events were bad" in status.conditions[CONDITION]
        # Another partition, without dead letters, goes on.
        await produce(kafka, topic, [good("p99")], partition=2)
        await stored_when(kinesis_client, stream, 1)
        await until(lambda: status.figures.exported == 1)
        assert status.figures.dead_lettered.total() == 0
        assert status.figures.in_flight == 20
    assert await committed(kafka, settings.kafka.group, topic) == 1
    # A person has looked, and lets them go.
    settings = settings_for(kafka, topic, kafka_group=settings.kafka.group, dead_letter_limit_count="0")
    async with running(settings, plan) as status:
        await until(lambda: status.figures.dead_lettered.total() == 20)


async def test_letters_are_sent_again_only_where_no_later_event_of_their_key_is_there(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, stream: str
) -> None:
    settings = settings_for(kafka, topic)
    events = [bad("p1"), bad("p2"), bad("p3", "{older"), good("p2"), bad("p3", "{newer"), bad("")]
    await dead_lettered(settings, events, kinesis.endpoint_url, stream)
    told = await dead_letters.replay(settings.kafka, every, dry_run=True)
    assert told.sent == 2
    outcome = await dead_letters.replay(settings.kafka, every)
    assert outcome.sent == 2
    assert {(each.key, each.value): why for each, why in outcome.skipped} == {
        (b"p2", b"{not json"): "the source holds a later event of its key, at offset 3",
        (b"p3", b"{older"): "a later dead letter has the same key",
        (b"", b"{not json"): "it has no key, so no fix makes it an event of a profile",
    }
    sent = (await read_topic(kafka, topic, 8))[6:]
    assert [(r.key, r.value, dict(r.headers), r.timestamp, r.partition) for r in sent] == [
        (b"p1", b"{not json", {"trace": b"p1"}, TIME_MS, 1),
        (b"p3", b"{newer", {"trace": b"p3"}, TIME_MS, 1),
    ]
    # What was sent is now the later event of its key.
    again = await dead_letters.replay(settings.kafka, every)
    assert again.sent == 0


async def test_an_event_that_comes_while_a_letter_is_sent_stays_the_last_of_its_key(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(kafka, topic)
    await dead_lettered(settings, [bad("p1")], kinesis.endpoint_url, stream)
    send = AIOKafkaProducer.send_and_wait
    raced: list[bool] = []

    async def after_a_newer_one(self: AIOKafkaProducer, *arguments: Any, **named: Any) -> Any:
        if not raced:
            raced.append(True)
            await send(self, topic, key=b"p1", value=b"{newer still", partition=1)
        return await send(self, *arguments, **named)

    monkeypatch.setattr(AIOKafkaProducer, "send_and_wait", after_a_newer_one)
    outcome = await dead_letters.replay(settings.kafka, every)
    assert (outcome.sent, outcome.appended_again) == (1, 1)
    values = [record.value for record in await read_topic(kafka, topic, 4)]
    assert values == [b"{not json", b"{newer still", b"{not json", b"{newer still"]


async def test_the_commands_list_show_and_replay(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, stream: str
) -> None:
    settings = settings_for(kafka, topic)
    labels = {**good("p2"), "value": {**good("p2")["value"], "identityMap": {"ecid": [{"id": 7}]}}}
    await dead_lettered(settings, [bad("p1"), labels], kinesis.endpoint_url, stream)
    environ = {
        "PROCESSOR_KAFKA_SERVERS": kafka,
        "PROCESSOR_KAFKA_TOPIC": topic,
        "PROCESSOR_KAFKA_GROUP": "any",
        "COLUMNS": "200",
    }

    async def told(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "processor", "dead-letters", *arguments),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode()

    listed = await told("list")
    assert f"{topic} 1:0" in listed
    assert "bad-json 1" in listed
    assert "bad-identity 1" in listed
    assert "not json" not in listed  # no profile's data
    only = await told("list", "--reason", "bad-identity")
    assert "bad-json" not in only
    (row,) = [line for line in listed.splitlines() if f"{topic} 1:0" in line]
    shown = json.loads(await told("show", row.split()[1]))
    assert (shown["key"], shown["value"], shown["headers"]) == ("p1", "{not json", {"trace": "p1"})
    assert "would be sent: 1; skipped: 0" in await told("replay", "--reason", "bad-json", "--dry-run")
    assert "sent: 2; skipped: 0" in await told("replay")


async def test_a_dead_letter_topic_that_is_not_there_is_reported(kafka: str, topic: str) -> None:
    with pytest.raises(KafkaRefused, match=f"topic {topic}-dead-letters does not exist"):
        await dead_letters.replay(settings_for(kafka, topic).kafka, every)
