"""The event loop's lag: how long it keeps its timers waiting, and with them every heartbeat and every answer."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_LOOK_S: Final = 0.1
_WINDOW: Final = 100
"""Ten seconds of looks."""


class LoopLag:
    """Measures the lag every 0.1 s, while `run` runs. `turns` counts the measurements: a loop that is stuck makes none."""

    def __init__(self) -> None:
        self.turns = 0
        self._lags_s: deque[float] = deque([0.0], maxlen=_WINDOW)

    @property
    def longest_s(self) -> float:
        """The longest lag of the last ten seconds, in seconds."""
        return max(self._lags_s)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            self._lags_s.append(max(loop.time() - due_s, 0.0))
            self.turns += 1
