"""A running service between a real Kafka and an emulated Kinesis, as the tests drive it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from processor.configuration import parse_configuration
from processor.governance.plan import Plan, compile_plan
from processor.service.run import run_service
from processor.settings import Settings, load_settings
from processor.telemetry.status import Status
from processor.web.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

_STATE = tempfile.TemporaryDirectory(prefix="processor-state-")
VECTORS = Path(__file__).parents[1] / "vectors"


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return loaded


def settings_for(servers: str, topic: str, **changes: str) -> Settings:
    return load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": servers,
            "PROCESSOR_KAFKA_TOPIC": topic,
            "PROCESSOR_KAFKA_GROUP": f"group-{uuid.uuid4().hex[:8]}",
            "PROCESSOR_KAFKA_COMMIT_INTERVAL_MS": "50",
            "PROCESSOR_KAFKA_SESSION_TIMEOUT_MS": "6000",
            "PROCESSOR_KAFKA_REQUEST_TIMEOUT_MS": "4000",
            "PROCESSOR_STATE_DIRECTORY": str(Path(_STATE.name) / uuid.uuid4().hex[:8]),
            "PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
            "PROCESSOR_HTTP_PORT": "0",
            "PROCESSOR_KINESIS_SLOW_RETRY_MS": "200",
            **{f"PROCESSOR_{name.upper()}": value for name, value in changes.items()},
        }
    )


def plan_for(case: dict[str, Any], stream: str, endpoint_url: str) -> Plan:
    connection = {
        "region": "eu-west-1",
        "accessKeyId": "test",
        "secretKey": "test",
        "connectionUrl": endpoint_url,
    }
    destination = {**case["destination"], "stream": stream, "connection": connection}
    governance = case.get("governance")
    return compile_plan(
        *parse_configuration(
            (json.dumps(destination), "destination.yaml"),
            (json.dumps(governance), "governance.yaml") if governance else None,
            {},
        )
    )


@asynccontextmanager
async def running(settings: Settings, plan: Plan) -> AsyncIterator[Status]:
    """The service, for as long as the context lasts; then stopped as SIGTERM stops it."""
    status, stop = Status(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        service = tasks.create_task(run_service(settings, plan, stop, status, serve=serve))
        try:
            await until(lambda: status.is_ready or service.done())
            yield status
        finally:
            stop.set()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


async def produce(
    servers: str, topic: str, events: Sequence[dict[str, Any]], partition: int | None = None
) -> None:
    """Append events one by one; those of a given partition at once, so that they are also fetched at once."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    await producer.start()
    try:
        if partition is None:
            for event in events:
                timestamp_ms, record = _record(event)
                await producer.send_and_wait(topic, timestamp_ms=timestamp_ms, **record)
        else:
            batch = producer.create_batch()
            for event in events:
                timestamp_ms, record = _record(event)
                assert batch.append(timestamp=timestamp_ms, **record) is not None, "too much for one batch"
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


def _record(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    value = event["valueText"] if "valueText" in event else json.dumps(event["value"])
    return event["timestamp"], {
        "key": event["key"].encode(),
        "value": None if "valueText" not in event and event["value"] is None else value.encode(),
        "headers": [(name, text.encode()) for name, text in event.get("headers", {}).items()],
    }


def stored(client: Any, stream: str) -> list[tuple[str, bytes]]:
    """All records of the stream, shard by shard: partition key and data."""
    found: list[tuple[str, bytes]] = []
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = client.get_records(ShardIterator=iterator, Limit=10_000)
            if not answer["Records"]:
                break
            found += [(record["PartitionKey"], record["Data"]) for record in answer["Records"]]
            iterator = answer["NextShardIterator"]
    return found


async def stored_when(client: Any, stream: str, count: int) -> list[tuple[str, bytes]]:
    """The stream's records once there are at least `count`."""
    while True:
        found = await asyncio.to_thread(stored, client, stream)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.05)


class Read(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


async def read_topic(servers: str, topic: str, count: int) -> list[Read]:
    """The first `count` records of all partitions of a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        records: list[Read] = []
        while len(records) < count:
            for place, batch in (await consumer.getmany(timeout_ms=100)).items():
                records += [
                    Read(place.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch
                ]
        return records
    finally:
        await consumer.stop()


async def committed(servers: str, group: str, topic: str) -> int:
    """The sum of the group's committed offsets on all partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return sum(position.offset for place, position in offsets.items() if place.topic == topic)
