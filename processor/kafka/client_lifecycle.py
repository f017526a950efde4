"""Starting and stopping clients of aiokafka, which leave connections and tasks behind where either is broken off."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from processor.kafka.client import errors_mapped
from processor.kafka.client_close import leave

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

log = structlog.get_logger(__name__)

_STOP_TIMEOUT_S: Final = 3.0
"""How long a stop may take, or a start that is cancelled: a broker that is frozen must not keep the process."""


class Client(Protocol):
    """aiokafka's consumers and producers."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""


@asynccontextmanager
async def connected(client: Client, doing: str) -> AsyncIterator[None]:
    """`client`, started; it is stopped whatever happens. `doing` says what for, to errors.

    Raises:
        KafkaRefused, KafkaUnavailable: the connection did not come about.

    """
    try:
        with errors_mapped(doing):
            await uninterrupted(client.start())
        yield
    finally:
        await uninterrupted(within(_STOP_TIMEOUT_S, partial(leave, client), doing))


async def uninterrupted(work: Coroutine[object, object, None]) -> None:
    """Do `work`; where this is cancelled meanwhile, end it first, or break it off in its turn when it takes too long.

    It runs as a task, so it begins after what the client began just before: aiokafka awaits its own tasks when it
    stops, and one that was cancelled before its first turn would answer with a cancellation of ours.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await _ended(task)
        raise
    task.result()


async def within(deadline_s: float, stop: Callable[[], Awaitable[None]], what: str) -> None:
    """Leave in an orderly way, but not for longer than `deadline_s`: a broker that is away must not keep the process."""
    try:
        async with asyncio.timeout(deadline_s):
            await stop()
    except TimeoutError:
        log.warning("left without an answer", client=what)


async def _ended(task: asyncio.Task[None]) -> None:
    """Wait for a task however often this is cancelled; how it ends does not matter any more."""
    too_long = asyncio.get_running_loop().call_later(_STOP_TIMEOUT_S, task.cancel)
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
    too_long.cancel()
    if not task.cancelled():
        task.exception()
