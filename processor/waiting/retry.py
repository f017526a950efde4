"""Retrying what waiting may cure, with a delay that doubles up to a bound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from processor.errors import ProcessorError

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds to wait between attempts: `base_s` after the first, then twice as long each time, up to `max_s`."""

    base_s: float
    max_s: float

    def __iter__(self) -> Iterator[float]:
        wait_s = self.base_s
        while True:
            yield min(wait_s, self.max_s)
            wait_s = min(wait_s * 2, self.max_s)


async def retried(
    action: Callable[[], Awaitable[_Result]],
    *,
    errors: tuple[type[ProcessorError], ...],
    delays: Delays,
    on_failure: Callable[[ProcessorError, float], None],
) -> _Result:
    """Return the result of `action`, which is attempted until it raises none of `errors`.

    After each failure `on_failure` is called with the error and with the seconds until the next attempt. There is no
    bound on the number of attempts, nor on how long one takes: `action` brings its own, and raises what is not
    retried. Cancelling this cancels the attempt or the wait.
    """
    waits_s = iter(delays)
    while True:
        try:
            return await action()
        except errors as error:
            wait_s = next(waits_s)
            on_failure(error, wait_s)
        await asyncio.sleep(wait_s)
