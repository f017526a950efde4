"""Leaving a client of aiokafka whatever keeps it: none of its tasks and connections outlives that.

aiokafka's `stop` may end half-way. It awaits a fetch that it has cancelled, and where the fetch had failed just then, the
cancellation comes out of `stop` as if it were the caller's; nothing behind that is stopped. Where a broker is away it waits for
longer than a process has to end. And a commit that is given up goes on, shielded, and fails when nobody asks any more, which
asyncio logs with a trace. This module touches aiokafka's private names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

_BREAK_OFF_S: Final = 1.0
_TASKS: Final = {
    "_coordinator": (
        "_coordination_task",
        "_heartbeat_task",
        "_commit_refresh_task",
        "_reset_committed_task",
    ),
    "_fetcher": ("_fetch_task", "_pending_tasks"),
    "_sender": ("_sender_task",),
}
"""By what of a client has them; a client has some of these."""


async def leave(client: Any) -> None:  # noqa: ANN401  aiokafka has no types
    """Stop a client. However that ends, and also where this is cancelled meanwhile, what is left of it is broken off."""
    stopping = asyncio.ensure_future(client.stop())
    try:
        await asyncio.wait([stopping])
    finally:
        if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
            await _break_off(client, stopping)


def heed_commits(consumer: Any) -> None:  # noqa: ANN401  as above
    """Have the outcome of every commit looked at, also of one that is given up; the consumer is started."""
    coordinator = consumer._coordinator  # noqa: SLF001  the module's docstring says why
    commit = coordinator._do_commit_offsets  # noqa: SLF001  as above

    def looked_at(*arguments: object) -> asyncio.Future[None]:
        committing: asyncio.Future[None] = asyncio.ensure_future(commit(*arguments))
        committing.add_done_callback(_look_at)
        return committing

    coordinator._do_commit_offsets = looked_at  # noqa: SLF001  as above


async def _break_off(client: Any, stopping: asyncio.Future[None]) -> None:  # noqa: ANN401  as above
    tasks = [stopping, *_tasks_of(client)]
    for task in tasks:
        task.cancel()
    _, left = await asyncio.wait(tasks, timeout=_BREAK_OFF_S)
    for task in tasks:
        task.add_done_callback(_look_at)
    connections = getattr(client, "_client", None) or getattr(client, "client", None)
    if connections is not None:
        closing = asyncio.ensure_future(connections.close())
        closing.add_done_callback(_look_at)
        await asyncio.wait([closing], timeout=_BREAK_OFF_S)
    if left:
        log.info("a client of Kafka was left with work under way", tasks=len(left))


def _tasks_of(client: Any) -> Iterator[asyncio.Future[Any]]:  # noqa: ANN401  as above
    for part, names in _TASKS.items():
        has_them = getattr(client, part, None)
        for name in names:
            found = getattr(has_them, name, None)
            yield from found if isinstance(found, set) else () if found is None else (found,)


def _look_at(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()
