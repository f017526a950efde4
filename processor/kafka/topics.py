"""The topics that must be there: the source, which is not ours, the dead letters and the changelog, which are."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, for_code

from processor.errors import KafkaRefused, KafkaUnavailable, StateRefused
from processor.kafka.changelog import RESTORED_BY
from processor.kafka.client import client_options, errors_mapped, mapped
from processor.kafka.client_lifecycle import connected, uninterrupted
from processor.kafka.commit_metadata import START
from processor.kafka.connection_failures import explained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from processor.settings import KafkaSettings, StateSettings

log = structlog.get_logger(__name__)

_ABSENT: Final = 3  # UNKNOWN_TOPIC_OR_PARTITION
_ALL_AWAY: Final = "All brokers are currently fenced"
"""What a controller says of a replication factor that it can do nothing about: the brokers are about to go, or to come."""
_LOOKS: Final = 4
_LOOK_AGAIN_S: Final = 0.5
"""A topic that was created just now is not known to every broker at once."""
_MIN_INSYNC_OF_MANY: Final = 2
_MANY_REPLICAS: Final = 3
_MADE_BY_LOOKING: Final = (
    "the service did not make it so, and nothing was ever written to it: a client that only looked at it made it, as "
    "brokers with auto.create.topics.enable=true let it. Delete it, with kafka-topics.sh --delete --topic {}, and start "
    "again"
)
_SOURCE_MADE_ANEW: Final = (
    "{} was deleted and made anew, for Kafka takes no partitions away, and a group's offsets only with their topic; "
    "perhaps by a client that only looked at it, as brokers with auto.create.topics.enable=true let it. Create it as it "
    "should be, and start a new group, which exports every profile anew"
)


class TopicShape(NamedTuple):
    """How many partitions a topic has, and how often each is replicated."""

    partitions: int
    replication_factor: int


class ChangelogShape(NamedTuple):
    """What of the changelog's configuration the service goes by."""

    partitions: int
    max_message_bytes: int
    delete_retention_ms: int
    min_compaction_lag_ms: int


