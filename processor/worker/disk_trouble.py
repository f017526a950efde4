"""A disk that takes nothing: its partitions are let go of, and begun anew once it does.

A store whose disk is full still knows all: what is on disk may be read, and what came since is in memory. So what is under
way ends in order and is committed; then the store is closed, for RocksDB writes nothing more after such a failure.
It is opened again when there is room, and has what it lacks restored from the changelog. Meanwhile the worker is unready,
keeps its partitions, and goes on with those whose stores are well.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import StateUnavailable, leaves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

CONDITION: Final = "disk"

_RETRY_BASE_S: Final = 1.0
_RETRY_MAX_S: Final = 5.0


async def opened(
    number: int, open_store: Callable[[int], Awaitable[Store]], disk: Disk, status: Status
) -> Store:
    """The store of a partition, once the disk takes it.

    Raises:
        StateError: it cannot be opened, and no waiting cures that.

    """
    wait_s = _RETRY_BASE_S
    while True:
        try:
            if status.ails(CONDITION, number):
                await disk.check()
            store = await open_store(number)
        except StateUnavailable as error:
            status.unhealthy(CONDITION, str(error), number)
            await asyncio.sleep(wait_s)
            wait_s = min(_RETRY_MAX_S, 2 * wait_s)
        else:
            status.healthy(CONDITION, number)
            return store


def cause_of(error: BaseException) -> str | None:
    """Why the disk takes nothing, where nothing but that is what `error` tells; else None."""
    causes = leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    told = [str(cause) if isinstance(cause, StateUnavailable) else None for cause in causes]
    return None if None in told else next(iter(told), None)
