"""A disk that takes nothing: its partitions are released, and begun anew once it does.

A store whose disk is full still knows all: what is on disk may be read, and what came since is in memory. So what is under
way ends in order and is committed; then the store is closed, for RocksDB writes nothing more after such a failure.
It is opened again when there is room, and has what it lacks restored from the changelog. Meanwhile the worker is unready,
keeps its partitions, and goes on with those whose stores are well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.errors import StateUnavailable, leaves
from processor.waiting.retry import Delays, retried

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.errors import ProcessorError
    from processor.state.disk import Disk
    from processor.state.store import Store
    from processor.telemetry.status import Status

CONDITION: Final = "disk"

_DELAYS: Final = Delays(1.0, 5.0)


async def opened(
    number: int, open_store: Callable[[int], Awaitable[Store]], disk: Disk, status: Status
) -> Store:
    """Return the store of a partition, opened once the disk takes it.

    Raises:
        StateError: it cannot be opened, and no waiting cures that.

    """

    async def attempt() -> Store:
        if status.has(CONDITION, number):
            await disk.check()
        return await open_store(number)

    def report(error: ProcessorError, _: float) -> None:
        status.unhealthy(CONDITION, str(error), number)

    store = await retried(attempt, errors=(StateUnavailable,), delays=_DELAYS, on_failure=report)
    status.healthy(CONDITION, number)
    return store


def cause_of(error: BaseException) -> str | None:
    """Return why the disk takes nothing, where `error` is of nothing but that; else None."""
    causes = leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    reasons = [str(cause) if isinstance(cause, StateUnavailable) else None for cause in causes]
    return None if None in reasons else next(iter(reasons), None)
