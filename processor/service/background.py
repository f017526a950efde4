"""A task beside the body of a context, whose failure is the body's to look at."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


@asynccontextmanager
async def in_background(*work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Do all of `work` in one task while the body lasts; the task fails as soon as one of them does."""

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


async def failure_of(task: asyncio.Task[None]) -> None:
    """Wait for `task`, and raise what it fails with; cancelling this does not cancel it."""
    await asyncio.wait([task])
    task.result()
