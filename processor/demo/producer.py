"""The demo's events for a Kafka and a Kinesis that run elsewhere, as compose.yaml starts them.

`python -m processor.demo.producer prepare` makes the topic and the stream where they are absent;
`python -m processor.demo.producer produce` produces events until SIGTERM or SIGINT. Both read the processor's
environment and its destination file; DEMO_EVENTS_PER_SECOND says how fast.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.session import get_session
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from botocore.exceptions import ClientError

from processor.configuration import load_configuration
from processor.demo.workload import events
from processor.kafka.client import client_options
from processor.settings import load_settings

if TYPE_CHECKING:
    from processor.governance.destination import Destination
    from processor.settings import KafkaSettings

PARTITIONS: Final = 12
_SHARDS: Final = 2
_SEED: Final = 2020
_PROFILES: Final = 10_000


async def prepare(kafka: KafkaSettings, destination: Destination) -> None:
    """Make the topic and the stream, where they are absent."""
    await _create_topic(kafka)
    await _create_stream(destination)


async def produce(kafka: KafkaSettings, events_per_second: float, stop: asyncio.Event) -> int:
    """Produce events until `stop` is set, and return how many there were."""
    produced = 0
    producer = AIOKafkaProducer(**client_options(kafka), enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        for event in events(_SEED, _PROFILES):
            if stop.is_set():
                break
            await producer.send(kafka.topic, key=event.key, value=event.value)
            produced += 1
            await _pause(stop, 1 / events_per_second)
    finally:
        await producer.stop()
    return produced


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _create_topic(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(kafka.topic, PARTITIONS, 1)])
    finally:
        await admin.close()
    for topic, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(topic)


async def _create_stream(destination: Destination) -> None:
    async with _client(destination) as client:
        try:
            await client.create_stream(StreamName=destination.stream, ShardCount=_SHARDS)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
        await client.get_waiter("stream_exists").wait(
            StreamName=destination.stream, WaiterConfig={"Delay": 1}
        )


def _client(destination: Destination) -> Any:  # noqa: ANN401  aiobotocore's clients have no type
    connection = destination.connection
    return get_session().create_client(
        "kinesis",
        region_name=connection.region,
        endpoint_url=connection.connection_url,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106  the emulator takes any
    )


async def _main(what: str) -> None:
    settings = load_settings()
    if what == "prepare":
        destination, _ = load_configuration(settings.files.destination_file, None, os.environ)
        await prepare(settings.kafka, destination)
        return
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await produce(settings.kafka, float(os.environ.get("DEMO_EVENTS_PER_SECOND", "50")), stop)


if __name__ == "__main__":
    if sys.argv[1:] not in (["prepare"], ["produce"]):
        sys.exit(__doc__)
    asyncio.run(_main(sys.argv[1]))
