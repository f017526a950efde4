"""Whether `processor run` would start: what it looks at, looked at by the same code, with nothing changed anywhere."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.errors import InvalidStateRecord, KafkaError, KafkaUnavailable, KinesisError, StateError
from processor.kafka.backfill_topic import BACKFILL_TOPIC
from processor.kafka.changelog import STREAM_KEY, Changelog
from processor.kafka.dead_letter_topic import dead_letter_topic_warnings, prepare_dead_letter_topic
from processor.kafka.dry_run import READ, WRITE, open_dry_run
from processor.kafka.offline_group import looked_at_group
from processor.kafka.offsets import SourceBounds
from processor.kafka.small_topic import needed_grants
from processor.kafka.source_topic import look_at_source
from processor.kinesis.connection import open_stream
from processor.kinesis.writer import Writer
from processor.state.place import place_of
from processor.state.store_contents import NOTHING, looked_into
from processor.waiting.fence import Fence
from processor.waiting.retry import Delays, retried
from processor.worker.added_partitions import AddedPartitions
from processor.worker.consistency import check_changelog, check_source, check_stream
from processor.worker.takeover import is_of_use

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from processor.errors import ProcessorError
    from processor.governance.destination import Destination
    from processor.governance.plan import Plan
    from processor.kafka.dry_run import DryRunTopics
    from processor.kafka.offsets import Bounds
    from processor.kafka.topics import TopicShape
    from processor.settings import ServiceSettings, Settings
    from processor.state.store_contents import Known

_TRIES: Final = 10
_DELAYS: Final = Delays(0.5, 0.5)
"""A cluster whose first group this is makes the topic of offsets first."""
_MARKER_WITHIN: Final = 1_000
"""The stream's name is written when a partition is begun: it is among the first records."""


class Check(NamedTuple):
    """One thing that was tried, and what is wrong with it; None where nothing is.

    Where there is a `warning` it works, and something should be mended nevertheless.
    """

    what: str
    trouble: str | None
    warning: str | None = None


async def connection_checks(settings: Settings, plan: Plan) -> AsyncIterator[Check]:
    """Try Kafka, the local stores, Kinesis and the address of the page, changing nothing in any."""
    try:
        async with (
            open_dry_run(settings.kafka) as topics,
            aclosing(_kafka_checks(settings, plan.destination, topics)) as checks,
        ):
            async for each in checks:
                yield each
    except (KafkaError, StateError) as error:
        yield Check(f"Kafka at {', '.join(settings.kafka.servers)}", str(error))
    trouble = await asyncio.to_thread(_trouble_with_directory, settings)
    yield Check(f"State directory {settings.state.directory}", trouble)
    yield await _stream_check(settings, plan.destination)
    yield await _address_check(settings.service)


async def _kafka_checks(
    settings: Settings, destination: Destination, topics: DryRunTopics
) -> AsyncGenerator[Check, None]:
    kafka = settings.kafka
    source = await look_at_source(topics, kafka.topic)
    what = f"Kafka topic {kafka.topic}: {source.shape.partitions} partitions"
    yield Check(what, await _trouble(topics.check_allowed, kafka.topic, {READ}))
    dead_letters = kafka.dead_letter_topic
    trouble = await _trouble(prepare_dead_letter_topic, topics, dead_letters, source)
    warning = None
    if trouble is None and not topics.would_be_created(dead_letters):
        trouble = await _trouble(topics.check_allowed, dead_letters, {WRITE})
        warnings = await dead_letter_topic_warnings(topics, dead_letters, source)
        warning = "; ".join(each.reason for each in warnings) or None
    yield Check(_named(topics, "dead-letter topic", dead_letters), trouble, warning)
    yield await _backfill_topic_check(topics, settings.backfill_topic, source.shape)
    trouble = await _trouble(topics.check_group, kafka.group)
    elsewhere = None if trouble else await topics.committed_elsewhere(kafka.group, kafka.topic)
    yield Check(f"Kafka group {kafka.group}", trouble, _warning_of(elsewhere))
    changelog = settings.changelog_topic
    trouble = await _trouble(topics.prepare_changelog, changelog, kafka.group, kafka.topic, settings.state)
    if trouble is None and not topics.would_be_created(changelog):
        trouble = await _trouble(topics.check_allowed, changelog, {READ, WRITE})
    yield Check(_named(topics, "changelog", changelog), trouble)
    if trouble is None and not topics.would_be_created(changelog):
        partitions = (await topics.shape(changelog)).partitions
        if partitions < source.shape.partitions:
            trouble = AddedPartitions(kafka.topic, partitions, source.shape.partitions).remedy
        else:
            about = settings, destination.exported_to, partitions, await topics.cluster_id()
            trouble = await _trouble(_check_partitions, *about)
        yield Check("State, offsets and source agree, in every partition", trouble)


