"""How much of a worker its backfills take: one partition's at a time, and so many events a second."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from processor.backfill.pace import Pace


class Share:
    """What the backfills of one worker share: the `pace` that live events leave them, and `max_events_per_s`, a bound of the operator's, 0 for none."""

    def __init__(self, max_events_per_s: int, pace: Pace) -> None:
        self._most_per_s = max_events_per_s or math.inf
        self._pace = pace
        self._free_at_s = 0.0
        self._one_at_a_time = asyncio.Lock()

    @property
    def is_alone(self) -> bool:
        """Whether a backfill has the worker for itself: no live events come."""
        return self._pace.is_alone

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn, and have it: a backfill under way is the only one, so that what it needs in memory is needed once."""
        return self._one_at_a_time

    def most(self, wanted: int) -> int:
        """Return how many events may be looked at together, `wanted` at most: no more than half a second's worth of the operator's bound."""
        return max(int(min(wanted, self._most_per_s / 2)), 1)

    async def passed(self, events: int) -> None:
        """Wait until more events may be looked at, after so many that were."""
        loop = asyncio.get_running_loop()
        per_s = min(self._most_per_s, self._pace.per_s(loop.time()))
        self._free_at_s = max(self._free_at_s, loop.time()) + events / per_s
        wait_s = self._free_at_s - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