class Topics:
    """Looks at topics and creates them."""

    def __init__(self, admin: AIOKafkaAdminClient, settings: KafkaSettings) -> None:
        self._admin = admin
        self._settings = settings

    async def cluster_id(self) -> str:
        """The cluster's own id."""
        with errors_mapped("describing the cluster"):
            return str((await self._admin.describe_cluster())["cluster_id"])

    async def shape(self, topic: str, remedy: str = "create it, or see PROCESSOR_KAFKA_TOPIC") -> TopicShape:
        """Partitions and replication of `topic`; `remedy` is what to do where there is none.

        Raises:
            KafkaRefused: there is no such topic, or it may not be seen.
            KafkaUnavailable: Kafka does not answer.

        """
        for look in range(_LOOKS):
            found = await self.shape_if_any(topic)
            if found is not None:
                return found
            if look < _LOOKS - 1:
                await asyncio.sleep(_LOOK_AGAIN_S)
        raise KafkaRefused(f"topic {topic} does not exist: {remedy}")

    async def create_if_absent(
        self, topic: str, shape: TopicShape, configuration: Mapping[str, str] | None = None
    ) -> bool:
        """Create `topic`; True where it was not there.

        Raises:
            KafkaRefused: it does not exist and may not be created.
            KafkaUnavailable: Kafka does not answer.

        """
        if await self.shape_if_any(topic) is not None:
            return False
        new = NewTopic(
            topic, shape.partitions, shape.replication_factor, topic_configs=dict(configuration or {})
        )
        with errors_mapped(f"creating topic {topic}"):
            answer = await self._create(new)
        for _, code, *further in answer.topic_errors:
            error = for_code(code)
            if error is TopicAlreadyExistsError:
                return False  # another member was quicker
            if code:
                # Such as another topic whose name differs in . and _ alone, which Kafka takes for one in its metrics.
                said = str(further[0]) if further and further[0] else ""
                doing = f"creating topic {topic}" + (f": Kafka says {said!r}" if said else "")
                if error is InvalidReplicationFactorError and _ALL_AWAY in said:
                    raise KafkaUnavailable(doing)
                raise mapped(error(), doing)
        return True

    async def _create(self, new: NewTopic) -> Any:  # noqa: ANN401  aiokafka has no types
        return await self._admin.create_topics([new])

    async def configuration(self, topic: str) -> dict[str, str]:
        """The configuration of `topic`, by Kafka's names.

        Raises:
            KafkaRefused: it may not be read.
            KafkaUnavailable: Kafka does not answer, or does not know the topic everywhere yet.

        """
        with errors_mapped(f"describing the configuration of topic {topic}"):
            (answer,) = await self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((code, _, _, _, entries),) = answer.resources
        if code == _ABSENT:
            raise KafkaUnavailable(f"topic {topic} was just created and is not known to every broker yet")
        if code:
            raise mapped(for_code(code)(), f"describing the configuration of topic {topic}")
        return {str(entry[0]): str(entry[1]) for entry in entries}

    async def prepare_changelog(
        self, topic: str, group: str, source: str, settings: StateSettings
    ) -> ChangelogShape:
        """Create the changelog of `source` where it is absent, and see that it can be trusted.

        Raises:
            StateRefused: it is gone though the group has committed offsets, or is not what a changelog must be.
            KafkaRefused, KafkaUnavailable: see `create_if_absent`.

        """
        # In this order: what has committed more than where it begins had made its changelog before.
        has_processed = await self._has_processed(group, source)
        shape = await self.shape(source)
        existing = await self.shape_if_any(topic)
        if existing is None:
            if has_processed:
                raise StateRefused(
                    f"changelog {topic} does not exist, though group {group} has committed offsets of {source}: "
                    f"without it every exit since would be lost. Stop the service wherever it runs, and have {RESTORED_BY}; "
                    "else start a new group, which exports every profile anew"
                )
            if not await self.create_if_absent(topic, *_changelog_as_created(shape, settings)):
                raise KafkaUnavailable(f"changelog {topic} was just created by another member")
            existing = shape
        if existing.partitions != shape.partitions:
            difference = f"changelog {topic} has {existing.partitions} partitions and {source} has {shape.partitions}: "
            if await self._was_never_used(topic, existing.partitions):
                raise StateRefused(difference + _MADE_BY_LOOKING.format(topic))
            if existing.partitions > shape.partitions or not has_processed:
                raise StateRefused(difference + _SOURCE_MADE_ANEW.format(source))
            log.warning(
                "partitions were added to the source; those before are finished first", reason=difference
            )
        return await self._trusted(topic, existing.partitions)

    async def create_changelog(self, topic: str, source: str, settings: StateSettings) -> None:
        """Create the changelog of `source` where it is absent; one that is there is seen to be as it must be.

        Raises:
            StateRefused: it is not.
            KafkaRefused, KafkaUnavailable: see `create_if_absent`.

        """
        shape = await self.shape(source)
        await self.create_if_absent(topic, *_changelog_as_created(shape, settings))
        existing = await self.shape(topic)
        if existing.partitions != shape.partitions:
            raise StateRefused(
                f"changelog {topic} has {existing.partitions} partitions and {source} has {shape.partitions}: delete it, with "
                f"kafka-topics.sh --delete --topic {topic}, and run this again"
            )
        await self._trusted(topic, shape.partitions)

    async def trusted_changelog(self, topic: str) -> ChangelogShape:
        """The shape of a changelog that is there, which must be as it was created.

        Raises:
            StateRefused: it is not.
            KafkaRefused, KafkaUnavailable: it cannot be looked at.

        """
        return await self._trusted(topic, (await self.shape(topic)).partitions)

    async def check_may_grow(self, topic: str, partitions: int) -> None:
        """See that `grow` would be taken.

        Raises:
            KafkaRefused: this user may not add partitions.
            KafkaUnavailable: Kafka does not answer.

        """
        with errors_mapped(f"adding partitions to {topic}, for which Alter on it is needed"):
            wanted = {topic: NewPartitions(total_count=partitions)}
            await self._admin.create_partitions(wanted, validate_only=True)

    async def grow(self, topic: str, partitions: int) -> None:
        """Have `topic` have so many partitions, where it has fewer.

        Raises:
            KafkaRefused: this user may not add any.
            KafkaUnavailable: Kafka does not answer.

        """
        if (await self.shape(topic)).partitions < partitions:
            with errors_mapped(f"adding partitions to {topic}"):
                await self._admin.create_partitions({topic: NewPartitions(total_count=partitions)})
        for _ in range(_LOOKS):
            # Not every broker knows of them at once.
            await asyncio.sleep(_LOOK_AGAIN_S)
            if (await self.shape(topic)).partitions >= partitions:
                return
        raise KafkaUnavailable(
            f"{topic} was just given {partitions} partitions, and not every broker knows it yet"
        )

    async def _trusted(self, topic: str, partitions: int) -> ChangelogShape:
        configuration = await self.configuration(topic)
        policy = cleanup_policy(configuration)
        if policy != ["compact"]:
            difference = f"changelog {topic} has cleanup.policy={','.join(policy)}"
            if await self._was_never_used(topic, partitions):
                raise StateRefused(f"{difference}: {_MADE_BY_LOOKING.format(topic)}")
            raise StateRefused(
                f"{difference}, which deletes state by age: set it back with kafka-configs.sh --alter --entity-type topics "
                f"--entity-name {topic} --add-config cleanup.policy=compact"
            )
        return ChangelogShape(
            partitions,
            int(configuration["max.message.bytes"]),
            int(configuration["delete.retention.ms"]),
            int(configuration["min.compaction.lag.ms"]),
        )

    async def _was_never_used(self, topic: str, partitions: int) -> bool:
        """Whether no record was ever written to any partition."""
        doing = f"looking at the offsets of {topic}"
        consumer = AIOKafkaConsumer(**client_options(self._settings), enable_auto_commit=False)
        async with connected(consumer, doing):
            with errors_mapped(doing):
                ends = await consumer.end_offsets([TopicPartition(topic, each) for each in range(partitions)])
        return not any(ends.values())

    async def committed_elsewhere(self, group: str, topic: str) -> dict[str, dict[int, int]]:
        """The offsets that the group has committed of other topics than `topic`: by partition, by topic.

        Raises:
            KafkaRefused, KafkaUnavailable: they cannot be looked at.

        """
        with errors_mapped(f"looking at the offsets of group {group}"):
            offsets = await self._admin.list_consumer_group_offsets(group)
        found: dict[str, dict[int, int]] = {}
        for place, position in offsets.items():
            if place.topic != topic and position.offset >= 0:
                found.setdefault(place.topic, {})[place.partition] = position.offset
        return found

    async def _has_processed(self, group: str, topic: str) -> bool:
        """Whether the group has committed more than where it begins."""
        with errors_mapped(f"looking at the offsets of group {group}"):
            offsets = await self._admin.list_consumer_group_offsets(group)
        return any(
            place.topic == topic and position.offset >= 0 and position.metadata != START
            for place, position in offsets.items()
        )

    async def shape_if_any(self, topic: str) -> TopicShape | None:
        """Partitions and replication of `topic`; None where there is none, or it is not known to every broker yet.

        Raises:
            KafkaRefused: it may not be seen.
            KafkaUnavailable: Kafka does not answer.

        """
        with errors_mapped(f"describing topic {topic}"):
            (described,) = await self._admin.describe_topics([topic])
        code = described["error_code"]
        if code == _ABSENT:
            return None
        if code:
            raise mapped(for_code(code)(), f"describing topic {topic}")
        partitions: list[Any] = described["partitions"]
        return TopicShape(len(partitions), len(partitions[0]["replicas"]))