async def _backfill_topic_check(topics: DryRunTopics, topic: str, source: TopicShape) -> Check:
    """What is wrong with it is a warning: `run` does without."""
    trouble = await _trouble(BACKFILL_TOPIC.prepare, topics, topic, source)
    warning = None
    if trouble is None and not topics.would_be_created(topic):
        trouble = await _trouble(topics.check_allowed, topic, {READ, WRITE})
        warning = await BACKFILL_TOPIC.warning(topics, topic)
    if trouble is not None:
        warning = (
            f"{trouble}. Without it `processor backfill` does not reach the workers, nor do they tell how far backfills are: "
            f"{needed_grants(topic)}"
        )
    return Check(_named(topics, "topic of backfills", topic), None, warning)


async def _trouble(action: Callable[..., Awaitable[object]], *arguments: object) -> str | None:
    """Return what `action` fails with, as `run` would print it; None where it does not.

    What passes by itself is retried a few times.
    """
    tries = 0

    def give_up_after_some(error: ProcessorError, _: float) -> None:
        nonlocal tries
        tries += 1
        if tries == _TRIES:
            raise error

    try:
        await retried(
            partial(action, *arguments),
            errors=(KafkaUnavailable,),
            delays=_DELAYS,
            on_failure=give_up_after_some,
        )
    except (KafkaError, StateError, InvalidStateRecord) as error:
        return str(error)
    return None


def _named(topics: DryRunTopics, kind: str, topic: str) -> str:
    return f"Kafka {kind} {topic}{': will be created' if topics.would_be_created(topic) else ''}"


def _warning_of(elsewhere: Mapping[str, object] | None) -> str | None:
    if not elsewhere:
        return None
    return (
        f"it has committed offsets of {', '.join(sorted(elsewhere))} as well: where the topic was renamed, exits of what was "
        "exported from the former one will not come"
    )


async def _check_partitions(settings: Settings, exported_to: str, partitions: int, cluster: str) -> None:
    """Check that each partition could be taken over; as `take_over` does, but for the restore.

    Raises:
        StateRefused, KafkaRefused, KafkaUnavailable: see `take_over`.

    """
    changelog = Changelog(settings.kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
    home = place_of(settings.state, settings.kafka.group, settings.kafka.topic)
    numbers = range(partitions)
    async with looked_at_group(settings.kafka) as group:
        # In this order: ends only grow, so what is relied on is there where a service runs meanwhile.
        committed = await group.committed(numbers)
        identity = await changelog.look()
        source = await group.bounds(numbers)
        for partition in numbers:
            known = await asyncio.to_thread(_known, home / str(partition), cluster)
            bounds = await changelog.bounds(partition)
            offset = committed.get(partition)
            is_known = is_of_use(partition, offset, known, identity, bounds)
            check_changelog(partition, offset, bounds, known.position if is_known else bounds.begin)
            stream = known.stream if is_known else None
            check_stream(partition, stream or await _stream_in(changelog, partition, bounds), exported_to)
            if offset is not None:
                events = SourceBounds(*source[partition], source[partition].end)
                check_source(partition, offset.offset, events, known.highest_offset if is_known else -1)


def _known(path: Path, cluster: str) -> Known:
    """Return what the store there knows of itself; nothing, where it is of no use, or there is none."""
    if not path.is_dir():
        return NOTHING
    with looked_into(path) as contents:
        return contents.known if contents.cluster == cluster else NOTHING


async def _stream_in(changelog: Changelog, partition: int, bounds: Bounds) -> str | None:
    """Return the stream that the changelog names within its first records; None where it names none there."""
    end = min(bounds.end, bounds.begin + _MARKER_WITHIN)
    async with aclosing(changelog.read(partition, bounds.begin, end)) as batches:
        async for records in batches:
            for record in records:
                if record.key == STREAM_KEY and record.value is not None:
                    return bytes(record.value).decode()
    return None


def _trouble_with_directory(settings: Settings) -> str | None:
    place = place_of(settings.state, settings.kafka.group, settings.kafka.topic).absolute()
    there = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return f"{there} cannot be written: name a directory that can be in PROCESSOR_STATE_DIRECTORY"


async def _stream_check(settings: Settings, destination: Destination) -> Check:
    what = f"Kinesis stream {destination.stream}"
    try:
        async with open_stream(destination, settings.kinesis) as stream:
            writer = Writer(stream, settings.kinesis, random.Random(), Fence(lambda: 0.0, 1.0))
            await writer.connect()
    except KinesisError as error:
        return Check(what, str(error))
    warning = "; ".join(writer.watch.done_without) or None
    return Check(f"{what}: records up to {writer.max_record_bytes} bytes", None, warning)


async def _address_check(service: ServiceSettings) -> Check:
    what = f"Address {service.http_host}:{service.http_port}"
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, service.http_host, service.http_port, start_serving=False
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            # Where it is looked at while the service runs, that is as it should be.
            return Check(
                what, None, "it is in use: by the service, where it runs, or else by what must be ended"
            )
        problem = f"cannot be listened at: {error.strerror}"
        return Check(what, f"{problem}. Name an address of this machine in PROCESSOR_HTTP_HOST")
    server.close()
    return Check(what, None)
