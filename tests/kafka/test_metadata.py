"""No client of ours creates a topic by asking for it, on a broker that would; and a topic made anew is known by its id."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, client
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin import client as admin_client
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v0, MetadataRequest_v5

from processor.kafka.metadata import never_create_by_looking
from processor.kafka.topic_ids import topic_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    never_create_by_looking()
    connected = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await connected.start()
    yield connected
    await connected.close()


async def until_there(admin: AIOKafkaAdminClient, topic: str, *, there: bool) -> None:
    while (topic in await admin.list_topics()) != there:
        await asyncio.sleep(0.02)


async def test_the_requests_of_all_clients_say_that_nothing_is_to_be_created() -> None:
    for module in (client, admin_client):
        assert module.MetadataRequest is MetadataRequest or module.MetadataRequest.func is MetadataRequest
    never_create_by_looking()
    for module in (client, admin_client):
        request = module.MetadataRequest(["a"])
        assert request.build(MetadataRequest_v5).allow_auto_topic_creation is False
        assert request.build(MetadataRequest_v0).topics == ["a"]


@pytest.mark.integration
async def test_a_broker_with_default_settings_creates_what_a_request_names_but_not_for_us(
    kafka: str, admin: AIOKafkaAdminClient
) -> None:
    named, asked = f"named-{uuid.uuid4().hex[:8]}", f"asked-{uuid.uuid4().hex[:8]}"
    # As other clients ask: that the broker creates topics at all is what gives the rest of this its meaning.
    await admin._send_request(MetadataRequest([named]))
    await until_there(admin, named, there=True)

    assert (await admin.describe_topics([asked]))[0]["error_code"] == 3
    assert await topic_id(admin._client, asked) is None
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, metadata_max_age_ms=50)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, request_timeout_ms=1_000, metadata_max_age_ms=50)
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([TopicPartition(asked, 0)])
        with pytest.raises((KafkaError, TimeoutError)):
            async with asyncio.timeout(1):
                await consumer.end_offsets([TopicPartition(asked, 0)])
        with pytest.raises(KafkaError):
            await producer.send_and_wait(asked, b"value")
    finally:
        await producer.stop()
        await consumer.stop()
    assert asked not in await admin.list_topics()


@pytest.mark.integration
async def test_a_topic_has_an_id_and_another_one_when_it_is_made_anew(admin: AIOKafkaAdminClient) -> None:
    name = f"again-{uuid.uuid4().hex[:8]}"
    await admin.create_topics([NewTopic(name, 3, 1)])
    await until_there(admin, name, there=True)
    first = await topic_id(admin._client, name)
    assert first is not None
    assert uuid.UUID(first).int
    await admin.delete_topics([name])
    await until_there(admin, name, there=False)
    assert await topic_id(admin._client, name) is None
    await admin.create_topics([NewTopic(name, 3, 1)])
    await until_there(admin, name, there=True)
    assert await topic_id(admin._client, name) not in {None, first}
