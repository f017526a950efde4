"""Connecting one worker: from Kinesis, Kafka's topics and the state directory to a pipeline that is ready to run."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from processor.kafka.changelog import Changelog
from processor.kafka.dead_letter_topic import prepare_dead_letter_topic
from processor.kafka.dead_letters import DeadLetters
from processor.kafka.heartbeats import Heartbeats
from processor.kafka.source import Source
from processor.kafka.source_history import open_history
from processor.kafka.source_topic import SourceTopic, look_at_source
from processor.kafka.topics import open_topics
from processor.profile.core import Core
from processor.service.leave import leave_group_at_exit, stop_at_exit
from processor.state.directory import StateDirectory
from processor.state.disk import Disk
from processor.state.store_files import check_room
from processor.telemetry.traces import tracing
from processor.waiting.fence import Fence
from processor.worker.disk_trouble import CONDITION as DISK
from processor.worker.pipeline import Parts, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from processor.governance.plan import Plan
    from processor.kafka.topics import ChangelogShape
    from processor.kinesis.writer import Writer
    from processor.service.attempts import Attempts
    from processor.settings import Settings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)


class Membership(NamedTuple):
    """A member's heartbeats, and the fence that they keep open: nothing is written once they are answered no more."""

    heartbeats: Heartbeats
    fence: Fence

    @classmethod
    def begun(cls, settings: Settings) -> Membership:
        """Return the membership of a worker that has not joined yet."""
        heartbeats = Heartbeats()
        return cls(heartbeats, Fence(lambda: heartbeats.silence_s, settings.fence_s))


async def connected_pipeline(
    settings: Settings,
    plan: Plan,
    status: Status,
    writer: Writer,
    *,
    membership: Membership,
    attempts: Attempts,
    stack: AsyncExitStack,
) -> Pipeline:
    """Connect all that a worker needs, and return its pipeline; `stack` closes what was opened, in reverse order.

    Raises:
        KafkaRefused, KinesisRefused, StateError, ConfigurationError: what `attempts` do not retry.
        WorkerStalled: an attempt does not end.

    """
    await attempts.connected("kinesis", writer.connect)
    topics = await attempts.connected("kafka", lambda: _prepared_topics(settings))
    dead_letters = DeadLetters(settings.kafka)
    stop_at_exit(stack, dead_letters.stop, "the dead-letter producer")
    await attempts.connected("kafka", dead_letters.start)
    changelog = Changelog(
        settings.kafka,
        settings.changelog_topic,
        membership.fence,
        max_message_bytes=topics.changelog.max_message_bytes,
    )
    directory = await attempts.connected(DISK, lambda: asyncio.to_thread(_state_directory, settings, topics))
    stack.push_async_callback(asyncio.to_thread, directory.close)
    stop_at_exit(stack, changelog.stop, "the changelog producer")
    await attempts.connected("kafka", changelog.start)
    parts = Parts(
        core=Core(plan),
        writer=writer,
        write_dead_letters=dead_letters.write,
        changelog=changelog,
        changelog_shape=topics.changelog,
        heartbeats=membership.heartbeats,
        stream=plan.destination.exported_to,
        committed_elsewhere=topics.committed_elsewhere,
        source_is_compacted=topics.source.is_compacted,
        open_history=partial(open_history, settings.kafka, may_have_gaps=topics.source.is_compacted),
        check_room=check_room,
        open_store=partial(
            directory.open,
            deletions_kept_ms=topics.changelog.delete_retention_ms,
            purged_kept_ms=topics.changelog.min_compaction_lag_ms,
        ),
        disk=Disk(directory.path, lambda: directory.paths),
        state_memory_bytes=lambda: directory.memory_used_bytes,
    )
    tracer = await stack.enter_async_context(tracing(settings.kafka.topic, settings.service.traces))
    source = Source(settings.kafka, membership.heartbeats, gives_id_back=settings.gives_id_back)
    pipeline = Pipeline(settings, parts, source, status, tracer)
    leave_group_at_exit(stack, source)
    await attempts.connected("kafka", lambda: source.start(pipeline))
    return pipeline


class _Topics(NamedTuple):
    cluster: str
    source: SourceTopic
    changelog: ChangelogShape
    committed_elsewhere: Mapping[str, Mapping[int, int]]


async def _prepared_topics(settings: Settings) -> _Topics:
    kafka = settings.kafka
    async with open_topics(kafka) as topics:
        source = await look_at_source(topics, kafka.topic)
        await prepare_dead_letter_topic(topics, kafka.dead_letter_topic, source)
        changelog = await topics.prepare_changelog(
            settings.changelog_topic, kafka.group, kafka.topic, settings.state
        )
        if changelog.min_compaction_lag_ms < kafka.session_timeout_ms:
            log.warning(
                "the changelog may be compacted while a zombie still appends: raise its min.compaction.lag.ms",
                topic=settings.changelog_topic,
                min_compaction_lag_ms=changelog.min_compaction_lag_ms,
            )
        elsewhere = await topics.committed_elsewhere(kafka.group, kafka.topic)
        return _Topics(await topics.cluster_id(), source, changelog, elsewhere)


def _state_directory(settings: Settings, topics: _Topics) -> StateDirectory:
    kafka, partitions = settings.kafka, topics.changelog.partitions
    return StateDirectory(settings.state, kafka.group, kafka.topic, topics.cluster, partitions=partitions)
