"""A sample of the source that is read once for all who ask for it, and kept for as long as a set-up looks at it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.operations.topic_sample import SampleRead

KEPT_S: Final = 60.0
"""How long a sample is kept, and answers whoever asks."""
RENEWED_S: Final = 5.0
"""How old it is at least before it is read anew for who asks for that."""


class TakenSample(NamedTuple):
    """A sample, and when its reading began, in ms since the epoch."""

    at_ms: int
    read: SampleRead


class KeptSample:
    """Reads by `read` where what is kept is too old; it holds the events, so none is kept for longer than `KEPT_S`."""

    def __init__(self, read: Callable[[], Awaitable[SampleRead]]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._taken: TakenSample | None = None
        self._taken_s = 0.0
        """By the loop's clock."""

    async def not_older(self, than_s: float) -> TakenSample:
        """Return a sample whose reading began at most so long ago, or after this was asked for.

        Raises:
            KafkaRefused, KafkaUnavailable, ConfigurationError: see `topic_sample.read_sample`.

        """
        asked_s = asyncio.get_running_loop().time()
        async with self._reading:
            if self._taken is not None and self._taken_s >= asked_s - than_s:
                return self._taken
            loop = asyncio.get_running_loop()
            began_s, at_ms = loop.time(), time.time_ns() // 1_000_000
            taken = TakenSample(at_ms, await self._read())
            self._taken, self._taken_s = taken, began_s
            loop.call_later(KEPT_S, self._drop, taken)
            return taken

    def _drop(self, taken: TakenSample) -> None:
        if self._taken is taken:
            self._taken = None
