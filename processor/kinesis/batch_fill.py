"""How calls are filled: what is ready waits for more, for a bounded time, and goes once a full call is there."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.kinesis.call import Call
    from processor.kinesis.call_size import CallSize
    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.lanes import Lanes
    from processor.settings import KinesisSettings

_GATHER_S: Final = 0.005


class BatchFill:
    """Decides when a call is packed, and packs it. Times are the loop's, in seconds.

    `wake` wakes who sends, where something is ready again; where something new is, who has it ready looks what may go.
    """

    def __init__(
        self,
        settings: KinesisSettings,
        lanes: Lanes,
        size: CallSize,
        figures: WriterFigures,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._lanes = lanes
        self._size = size
        self._figures = figures
        self._wake = wake
        self._linger_s = settings.linger_ms / 1000
        self._due_s = math.inf  # when what is ready goes, full or not
        self._gathering_until_s = 0.0

    def follow(self, *, is_followed: bool) -> None:
        """Linger from now on as is worth it where more events wait to become records, or do not.

        A call costs as much as many records: where events wait for their turn, fuller calls are worth a delay.
        """
        settings = self._settings
        self._linger_s = max(settings.linger_ms, settings.busy_linger_ms if is_followed else 0) / 1000

    def ready(self) -> None:
        """Something new is ready: it may wait for more as long as lingering says."""
        self._be_due(self._linger_s)

    def ready_at_once(self) -> None:
        """Something is ready for which much else waits: it goes with the next call."""
        self._be_due(0.0)

    def ready_again(self) -> None:
        """Something is ready again that was before: it may wait for `linger_ms`."""
        self._be_due(self._settings.linger_ms / 1000)
        self._wake()

    def wait_s(self, now_s: float) -> float:
        """How long what is ready waits for more yet, in seconds; infinite where nothing is ready."""
        if self._due_s == math.inf:
            return math.inf
        if now_s < self._gathering_until_s:
            return self._gathering_until_s - now_s
        return 0.0 if self._due_s <= now_s or self._is_call_full() else self._due_s - now_s

    def packed(self, now_s: float) -> Call:
        """A call of what may go now; empty where nothing may."""
        settings = self._settings
        call = self._lanes.packed(now_s, settings.max_records_per_request, self._size.limit_bytes)
        if call.items:
            self._due_s = now_s + self._linger_s
            if self._is_call_full() and len(call.items) < settings.max_records_per_request // 2:
                # What is ready may not go yet: calls of a few records, as limits let them go, would cost more.
                self._gathering_until_s = now_s + _GATHER_S
        elif not self._lanes.ready_records:
            self._due_s = math.inf
        return call

    def _be_due(self, wait_s: float) -> None:
        self._due_s = min(self._due_s, asyncio.get_running_loop().time() + wait_s)

    def _is_call_full(self) -> bool:
        ready, figures = self._lanes.ready_records, self._figures
        mean_bytes = figures.buffered_bytes / max(figures.in_flight, 1)
        return ready >= self._settings.max_records_per_request or ready * mean_bytes >= self._size.limit_bytes
