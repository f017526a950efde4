"""The id by which Kafka distinguishes a topic from another that had its name before.

Ids came with version 10 of the metadata request (Kafka 2.8, KIP-516); aiokafka knows versions up to 5, so that version
stands here, in aiokafka's own terms.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

if TYPE_CHECKING:
    from io import BytesIO

    from aiokafka.client import AIOKafkaClient

_ID_BYTES: Final = 16
_OPERATIONS: Final = 16
"""More than there are of AclOperation's codes."""


class TopicIdentity(NamedTuple):
    """What distinguishes a topic from any other that ever had its name: the cluster's id, and the topic's."""

    cluster: str
    topic: str

    def is_another(self, than: TopicIdentity | None) -> bool:
        """Whether these are two topics for certain; ids of two clusters say nothing of each other."""
        return than is not None and than.cluster == self.cluster and than.topic != self.topic


async def topic_identity(client: AIOKafkaClient, topic: str) -> TopicIdentity | None:
    """The identity of `topic`; None where the broker knows no ids. Else as `topic_id`.

    Raises aiokafka's error where there is no such topic, or it may not be seen.
    """
    try:
        answer = await client.send(client.get_random_node(), _TopicIdRequest(topic))
    except NotImplementedError:  # the broker is older
        return None
    ((code, _, number, *_),) = answer.topics
    if code:
        error: Exception = for_code(code)()
        raise error
    return TopicIdentity(str(answer.cluster_id), str(uuid.UUID(bytes=number)))


async def topic_operations(client: AIOKafkaClient, topic: str) -> set[int] | None:
    """What this user may do with `topic`, as codes of Kafka's AclOperation; None where the broker does not say.

    Raises aiokafka's error where there is no such topic, or it may not be seen.
    """
    try:
        answer = await client.send(client.get_random_node(), _TopicIdRequest(topic, operations=True))
    except NotImplementedError:  # the broker is older
        return None
    ((code, *_, operations, _),) = answer.topics
    if code:
        error: Exception = for_code(code)()
        raise error
    return None if operations < 0 else {each for each in range(_OPERATIONS) if operations >> each & 1}


async def topic_id(client: AIOKafkaClient, topic: str) -> str | None:
    """The id of `topic`; None where there is no such topic, or the broker knows no ids.

    `client` is what aiokafka's consumers, producers and admin clients send their requests by. Raises what aiokafka raises
    where no broker answers.
    """
    try:
        answer = await client.send(client.get_random_node(), _TopicIdRequest(topic))
    except NotImplementedError:  # the broker is older
        return None
    ((code, _, number, *_),) = answer.topics
    return None if code else str(uuid.UUID(bytes=number))


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka has no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(_ID_BYTES)


_TEXT = CompactString("utf-8")
_NUMBERS = CompactArray(Int32)
_BROKER = (("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields))
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", _NUMBERS),
    ("isr", _NUMBERS),
    ("offline_replicas", _NUMBERS),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("topic", _TEXT),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class _TopicIdResponse(Response):  # type: ignore[misc]  # as above
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicIdRequestStruct(RequestStruct):  # type: ignore[misc]  # as above
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicIdResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("topic", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_authorized_operations", Boolean),
        ("topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdRequest(Request[_TopicIdRequestStruct]):  # type: ignore[misc]  # as above
    API_KEY = 3

    def __init__(self, topic: str, *, operations: bool = False) -> None:
        self._topic = topic
        self._operations = operations

    def build(self, request_struct_class: type[_TopicIdRequestStruct]) -> _TopicIdRequestStruct:
        by_name: tuple[bytes, str, dict[int, bytes]] = (bytes(_ID_BYTES), self._topic, {})
        return request_struct_class(
            topics=[by_name],
            allow_auto_topic_creation=False,
            cluster_authorized_operations=False,
            topic_authorized_operations=self._operations,
            tags={},
        )
