"""Leaving: how a client is left whatever keeps it, and whether the group keeps this member's partitions for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from processor.errors import EXIT_BAD_CONFIGURATION, exit_code, leaves
from processor.kafka.client_lifecycle import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AsyncExitStack
    from types import TracebackType

    from processor.kafka.source import Source

_LEAVE_S: Final = 3.0
"""How long a client may take to stop."""


def stop_at_exit(stack: AsyncExitStack, stop: Callable[[], Awaitable[None]], client: str) -> None:
    """Have `stack` stop a client, which the log names `client`, and wait for that for 3 s at most."""
    stack.push_async_callback(within, _LEAVE_S, stop, client)


def leave_group_at_exit(stack: AsyncExitStack, source: Source) -> None:
    """Have `stack` call `leave_group` with the error that it is left with."""
    stack.push_async_exit(partial(_leave_group_for, source))


async def leave_group(source: Source, error: BaseException | None) -> None:
    """End the membership of a worker that ends with `error`, or was asked to end and has none.

    A failure that a new start may cure has the member come back, and find its partitions waiting; after every other end
    they are others' at once.
    """
    failures = list(leaves(error)) if isinstance(error, BaseExceptionGroup) else [error] if error else []
    if failures and exit_code(failures) != EXIT_BAD_CONFIGURATION:
        source.comes_back()
    await within(_LEAVE_S, source.stop, "the consumer")


async def _leave_group_for(
    source: Source, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
) -> None:
    await leave_group(source, error)
