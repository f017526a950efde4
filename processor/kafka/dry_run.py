"""What a start would find, tried without changing anything: topics that would be created, and what this user may do with each."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    for_code,
)

from processor.errors import KafkaRefused
from processor.kafka.client import errors_mapped, mapped
from processor.kafka.source import ASSIGNOR
from processor.kafka.topic_ids import topic_operations
from processor.kafka.topics import Topics, open_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from processor.settings import KafkaSettings

_SAYS_OPERATIONS: Final = 3
"""The version of the group's description that says what is allowed (Kafka 2.3)."""
_PROTOCOL_TYPE: Final = "consumer"
READ: Final = 3
WRITE: Final = 4
_NAMES: Final = {READ: "Read", WRITE: "Write"}
"""Kafka's AclOperation, by its codes."""
_BATCH_BYTES: Final = 1024 * 1024 + 12
"""Kafka's default of max.message.bytes, where nothing is given."""


class Described(NamedTuple):
    """A topic as it would be created."""

    name: str
    configuration: Mapping[str, str]


class DryRunTopics(Topics):
    """As `Topics`, but what would be created is only tried: Kafka says whether it would be, and nothing is there then."""

    def __init__(self, admin: AIOKafkaAdminClient, settings: KafkaSettings) -> None:
        super().__init__(admin, settings)
        self._would_be: dict[str, Described] = {}

    def would_be_created(self, topic: str) -> bool:
        """Whether a start would create `topic`."""
        return topic in self._would_be

    async def check_allowed(self, topic: str, wanted: Collection[int]) -> None:
        """See that this user may do `wanted` with `topic`, where the brokers say what it may.

        Raises:
            KafkaRefused: it may not, or there is no such topic.
            KafkaUnavailable: Kafka does not answer.

        """
        with errors_mapped(f"looking at what is allowed on topic {topic}"):
            allowed = await topic_operations(self._admin._client, topic)  # noqa: SLF001  aiokafka asks for no operations
        self._check(f"topic {topic}", allowed, wanted)

    async def check_group(self, group: str) -> None:
        """See that this user may be a member of `group`, and that a member would be taken in beside those that it has.

        Raises:
            KafkaRefused: it may not, or would not be.
            KafkaUnavailable: Kafka does not answer.

        """
        with errors_mapped(f"looking at what is allowed on group {group}"):
            try:
                (answer,) = await self._admin.describe_consumer_groups(
                    [group], include_authorized_operations=True
                )
            except IncompatibleBrokerVersion:  # it says whether the group may be looked at, and no more
                (answer,) = await self._admin.describe_consumer_groups([group])
        ((code, _, _, protocol_type, protocol, members, *operations),) = answer.groups
        if code:
            raise mapped(for_code(code)(), f"looking at group {group}")
        if answer.API_VERSION >= _SAYS_OPERATIONS:
            self._check(f"group {group}", {each for each in _NAMES if operations[-1] >> each & 1}, {READ})
        # While the group rebalances it has chosen none.
        if members and (protocol_type != _PROTOCOL_TYPE or protocol not in {"", ASSIGNOR.name}):
            raise mapped(InconsistentGroupProtocolError(), f"joining group {group}")
        if not await self._is_session_taken(self._settings.session_timeout_ms):
            raise mapped(InvalidSessionTimeoutError(), f"joining group {group}")

    async def _is_session_taken(self, session_timeout_ms: int) -> bool:
        """Whether the brokers take such a session, where this user may know."""
        broker = next(iter(self._admin._client.cluster.brokers()))  # noqa: SLF001  as above
        resource = ConfigResource(ConfigResourceType.BROKER, str(broker.nodeId))
        with errors_mapped("describing the configuration of a broker"):
            (answer,) = await self._admin.describe_configs([resource])
        ((code, _, _, _, entries),) = answer.resources
        described = {} if code else {str(entry[0]): str(entry[1]) for entry in entries}
        least, most = (described.get(f"group.{each}.session.timeout.ms") for each in ("min", "max"))
        return (least is None or int(least) <= session_timeout_ms) and (
            most is None or session_timeout_ms <= int(most)
        )

    async def configuration(self, topic: str) -> dict[str, str]:
        """See `Topics`."""
        if topic in self._would_be:
            return {"max.message.bytes": str(_BATCH_BYTES), **self._would_be[topic].configuration}
        return await super().configuration(topic)

    async def _create(self, new: NewTopic) -> object:
        answer = await self._admin.create_topics([new], validate_only=True)
        self._would_be[new.name] = Described(new.name, new.topic_configs)
        return answer

    def _check(self, what: str, allowed: set[int] | None, wanted: Collection[int]) -> None:
        missing = [] if allowed is None else [_NAMES[each] for each in sorted(set(wanted) - allowed)]
        if missing:
            raise KafkaRefused(f"an ACL is missing on {what}: grant {' and '.join(missing)} to this user")


@asynccontextmanager
async def open_dry_run(settings: KafkaSettings) -> AsyncIterator[DryRunTopics]:
    """See `open_topics`.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    async with open_admin(settings) as admin:
        yield DryRunTopics(admin, settings)
