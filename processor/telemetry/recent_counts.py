"""What a histogram, which only grows, counted in the last minute."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WINDOW_S: Final = 60.0
_LOOK_S: Final = 5.0
"""How far looks that are kept lie apart, at least."""


class RecentCounts:
    """Looks at counts by bound now and then, and returns what they have grown by within a minute."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, list[int]]] = deque()
        self._newest: list[int] = []

    def look(self, now_s: float, counts: Sequence[int]) -> None:
        """Note the counts as they are; `now_s` is of a clock that does not jump."""
        self._newest = list(counts)
        if not self._looks or now_s >= self._looks[-1][0] + _LOOK_S:
            self._looks.append((now_s, self._newest))
        while len(self._looks) > 1 and self._looks[1][0] <= now_s - _WINDOW_S:
            self._looks.popleft()

    @property
    def counts(self) -> list[int]:
        """What was counted since about a minute ago, by bound; empty before the first look."""
        if not self._looks:
            return []
        return [now - before for now, before in zip(self._newest, self._looks[0][1], strict=True)]
