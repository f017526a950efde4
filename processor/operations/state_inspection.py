"""What an operator asks of the state: one profile's record, figures by partition, a rebuild."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiokafka.partitioner import DefaultPartitioner

from processor.errors import StateRefused
from processor.kafka.changelog import OWN_KEYS, Changelog
from processor.kafka.topics import open_topics
from processor.profile.state_record import decode_record, record_order
from processor.state.place import place_of
from processor.state.store_inspection import figures_of, is_in_use, open_to_look
from processor.waiting.fence import Fence
from processor.worker.restore import state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from processor.profile.structs import StateRecord
    from processor.settings import Settings

_NO_CHANGELOG: Final = (
    "`processor run` creates it at its first start: see PROCESSOR_KAFKA_GROUP and PROCESSOR_KAFKA_TOPIC"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A profile's state record, and where it was found."""

    partition: int
    place: str
    record: StateRecord


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """A partition's changelog and local store; the latter's are None where this machine has none."""

    partition: int
    changelog_begin: int
    changelog_end: int
    store_position: int | None
    store_profiles: int | None
    store_bytes: int | None


def find_in_stores(settings: Settings, profile: bytes) -> Found | None:
    """Return the profile's record in a local store, None where there is none; what its service has not written yet is not seen.

    Raises:
        StateError: a store cannot be read.
        InvalidStateRecord: another release wrote it.

    """
    for partition, path in _stores(settings):
        database = open_to_look(path)
        try:
            state = database.get(profile)
        finally:
            database.close()
        if isinstance(state, bytes):
            return Found(partition, f"local store {path}", decode_record(state))
    return None


async def find_in_changelog(
    settings: Settings, profile: bytes, on_progress: Callable[[int, int], None]
) -> Found | None:
    """Return the profile's record in the changelog, which is read from its beginning, the likeliest partition first.

    Raises:
        KafkaRefused, KafkaUnavailable: it cannot be read.
        InvalidStateRecord: another release wrote it.

    """
    async with open_topics(settings.kafka) as topics:
        partitions = list(range((await topics.shape(settings.changelog_topic, _NO_CHANGELOG)).partitions))
    # Where the producers choose partitions as Kafka's own clients do, the first one it is.
    likely = DefaultPartitioner()(profile, partitions, partitions)
    changelog = _changelog(settings)
    for number, partition in enumerate(sorted(partitions, key=lambda each: each != likely)):
        on_progress(number, len(partitions))
        state = await _latest(changelog, partition, profile)
        if state is not None:
            return Found(partition, f"changelog {settings.changelog_topic}", decode_record(state))
    return None


async def figures(settings: Settings) -> AsyncIterator[PartitionFigures]:
    """Yield the figures of every partition.

    Raises:
        KafkaRefused, KafkaUnavailable: the changelog cannot be looked at.
        StateError: a store cannot be read.

    """
    stores = await asyncio.to_thread(lambda: dict(_stores(settings)))
    async with open_topics(settings.kafka) as topics:
        count = (await topics.shape(settings.changelog_topic, _NO_CHANGELOG)).partitions
    changelog = _changelog(settings)
    for partition in range(count):
        bounds = await changelog.bounds(partition)
        local = await asyncio.to_thread(figures_of, stores[partition]) if partition in stores else None
        yield PartitionFigures(
            partition,
            bounds.begin,
            bounds.end,
            local and local.position,
            local and local.profiles,
            local and local.size_bytes,
        )


def rebuild(settings: Settings, only: int | None) -> list[int]:
    """Remove local stores, all or one partition's, and return the numbers of those that were there; a start restores them.

    Raises:
        StateRefused: a service uses one of them; none is removed.

    """
    stores = [(partition, path) for partition, path in _stores(settings) if only in {None, partition}]
    used = [partition for partition, path in stores if is_in_use(path)]
    if used:
        raise StateRefused(
            f"stores of partitions {', '.join(map(str, used))} are in use: stop the service on this machine first"
        )
    for _, path in stores:
        shutil.rmtree(path)
    return [partition for partition, _ in stores]


async def _latest(changelog: Changelog, partition: int, profile: bytes) -> bytes | None:
    bounds = await changelog.bounds(partition)
    latest: tuple[tuple[int, int], bytes | None] = ((-1, 0), None)
    async with aclosing(changelog.read(partition, bounds.begin, bounds.end)) as batches:
        async for records in batches:
            for record in records:
                if record.key != profile or record.key.startswith(OWN_KEYS):
                    continue
                order = record_order(state_of(record))
                if order >= latest[0]:
                    latest = order, record.value
    return latest[1]


def _changelog(settings: Settings) -> Changelog:
    return Changelog(settings.kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))


def _stores(settings: Settings) -> list[tuple[int, Path]]:
    home = place_of(settings.state, settings.kafka.group, settings.kafka.topic)
    found = [path for path in home.iterdir() if path.name.isdigit()] if home.is_dir() else []
    return sorted((int(path.name), path) for path in found)
