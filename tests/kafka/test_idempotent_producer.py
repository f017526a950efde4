"""A producer whose place in the log is lost is replaced; what it has on its way is let go of."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder

from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.idempotent_producer import IdempotentProducer
from tests.support.world import read_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def small(kafka: str) -> str:
    """A topic of two partitions that takes small records only."""
    name = f"small-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"max.message.bytes": "1000"})])
    finally:
        await admin.close()
    return name


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[IdempotentProducer]:
    made = IdempotentProducer(
        lambda: AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True), "the producer"
    )
    await made.start()
    yield made
    await made.stop()


async def send(producer: IdempotentProducer, topic: str, value: bytes, partition: int = 0) -> int:
    batch = BatchBuilder(1 << 20, 0)
    batch.append(timestamp=None, key=b"key", value=value, headers=[])
    batch.close()
    return int((await producer.send(batch, topic, partition)).offset)


async def test_aiokafka_s_own_producer_never_goes_on_after_a_batch_that_the_broker_refused(
    kafka: str, small: str
) -> None:
    """The reason for all of this; where it fails one day, the module may go."""
    plain = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await plain.start()
    try:
        await plain.send_and_wait(small, b"first", partition=0)
        with pytest.raises(kafka_errors.MessageSizeTooLargeError):
            await plain.send_and_wait(small, b"x" * 5_000, partition=0)
        for _ in range(3):
            with pytest.raises(kafka_errors.OutOfOrderSequenceNumber):
                await plain.send_and_wait(small, b"later", partition=0)
    finally:
        await plain.stop()


async def test_after_a_batch_that_the_broker_refused_all_partitions_go_on_in_order(
    kafka: str, small: str, producer: IdempotentProducer
) -> None:
    assert await send(producer, small, b"0") == 0
    assert await send(producer, small, b"0", partition=1) == 0
    for number in range(1, 4):
        with pytest.raises(KafkaRefused, match="larger than the topic takes"):
            await send(producer, small, b"x" * 5_000)
        assert producer.replaced == number
        assert await send(producer, small, b"%d" % number) == number
        assert await send(producer, small, b"%d" % number, partition=1) == number
    records = await read_topic(kafka, small, 8)
    for partition in (0, 1):
        assert [r.value for r in records if r.partition == partition] == [b"0", b"1", b"2", b"3"]


async def test_those_that_wait_when_a_producer_is_replaced_are_reported_or_have_what_they_sent(
    small: str, producer: IdempotentProducer
) -> None:
    await send(producer, small, b"0")
    refused, other = await asyncio.gather(
        send(producer, small, b"x" * 5_000), send(producer, small, b"y", partition=1), return_exceptions=True
    )
    assert isinstance(refused, KafkaRefused)
    assert other == 0 or isinstance(other, KafkaUnavailable)
    assert producer.replaced == 1
    assert await send(producer, small, b"z") == 1


async def test_a_producer_that_cannot_be_connected_is_tried_again_with_the_next_batch(
    kafka: str, small: str
) -> None:
    servers = ["127.0.0.1:1", kafka]
    lasting = IdempotentProducer(
        lambda: AIOKafkaProducer(bootstrap_servers=servers.pop(0), enable_idempotence=True), "the producer"
    )
    with pytest.raises(KafkaUnavailable, match="connecting the producer"):
        await send(lasting, small, b"0")
    assert await send(lasting, small, b"0") == 0
    await lasting.stop()


async def test_the_private_names_that_end_a_producer_are_there(kafka: str) -> None:
    plain = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await plain.start()
    assert isinstance(plain._sender.sender_task, asyncio.Task)
    await plain.stop()
