"""The life of a worker's process: it connects, works with its observers beside it, and on a signal drains and leaves."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeAlias

import structlog

from processor.backfill.reporting import Reporting
from processor.errors import WorkerStalled
from processor.kafka.source import check_group
from processor.kinesis.connection import check_stream, open_stream
from processor.kinesis.writer import Writer
from processor.profile.core import Core
from processor.service.attempts import RETRIED_AFTER_A_RESTART, RETRIED_AT_FIRST, Attempts
from processor.service.backfill_control import BackfillControl
from processor.service.background import failure_of, in_background
from processor.service.connect import Membership, connected_pipeline
from processor.service.figures_log import FiguresLog
from processor.service.loop_guard import loop_guarded
from processor.service.observer import Observer
from processor.service.progress import Work
from processor.service.reload import Changes, follow_changes, log_refused
from processor.service.watchdog import Fresh, Watchdog
from processor.telemetry.status import Status
from processor.telemetry.target_labels import target_labels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    from processor.governance.plan import Plan
    from processor.service.parent import Parent
    from processor.settings import ServiceSettings, Settings
    from processor.telemetry.report import Fleet
    from processor.worker.pipeline import Pipeline

log = structlog.get_logger(__name__)

Serve: TypeAlias = "Callable[[ServiceSettings, Callable[[], Awaitable[Fleet]], Callable[[], Mapping[str, str]]], AbstractAsyncContextManager[object]]"
"""Serves what the second returns, with the labels that the third returns, while the context lasts."""


async def run_service(
    settings: Settings,
    plan: Plan,
    stop: asyncio.Event,
    status: Status | None = None,
    *,
    restarted: bool = False,
    parent: Parent | None = None,
    changes: Changes | None = None,
    serve: Serve | None = None,
) -> None:
    """Run one worker until `stop` is set, or its parent has ended.

    Waits for Kafka and Kinesis where they do not answer yet; one that is `restarted` by its parent waits as well
    where they refuse, for it worked before. Files that come with `changes` are taken while it runs. `serve` serves
    health, metrics and the status page where no parent does: `web.server.serve`, which one of several workers has no need to
    load.

    Raises:
        KafkaRefused, KinesisRefused, StateError: at the start, what no waiting cures.
        ExceptionGroup: what a stage could not get over.

    """
    status = Status() if status is None else status
    changes = Changes() if changes is None else changes
    attempts = Attempts.of(settings, RETRIED_AFTER_A_RESTART if restarted else RETRIED_AT_FIRST, status)
    async with AsyncExitStack() as stack:
        membership = Membership.begun(settings)
        stream = await stack.enter_async_context(
            open_stream(plan.destination, settings.kinesis, settings.kafka.client_id)
        )
        writer = Writer(stream, settings.kinesis, random.Random(), membership.fence)
        observer = Observer(0 if parent is None else parent.worker, settings, plan, status, writer)
        if serve is not None:
            labels = target_labels(settings, plan.destination.stream)
            await stack.enter_async_context(serve(settings.service, observer.ask, lambda: labels))
        log_refused(changes.refused, observer)
        figures = FiguresLog(observer, settings.service.log_interval_ms / 1000)
        beside = await stack.enter_async_context(
            in_background(
                observer.run(),
                figures.run(),
                # From the beginning: a worker may wait for the very keys that a change brings.
                follow_changes(changes, observer, status, stream.use),
                *([] if parent is None else [_answer(parent, observer, changes, stop)]),
            )
        )
        connecting = connected_pipeline(
            settings, plan, status, writer, membership=membership, attempts=attempts, stack=stack
        )
        pipeline = await _unless_stopped(connecting, stop, beside)
        if pipeline is None:
            return
        observer.follow(pipeline)
        if observer.plan is not plan:
            pipeline.follow(Core(observer.plan))  # files have changed meanwhile
        # It fails with nothing: no one has to look.
        reporting = Reporting(status.backfills, lambda: pipeline.backfill_notes, settings.kafka.client_id)
        control = BackfillControl(settings, reporting, pipeline.request)
        await stack.enter_async_context(in_background(control.run(stop)))
        stall_s = settings.service.stall_timeout_ms / 1000
        fresh = Fresh(
            lambda: check_group(settings.kafka),
            lambda: check_stream(observer.plan.destination, settings.kinesis),
        )
        watchdog = Watchdog(Work(status, writer, pipeline), status, stall_s, fresh, observer.report_stalled)
        with loop_guarded(observer.loop_lag, stall_s) as leave_soon:
            await _watched(pipeline, stop, watchdog, leave_soon, beside)
        log.info("stopped", **figures.figures())


async def _answer(parent: Parent, observer: Observer, changes: Changes, stop: asyncio.Event) -> None:
    """Answer the parent; the worker ends with it."""
    await parent.answer(observer.observe, changes.offer)
    stop.set()


async def _unless_stopped(
    connecting: Coroutine[object, object, Pipeline], stop: asyncio.Event, beside: asyncio.Task[None]
) -> Pipeline | None:
    """Return the pipeline once it is connected; None where `stop` was set before. What fails `beside` is raised."""
    connected = asyncio.create_task(connecting)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([connected, stopping, beside], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connected.done():
        return connected.result()
    connected.cancel()
    await asyncio.wait([connected])
    if beside.done():
        beside.result()
    return None


async def _watched(
    pipeline: Pipeline,
    stop: asyncio.Event,
    watchdog: Watchdog,
    leave_soon: Callable[[], None],
    beside: asyncio.Task[None],
) -> None:
    """Run the pipeline until `stop` is set; end it as soon as the watchdog, or what is `beside`, fails."""

    async def watch() -> None:
        try:
            await watchdog.run()
        except WorkerStalled:
            # The orderly way out may be stuck, too.
            leave_soon()
            raise

    async with asyncio.TaskGroup() as tasks:
        watching = [
            tasks.create_task(watch(), name="watchdog"),
            tasks.create_task(failure_of(beside), name="beside"),
        ]
        await pipeline.run(stop)
        for task in watching:
            task.cancel()