@asynccontextmanager
async def open_topics(settings: KafkaSettings) -> AsyncIterator[Topics]:
    """Topics, by a connection for administration.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    async with open_admin(settings) as admin:
        yield Topics(admin, settings)


@asynccontextmanager
async def open_admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connection for administration.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    doing = f"connecting to Kafka at {', '.join(settings.servers)}"
    try:
        try:
            with errors_mapped(doing):
                await uninterrupted(admin.start())
        except KafkaUnavailable:
            why = await explained(settings, doing)
            if why is not None:
                raise why from None
            raise
        yield admin
    finally:
        await uninterrupted(admin.close())


def cleanup_policy(configuration: Mapping[str, str]) -> list[str]:
    """What of a topic is removed, and how: `delete`, `compact`, or both."""
    return configuration["cleanup.policy"].replace(" ", "").split(",")


def _changelog_as_created(source: TopicShape, settings: StateSettings) -> tuple[TopicShape, dict[str, str]]:
    replicas = settings.changelog_replication_factor or source.replication_factor
    in_sync = settings.changelog_min_insync_replicas or (
        _MIN_INSYNC_OF_MANY if replicas >= _MANY_REPLICAS else 1
    )
    return TopicShape(source.partitions, replicas), {
        "cleanup.policy": "compact",
        "min.insync.replicas": str(in_sync),
        "min.compaction.lag.ms": str(settings.changelog_min_compaction_lag_ms),
        "delete.retention.ms": str(settings.changelog_delete_retention_ms),
        # A restore reads what is not compacted yet, and the active segment never is.
        "segment.bytes": str(128 * 1024 * 1024),
    }
