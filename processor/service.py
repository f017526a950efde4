"""The life of the process: connect with patience, run, and on a signal drain and leave."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from processor.errors import KafkaUnavailable, KinesisUnavailable
from processor.health import serve_health
from processor.kafka.dead_letters import DeadLetters
from processor.kafka.topics import open_topics
from processor.kinesis.connection import open_stream
from processor.kinesis.writer import Writer
from processor.pipeline import Pipeline
from processor.profile.core import Core
from processor.telemetry.status import Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.governance.plan import Plan
    from processor.settings import Settings

log = structlog.get_logger(__name__)

_RETRY_BASE_S: Final = 0.5
_RETRY_MAX_S: Final = 15.0
_LEAVE_S: Final = 3.0

_Result = TypeVar("_Result")


async def run_service(
    settings: Settings, plan: Plan, stop: asyncio.Event, status: Status | None = None
) -> None:
    """Run one worker until `stop` is set.

    Waits for Kafka and Kinesis where they do not answer yet.

    Raises:
        KafkaRefused, KinesisRefused: at the start, what no waiting cures.
        ExceptionGroup: what a stage could not get over.

    """
    status = Status() if status is None else status
    async with AsyncExitStack() as stack:
        writer = Writer(
            await stack.enter_async_context(open_stream(plan.destination, settings.kinesis)),
            settings.kinesis,
            random.Random(),
        )
        await stack.enter_async_context(serve_health(settings.service, status, writer))
        connecting = asyncio.create_task(_connected(settings, plan, status, writer, stack))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait([connecting])
            return
        pipeline = connecting.result()
        async with asyncio.TaskGroup() as tasks:
            figures = tasks.create_task(_log_figures(settings.service.log_interval_ms / 1000, status, writer))
            await pipeline.run(stop)
            figures.cancel()
        log.info("stopped", **_figures(status, writer))


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def note(number: int) -> None:
        log.info("signal received, draining", signal=signal.Signals(number).name)
        stop.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, note, number)


async def _connected(
    settings: Settings, plan: Plan, status: Status, writer: Writer, stack: AsyncExitStack
) -> Pipeline:
    await _patiently(writer.connect, "kinesis", status)
    await _patiently(lambda: _prepare_topics(settings), "kafka", status)
    dead_letters = DeadLetters(settings.kafka)
    await _patiently(dead_letters.start, "kafka", status)
    stack.push_async_callback(_within, _LEAVE_S, dead_letters.stop, "the dead-letter producer")
    pipeline = Pipeline(settings, Core(plan), writer, dead_letters, status)
    await _patiently(pipeline.source.start, "kafka", status)
    stack.push_async_callback(_within, _LEAVE_S, pipeline.source.stop, "the consumer")
    return pipeline


async def _prepare_topics(settings: Settings) -> None:
    async with open_topics(settings.kafka) as topics:
        shape = await topics.shape(settings.kafka.topic)
        if await topics.create_if_absent(settings.kafka.dead_letter_topic, shape):
            log.info("created the dead-letter topic", topic=settings.kafka.dead_letter_topic)


async def _patiently(action: Callable[[], Awaitable[_Result]], what: str, status: Status) -> _Result:
    """The result of `action`, tried again for as long as waiting may cure it."""
    wait_s = _RETRY_BASE_S
    while True:
        try:
            result = await action()
        except (KafkaUnavailable, KinesisUnavailable) as error:
            status.unhealthy(what, str(error))
            log.warning("not connected yet", to=what, reason=str(error), wait_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(_RETRY_MAX_S, wait_s * 2)
        else:
            status.healthy(what)
            return result


async def _within(deadline_s: float, action: Callable[[], Awaitable[None]], what: str) -> None:
    """Leave in an orderly way, but not for longer than `deadline_s`: a broker that is away must not hold us."""
    try:
        async with asyncio.timeout(deadline_s):
            await action()
    except TimeoutError:
        log.warning("left without an answer", client=what)


async def _log_figures(interval_s: float, status: Status, writer: Writer) -> None:
    while True:
        await asyncio.sleep(interval_s)
        log.info("figures", **_figures(status, writer))


def _figures(status: Status, writer: Writer) -> dict[str, int]:
    figures = status.figures
    return {
        "partitions": len(status.partitions),
        "received": figures.received,
        "exported": figures.exported,
        "unchanged": figures.unchanged,
        "skipped": figures.skipped,
        "dead_lettered": figures.dead_lettered.total(),
        "abandoned": figures.abandoned,
        "in_flight": figures.in_flight,
        "retried": writer.figures.retried.total(),
        "buffered_bytes": writer.figures.buffered_bytes,
    }
