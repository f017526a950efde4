"""How much of a worker its backfills take: one partition's at a time, and so many events a second."""

from __future__ import annotations

import asyncio


class Share:
    """What the backfills of one worker share; `max_events_per_s` is a bound on the events that are looked at again, 0 for none."""

    def __init__(self, max_events_per_s: int) -> None:
        self._max_events_per_s = max_events_per_s
        self._free_at_s = 0.0
        self.turn = asyncio.Lock()
        """Held by the backfill that is under way: what it needs in memory is needed once."""

    def most(self, wanted: int) -> int:
        """Return how many events may be looked at together, `wanted` at most: no more than half a second's worth."""
        if not self._max_events_per_s:
            return wanted
        return max(min(wanted, self._max_events_per_s // 2), 1)

    async def passed(self, events: int) -> None:
        """Wait until so many events more may be looked at."""
        if not self._max_events_per_s:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._free_at_s - loop.time()
        self._free_at_s = max(self._free_at_s, loop.time()) + events / self._max_events_per_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
