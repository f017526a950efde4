"""How many dead letters are too many: a broken release of a producer must not drain a topic into them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from processor.settings import ServiceSettings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

CONDITION: Final = "dead-letter limit"


class DeadLetterLimit:
    """Of one worker: a count and a share of what was processed, in a window; where both are passed, it holds.

    Then no further dead letter is written: a partition whose next batch has one stands still, unready, and nothing
    of that batch is committed. A person decides: `lift`, or a new start, begins a new window.
    """

    def __init__(self, settings: ServiceSettings, status: Status) -> None:
        self._max_count = settings.dead_letter_limit_count
        self._max_share = settings.dead_letter_limit_share
        self._window_s = settings.dead_letter_limit_window_ms / 1000
        self._status = status
        self._counts: deque[tuple[float, int, int]] = deque()
        """By second: letters, and events that were processed."""
        self._lifted = asyncio.Event()
        self._lifted.set()

    async def passed(self, letters: int, processed: int) -> None:
        """Count a batch's letters among its events, and wait where its letters may not be written."""
        self._count(letters, processed)
        if not letters:
            return
        if self._max_count and self._is_too_many():
            self._hold()
        await self._lifted.wait()

    def lift(self) -> None:
        """Write dead letters again; what was counted is forgotten."""
        self._counts.clear()
        if not self._lifted.is_set():
            self._lifted.set()
            self._status.healthy(CONDITION)

    def _count(self, letters: int, processed: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._counts and now_s < self._counts[-1][0] + 1.0:
            began_s, letters_before, processed_before = self._counts.pop()
            self._counts.append((began_s, letters_before + letters, processed_before + processed))
        else:
            self._counts.append((now_s, letters, processed))
        while self._counts[0][0] < now_s - self._window_s:
            self._counts.popleft()

    def _is_too_many(self) -> bool:
        letters = sum(each[1] for each in self._counts)
        processed = sum(each[2] for each in self._counts)
        return letters > self._max_count and letters > self._max_share * processed

    def _hold(self) -> None:
        if not self._lifted.is_set():
            return
        self._lifted.clear()
        letters = sum(each[1] for each in self._counts)
        why = (
            f"{letters} events of the last {self._window_s:g} s would be dead letters, more than "
            f"{self._max_count} and {self._max_share:.0%} of all: mend their producer, or raise "
            "PROCESSOR_DEAD_LETTER_LIMIT_COUNT, and start again"
        )
        log.error("too many dead letters, no more are written", reason=why)
        self._status.unhealthy(CONDITION, why)
