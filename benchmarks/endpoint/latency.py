"""How long answers are held back."""

from __future__ import annotations

import random
from typing import Final


class Latency:
    """A time that differs from call to call, evenly, by `spread_s` to either side; the same ones each time."""

    def __init__(self, mean_s: float, spread_s: float) -> None:
        self._mean_s = mean_s
        self._spread_s = min(spread_s, mean_s)
        self._rng = random.Random(1)

    def drawn_s(self) -> float:
        """That of one call."""
        if not self._spread_s:
            return self._mean_s
        return self._mean_s + self._rng.uniform(-self._spread_s, self._spread_s)


NO_LATENCY: Final = Latency(0.0, 0.0)
