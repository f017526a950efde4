"""Rates of counters over the last ten seconds, which the status page and the log's line of figures show."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_WINDOW_S: Final = 10.0


class Rates:
    """Keeps the counters of the last ten seconds, as far as they are looked at."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[str, float]]] = deque()

    def look(self, now_s: float, counters: Mapping[str, float]) -> None:
        """Note the counters as they are; `now_s` is of a clock that does not jump."""
        self._looks.append((now_s, counters))
        while len(self._looks) > 2 and self._looks[1][0] <= now_s - _WINDOW_S:  # noqa: PLR2004  two make a rate
            self._looks.popleft()

    def per_s(self) -> dict[str, float]:
        """Return each counter's increase a second; empty before the second look."""
        if len(self._looks) < 2:  # noqa: PLR2004  as above
            return {}
        (began_s, before), (ended_s, after) = self._looks[0], self._looks[-1]
        passed_s = max(ended_s - began_s, 1e-9)
        return {name: max(value - before.get(name, 0.0), 0.0) / passed_s for name, value in after.items()}
