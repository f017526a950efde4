"""Events as nobody expects them, on a real Kafka: each is exported or a dead letter, and those beside it are exported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from structlog.testing import capture_logs

from tests.support.failing_core import FailingPlan
from tests.support.odd_header import Name
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
    from processor.embedded import EmbeddedKinesis
    from processor.governance.plan import Plan

pytestmark = pytest.mark.integration

SECRET = "Zq7wSECRET"
PREFIX = "processor.dead-letter."


def event(key: str, email: str, **headers: str) -> dict[str, Any]:
    seed = vector("seed-example")["events"][0]
    value = json.dumps(seed["value"]).replace('"yourstruly@adobe.con"', email)
    return {"key": key, "timestamp": seed["timestamp"], "valueText": value, "headers": headers}


def failing(plan: Plan) -> Plan:
    """A plan that fails on every event that is labelled FAIL."""
    found = FailingPlan(plan.destination, plan.governance)
    found.error = RecursionError(SECRET)
    return found


async def test_what_the_core_fails_on_is_one_dead_letter_and_the_rest_of_its_batch_is_exported_in_order(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    settings = settings_for(kafka, topic)
    plan = failing(plan_for(vector("seed-example"), stream, kinesis.endpoint_url))
    deep = "[" * 600 + "1.50" + "]" * 600
    events = [
        event("p1", "1"),
        event("p1", f'"{SECRET}"', duleLabels="FAIL"),
        event("p1", deep),
        event("p2", f'"{SECRET}"', duleLabels="FAIL"),
        event("p1", deep.replace("1.50", "15e-1")),
        event("p1", "[" * 2_000 + "]" * 2_000),
        event("p1", "2"),
    ]
    await produce(kafka, topic, events, partition=1)
    with capture_logs() as told:
        async with running(settings, plan) as status:
            records = await stored_when(kinesis_client, stream, 3)
            letters = await read_topic(kafka, settings.kafka.dead_letter_topic, 3)
            await until(lambda: status.figures.in_flight == 0)
            assert status.figures.dead_lettered == {"internal": 2, "bad-json": 1}
            await until(lambda: status.is_ready)
    exports = [data.decode() for _, data in records]
    assert [json.loads(data)["person"]["email"] for data in exports] == [1, json.loads(deep), 2]
    assert deep in exports[1]
    assert await committed(kafka, settings.kafka.group, topic) == len(events)
    internal = [each for each in letters if (f"{PREFIX}reason", b"internal") in each.headers]
    assert sorted(dict(each.headers)[f"{PREFIX}offset"] or b"" for each in internal) == [b"1", b"3"]
    for letter in internal:
        assert SECRET.encode() in (letter.value or b"")
        assert ("duleLabels", b"FAIL") in letter.headers
        error = dict(letter.headers)[f"{PREFIX}error"] or b""
        assert b"RecursionError" in error
        assert SECRET.encode() not in error
    (line,) = [each for each in told if "unexpectedly" in each["event"]]
    assert (line["partition"], line["offsets"]) == (1, [1, 3])
    assert "RecursionError" in line["trace"]
    assert SECRET not in str(told)


async def test_an_event_without_key_and_value_is_a_dead_letter(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    settings = settings_for(kafka, topic)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(timestamp=1, key=None, value=None, headers=[("trace", None)])
        batch.append(timestamp=1, key=None, value=b"{}")
        batch.append(timestamp=1, key=b"", value=None)
        batch.close()
        await (await producer.send_batch(batch, topic, partition=1))
    finally:
        await producer.stop()
    await produce(kafka, topic, [event("p1", "1")], partition=1)
    async with running(settings, plan_for(vector("seed-example"), stream, kinesis.endpoint_url)) as status:
        await stored_when(kinesis_client, stream, 1)
        await until(lambda: status.figures.in_flight == 0)
        assert status.figures.dead_lettered == {"bad-key": 3}
    letters = await read_topic(kafka, settings.kafka.dead_letter_topic, 3)
    assert {(letter.key or b"", letter.value) for letter in letters} == {(b"", None), (b"", b"{}")}
    assert await committed(kafka, settings.kafka.group, topic) == 4


async def test_a_header_whose_name_is_not_utf_8_keeps_no_event_from_being_read(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    settings = settings_for(kafka, topic)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    good = event("p1", "1")["valueText"].encode()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(
            2, 0, 0, -1, -1, -1, 1 << 20
        )  # writes names as they are
        for key, value in ((b"p1", good), (b"p2", b"{"), (b"p3", good)):
            batch.append(timestamp=1, key=key, value=value, headers=[(Name.of(b"odd\xff"), b"1")])
        batch.close()
        await (await producer.send_batch(batch, topic, partition=1))
    finally:
        await producer.stop()
    async with running(settings, plan_for(vector("seed-example"), stream, kinesis.endpoint_url)) as status:
        records = await stored_when(kinesis_client, stream, 2)
        await until(lambda: status.figures.in_flight == 0)
    assert sorted(key for key, _ in records) == ["p1", "p3"]
    (letter,) = await read_topic(kafka, settings.kafka.dead_letter_topic, 1)
    assert (letter.key, letter.value) == (b"p2", b"{")
    assert (r"odd\xff", b"1") in letter.headers
