"""The life of the process: connect with patience, run, and on a signal drain and leave."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import structlog

from processor.errors import (
    EXIT_BAD_CONFIGURATION,
    ConfigurationError,
    KafkaRefused,
    KafkaUnavailable,
    KinesisRefused,
    KinesisUnavailable,
    ProcessorError,
    StateUnavailable,
    WorkerStalled,
    exit_code,
    leaves,
)
from processor.kafka.changelog import Changelog
from processor.kafka.client_lifecycle import within
from processor.kafka.dead_letter_topic import prepare_letter_topic
from processor.kafka.dead_letters import DeadLetters
from processor.kafka.heartbeats import Heartbeats
from processor.kafka.source import Source, check_group
from processor.kafka.source_topic import SourceTopic, look_at_source
from processor.kafka.topics import open_topics
from processor.kinesis.connection import check_stream, open_stream
from processor.kinesis.writer import Writer
from processor.profile.core import Core
from processor.service.figures_log import Teller
from processor.service.link import answer_parent
from processor.service.observer import Observer
from processor.service.progress import Work
from processor.service.reload import Changes, follow_changes, tell_refused
from processor.service.watchdog import Fresh, Watchdog, loop_guarded
from processor.state.directory import StateDirectory
from processor.state.disk import Disk
from processor.state.store_files import check_room
from processor.telemetry.report import Fleet
from processor.telemetry.status import Status
from processor.telemetry.target_labels import target_labels
from processor.telemetry.traces import tracing
from processor.waiting.fence import Fence
from processor.web.server import serve
from processor.worker.disk_trouble import CONDITION as DISK
from processor.worker.pipeline import Parts, Pipeline

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
    from types import TracebackType

    from processor.governance.plan import Plan
    from processor.kafka.topics import ChangelogShape
    from processor.settings import Settings

log = structlog.get_logger(__name__)

_RETRY_BASE_S: Final = 0.5
_RETRY_MAX_S: Final = 15.0
_LEAVE_S: Final = 3.0
_ATTEMPT_TIMEOUTS: Final = 10
"""An attempt to connect is some requests, each of which has its time-out: one that takes longer than so many does not end."""

_Result = TypeVar("_Result")
_Errors: TypeAlias = tuple[type[ProcessorError], ...]

_HOPEFUL: Final[_Errors] = (KafkaUnavailable, KinesisUnavailable, StateUnavailable)
"""What is waited for at the first start."""
_PATIENT: Final[_Errors] = (*_HOPEFUL, KafkaRefused, KinesisRefused, ConfigurationError)
"""What is waited for once it has worked: permissions, and TLS files, may come back."""


class _Patience(NamedTuple):
    """What is waited for, and how long one attempt may take."""

    errors: _Errors
    most_s: float


class Parent(NamedTuple):
    """What a worker has of the parent that started it: its number, and the line between them."""

    worker: int
    line: socket.socket


async def run_service(
    settings: Settings,
    plan: Plan,
    stop: asyncio.Event,
    status: Status | None = None,
    *,
    restarted: bool = False,
    parent: Parent | None = None,
    changes: Changes | None = None,
) -> None:
    """Run one worker until `stop` is set, or its parent has ended.

    Waits for Kafka and Kinesis where they do not answer yet; one that is `restarted` by its parent waits as well
    where they refuse, for it worked before. Files that come with `changes` are taken while it runs. Without a parent it serves health, metrics and the status page itself.

    Raises:
        KafkaRefused, KinesisRefused, StateError: at the start, what no waiting cures.
        ExceptionGroup: what a stage could not get over.

    """
    status = Status() if status is None else status
    changes = Changes() if changes is None else changes
    most_s = max(
        settings.service.stall_timeout_ms / 1000, _ATTEMPT_TIMEOUTS * settings.kafka.request_timeout_ms / 1000
    )
    patience = _Patience(_PATIENT if restarted else _HOPEFUL, most_s)
    async with AsyncExitStack() as stack:
        life = _Life.begun(settings)
        stream = await stack.enter_async_context(
            open_stream(plan.destination, settings.kinesis, settings.kafka.client_id)
        )
        writer = Writer(stream, settings.kinesis, random.Random(), life.fence)
        observer = Observer(0 if parent is None else parent.worker, settings, plan, status, writer)
        if parent is None:
            labels = target_labels(settings, plan.destination)
            await stack.enter_async_context(serve(settings.service, _alone(observer), labels))
        tell_refused(changes.refused, observer)
        teller = Teller(observer, settings.service.log_interval_ms / 1000)
        beside = await stack.enter_async_context(
            _beside(
                observer.run(),
                teller.run(),
                # From the beginning: a worker may wait for the very keys that a change brings.
                follow_changes(changes, observer, status, stream.use),
                *_answering(parent, observer, changes, stop),
            )
        )
        connecting = asyncio.create_task(
            _connected(settings, plan, status, writer, life=life, patience=patience, stack=stack)
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([connecting, stopping, beside], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait([connecting])
            if beside.done():
                beside.result()
            return
        observer.pipeline = pipeline = connecting.result()
        if observer.plan is not plan:
            pipeline.follow(Core(observer.plan))  # files have changed meanwhile
        stall_s = settings.service.stall_timeout_ms / 1000
        with loop_guarded(observer.loop_lag, stall_s) as leave_soon:
            fresh = Fresh(
                lambda: check_group(settings.kafka),
                lambda: check_stream(observer.plan.destination, settings.kinesis),
            )
            watchdog = Watchdog(observer, Work(status, writer), status, stall_s, fresh)
            async with asyncio.TaskGroup() as tasks:
                watching = [
                    tasks.create_task(_watched(watchdog, leave_soon), name="watchdog"),
                    tasks.create_task(_failure_of(beside), name="beside"),
                ]
                await pipeline.run(stop)
                for task in watching:
                    task.cancel()
        log.info("stopped", **teller.figures())


async def _connected(
    settings: Settings,
    plan: Plan,
    status: Status,
    writer: Writer,
    *,
    life: _Life,
    patience: _Patience,
    stack: AsyncExitStack,
) -> Pipeline:
    await _patiently(patience, writer.connect, "kinesis", status)
    prepared = await _patiently(patience, lambda: _prepare_topics(settings), "kafka", status)
    dead_letters = DeadLetters(settings.kafka)
    stack.push_async_callback(within, _LEAVE_S, dead_letters.stop, "the dead-letter producer")
    await _patiently(patience, dead_letters.start, "kafka", status)
    changelog = Changelog(
        settings.kafka,
        settings.changelog_topic,
        life.fence,
        max_message_bytes=prepared.changelog.max_message_bytes,
    )
    directory = await _patiently(
        patience, lambda: asyncio.to_thread(_state_directory, settings, prepared), DISK, status
    )
    stack.push_async_callback(asyncio.to_thread, directory.close)
    stack.push_async_callback(within, _LEAVE_S, changelog.stop, "the changelog producer")
    await _patiently(patience, changelog.start, "kafka", status)
    parts = Parts(
        core=Core(plan),
        writer=writer,
        write_dead_letters=dead_letters.write,
        changelog=changelog,
        changelog_shape=prepared.changelog,
        heartbeats=life.heartbeats,
        stream=plan.destination.exported_to,
        committed_elsewhere=prepared.committed_elsewhere,
        source_is_compacted=prepared.source.is_compacted,
        check_room=check_room,
        open_store=partial(
            directory.open,
            deletions_kept_ms=prepared.changelog.delete_retention_ms,
            purged_kept_ms=prepared.changelog.min_compaction_lag_ms,
        ),
        disk=Disk(directory.path, lambda: directory.paths),
        state_memory_bytes=lambda: directory.memory_used_bytes,
    )
    tracer = await stack.enter_async_context(tracing(settings.kafka.topic, settings.service.traces))
    source = Source(settings.kafka, life.heartbeats, gives_id_back=settings.gives_id_back)
    pipeline = Pipeline(settings, parts, source, status, tracer)
    stack.push_async_exit(partial(_leave_group, pipeline))
    await _patiently(patience, lambda: source.start(pipeline), "kafka", status)
    return pipeline


async def _leave_group(
    pipeline: Pipeline, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
) -> None:
    """End the membership; whoever fails in a way that a new start may cure comes back, and finds its partitions waiting."""
    failures = list(leaves(error)) if isinstance(error, BaseExceptionGroup) else [error] if error else []
    if failures and exit_code(failures) != EXIT_BAD_CONFIGURATION:
        pipeline.source.comes_back()
    await within(_LEAVE_S, pipeline.source.stop, "the consumer")


class _Life(NamedTuple):
    """The membership's signs of life, and what they allow."""

    heartbeats: Heartbeats
    fence: Fence

    @classmethod
    def begun(cls, settings: Settings) -> _Life:
        heartbeats = Heartbeats()
        return cls(heartbeats, Fence(lambda: heartbeats.silence_s, settings.fence_s))


