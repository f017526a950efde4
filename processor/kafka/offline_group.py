"""A consumer group as commands see it: how many members it has, and, where there are none, what it will find when it starts again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, for_code

from processor.errors import StateRefused
from processor.kafka.client import client_options, errors_mapped, mapped
from processor.kafka.client_lifecycle import connected
from processor.kafka.commit_metadata import committed_as
from processor.kafka.offsets import Bounds
from processor.kafka.topics import open_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from processor.kafka.commit_metadata import Committed
    from processor.settings import KafkaSettings

_WITHOUT_MEMBERS: Final = {"Empty", "Dead"}


class Kept(NamedTuple):
    """What is to be committed: an offset, and what stands beside it."""

    offset: int
    metadata: str


class OfflineGroup:
    """The group's offsets of the source."""

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._consumer = consumer
        self._doing = f"looking at the offsets of group {settings.group}"

    async def committed(self, partitions: Collection[int]) -> dict[int, Committed]:
        """The group's offsets of `partitions`, those that there are.

        Raises:
            KafkaRefused, KafkaUnavailable: they cannot be read.

        """
        places = [TopicPartition(self._settings.topic, partition) for partition in partitions]
        with errors_mapped(self._doing):
            # The public method keeps the metadata to itself.
            found = await self._consumer._coordinator.fetch_committed_offsets(places)  # noqa: SLF001  see above
        return {
            place.partition: committed_as(each.offset, each.metadata)
            for place, each in found.items()
            if each.offset >= 0
        }

    async def bounds(self, partitions: Collection[int]) -> dict[int, Bounds]:
        """What there is of `partitions` of the source.

        Raises:
            KafkaRefused, KafkaUnavailable: they cannot be read.

        """
        places = [TopicPartition(self._settings.topic, partition) for partition in partitions]
        with errors_mapped(f"looking at {self._settings.topic}"):
            begins = await self._consumer.beginning_offsets(places)
            ends = await self._consumer.end_offsets(places)
        return {place.partition: Bounds(begins[place], ends[place]) for place in places}

    async def commit(self, offsets: Mapping[int, Kept]) -> None:
        """Commit offsets of the source, by partition, all at once.

        Raises:
            StateRefused: the group has members.
            KafkaRefused, KafkaUnavailable: Kafka did not take them.

        """
        places = {
            TopicPartition(self._settings.topic, partition): kept for partition, kept in offsets.items()
        }
        self._consumer.assign(list(places))
        try:
            await self._consumer.commit(
                {place: OffsetAndMetadata(kept.offset, kept.metadata) for place, kept in places.items()}
            )
        except CommitFailedError as error:
            raise _with_members(self._settings.group) from error
        except (KafkaError, OSError) as error:
            raise mapped(error, f"committing offsets of {self._settings.topic}") from error


@asynccontextmanager
async def offline_group(settings: KafkaSettings) -> AsyncIterator[OfflineGroup]:
    """The group, which must have no members.

    Raises:
        StateRefused: it has.
        KafkaRefused, KafkaUnavailable: it cannot be looked at.

    """
    await _check_empty(settings)
    async with looked_at_group(settings) as group:
        yield group


@asynccontextmanager
async def looked_at_group(settings: KafkaSettings) -> AsyncIterator[OfflineGroup]:
    """The group, to look at only, whether it has members or not.

    Raises:
        KafkaRefused, KafkaUnavailable: it cannot be looked at.

    """
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=settings.group, enable_auto_commit=False)
    async with connected(consumer, f"looking at group {settings.group}"):
        yield OfflineGroup(settings, consumer)


async def count_members(settings: KafkaSettings) -> int:
    """How many members the group has now; 0 also where there is no such group yet.

    Raises:
        KafkaRefused, KafkaUnavailable: it cannot be looked at.

    """
    _, members = await _described(settings)
    return members


async def _check_empty(settings: KafkaSettings) -> None:
    state, _ = await _described(settings)
    if state not in _WITHOUT_MEMBERS:
        raise _with_members(settings.group)


async def _described(settings: KafkaSettings) -> tuple[str, int]:
    """The group's state, by Kafka's name, and how many members it has."""
    doing = f"looking at the members of group {settings.group}"
    async with open_admin(settings) as admin:
        with errors_mapped(doing):
            (answer,) = await admin.describe_consumer_groups([settings.group])
    ((code, _, state, _, _, members, *_),) = answer.groups
    if code:
        raise mapped(for_code(code)(), doing)
    return str(state), len(members)


def _with_members(group: str) -> StateRefused:
    return StateRefused(
        f"group {group} has members: stop the service wherever it runs first. A member that was killed counts for "
        "PROCESSOR_KAFKA_SESSION_TIMEOUT_MS yet"
    )
