"""The topics that must be there: the source, which is not ours, and the dead letters, which are made if absent."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from processor.errors import KafkaRefused
from processor.kafka.client import client_options, errors_mapped, mapped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.settings import KafkaSettings

_ABSENT: Final = 3  # UNKNOWN_TOPIC_OR_PARTITION


class TopicShape(NamedTuple):
    """How many partitions a topic has, and how often each is replicated."""

    partitions: int
    replication_factor: int


class Topics:
    """Looks at topics and creates them."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def shape(self, topic: str) -> TopicShape:
        """Partitions and replication of `topic`.

        Raises:
            KafkaRefused: there is no such topic, or it may not be seen.
            KafkaUnavailable: Kafka does not answer.

        """
        with errors_mapped(f"describing topic {topic}"):
            (described,) = await self._admin.describe_topics([topic])
        code = described["error_code"]
        if code == _ABSENT:
            raise KafkaRefused(f"topic {topic} does not exist: create it, or see PROCESSOR_KAFKA_TOPIC")
        if code:
            raise mapped(for_code(code)(), f"describing topic {topic}")
        partitions = described["partitions"]
        return TopicShape(len(partitions), len(partitions[0]["replicas"]))

    async def create_if_absent(self, topic: str, shape: TopicShape) -> bool:
        """Create `topic`; True where it was not there.

        Raises:
            KafkaRefused: it does not exist and may not be created.
            KafkaUnavailable: Kafka does not answer.

        """
        try:
            await self.shape(topic)
        except KafkaRefused:
            pass
        else:
            return False
        new = NewTopic(topic, shape.partitions, shape.replication_factor)
        with errors_mapped(f"creating topic {topic}"):
            answer = await self._admin.create_topics([new])
        for _, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise mapped(error(), f"creating topic {topic}")
        return True


@asynccontextmanager
async def open_topics(settings: KafkaSettings) -> AsyncIterator[Topics]:
    """A connection for administration.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    with errors_mapped(f"connecting to Kafka at {', '.join(settings.servers)}"):
        await admin.start()
    try:
        yield Topics(admin)
    finally:
        await admin.close()