class _Prepared(NamedTuple):
    cluster: str
    source: SourceTopic
    changelog: ChangelogShape
    committed_elsewhere: Mapping[str, Mapping[int, int]]


async def _prepare_topics(settings: Settings) -> _Prepared:
    kafka = settings.kafka
    async with open_topics(kafka) as topics:
        source = await look_at_source(topics, kafka.topic)
        await prepare_letter_topic(topics, kafka.dead_letter_topic, source)
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
        return _Prepared(await topics.cluster_id(), source, changelog, elsewhere)


def _state_directory(settings: Settings, prepared: _Prepared) -> StateDirectory:
    kafka, partitions = settings.kafka, prepared.changelog.partitions
    return StateDirectory(settings.state, kafka.group, kafka.topic, prepared.cluster, partitions=partitions)


async def _patiently(
    patience: _Patience, action: Callable[[], Awaitable[_Result]], what: str, status: Status
) -> _Result:
    """The result of `action`, tried again for as long as waiting may cure it.

    Raises:
        WorkerStalled: an attempt neither succeeds nor fails.

    """
    wait_s = _RETRY_BASE_S
    while True:
        try:
            async with asyncio.timeout(patience.most_s) as limit:
                result = await action()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise WorkerStalled(
                f"an attempt to connect to {what} did not end within {patience.most_s:g} s; the worker is ended to be "
                "started anew"
            ) from error
        except patience.errors as error:
            status.unhealthy(what, str(error))
            log.warning("not connected yet", to=what, reason=str(error), wait_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(_RETRY_MAX_S, wait_s * 2)
        else:
            status.healthy(what)
            return result


async def _watched(watchdog: Watchdog, leave_soon: Callable[[], None]) -> None:
    try:
        await watchdog.run()
    except WorkerStalled:
        # The orderly way out may be stuck, too.
        leave_soon()
        raise


@asynccontextmanager
async def _beside(*work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task that does `work` beside the body; how it fails is the body's to look at."""

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)

    task = asyncio.create_task(run(), name="beside")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _failure_of(task: asyncio.Task[None]) -> None:
    """Raise what `task` raises, once it does."""
    await asyncio.wait([task])
    task.result()


def _alone(observer: Observer) -> Callable[[], Awaitable[Fleet]]:
    async def ask() -> Fleet:
        return Fleet([observer.observe()])

    return ask


def _answering(
    parent: Parent | None, observer: Observer, changes: Changes, stop: asyncio.Event
) -> list[Coroutine[object, object, None]]:
    """Answering the parent, where there is one; a worker ends with it."""
    if parent is None:
        return []

    async def answer(line: socket.socket) -> None:
        await answer_parent(line, observer.observe, changes.tell)
        stop.set()

    return [answer(parent.line)]
