from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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

pytestmark = pytest.mark.integration


async def test_the_published_example_is_exported_equal_as_json_and_in_the_order_of_members(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    case = vector("seed-example")
    settings = settings_for(kafka, topic)
    await produce(kafka, topic, case["events"])
    async with running(settings, plan_for(case, stream, kinesis.endpoint_url)):
        records = await stored_when(kinesis_client, stream, 2)
    assert [key for key, _ in records] == [export["partitionKey"] for export in case["exports"]]
    # As text: the order of members counts.
    assert [json.dumps(json.loads(data)) for _, data in records] == [
        json.dumps(export["data"]) for export in case["exports"]
    ]


async def test_offsets_are_committed_after_what_they_cover_is_acknowledged(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    case = vector("seed-example")
    settings = settings_for(kafka, topic)
    await produce(kafka, topic, case["events"])
    async with running(settings, plan_for(case, stream, kinesis.endpoint_url)):
        await stored_when(kinesis_client, stream, 2)
    assert await committed(kafka, settings.kafka.group, topic) == len(case["events"])


async def test_a_stop_and_a_start_go_on_where_the_group_was(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    case = vector("seed-example")
    settings, plan = settings_for(kafka, topic), plan_for(case, stream, kinesis.endpoint_url)
    first, later = case["events"][0], {**case["events"][0], "key": "p2"}
    await produce(kafka, topic, [first])
    async with running(settings, plan):
        await stored_when(kinesis_client, stream, 1)
    await produce(kafka, topic, [later])
    async with running(settings, plan) as status:
        await stored_when(kinesis_client, stream, 2)
        await until(lambda: status.figures.in_flight == 0)
        assert status.figures.received == 1


async def test_a_poisoned_event_between_good_ones_is_dead_lettered_whole_and_stops_nothing(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    case = vector("seed-example")
    settings = settings_for(kafka, topic)
    good = case["events"][0]
    poisoned = {
        "key": "p1",
        "timestamp": 1_590_449_856_000,
        "valueText": "{not json",
        "headers": {"trace": "abc"},
    }
    await produce(kafka, topic, [good, poisoned, {**good, "key": "p2"}], partition=1)
    async with running(settings, plan_for(case, stream, kinesis.endpoint_url)) as status:
        await stored_when(kinesis_client, stream, 2)
        (letter,) = await read_topic(kafka, settings.kafka.dead_letter_topic, 1)
        await until(lambda: status.figures.in_flight == 0)
        assert status.figures.dead_lettered == {"bad-json": 1}
    assert (letter.key, letter.value) == (b"p1", b"{not json")
    headers = dict(letter.headers)
    assert headers["trace"] == b"abc"
    assert {name: headers[f"processor.dead-letter.{name}"] for name in ("topic", "partition", "offset")} == {
        "topic": topic.encode(),
        "partition": b"1",
        "offset": b"1",
    }
    assert headers["processor.dead-letter.timestamp"] == b"1590449856000"
    assert headers["processor.dead-letter.reason"] == b"bad-json"
    assert b"not json" not in (headers["processor.dead-letter.error"] or b"")
