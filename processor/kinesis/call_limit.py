"""How many calls may be in flight: more while latency stays what it was, fewer when it grows.

After the gradient of Netflix's concurrency-limits: the ratio of the latency of long to that of late says whether
calls queue somewhere.
"""

from __future__ import annotations

import math
from typing import Final

_START: Final = 8
_LONG, _LATE = 0.002, 0.3
"""The share of a new latency in the two moving means."""
_TOLERANCE: Final = 2.0
"""Calls differ in size: only a latency that is twice the usual one counts as queueing."""
_SHARE_OF_CALL: Final = 0.5
"""Calls that take more of their time-out than this would fail with some more beside them."""
_SMOOTHING: Final = 0.2


class InFlightLimit:
    """The limit of calls in flight, between 1 and `maximum`; a call that takes `call_s` seconds has failed."""

    def __init__(self, maximum: int, call_s: float) -> None:
        self._maximum = maximum
        self._much_s = call_s * _SHARE_OF_CALL
        self._limit = float(min(_START, maximum))
        self._long_s: float | None = None
        self._late_s = 0.0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return int(self._limit)

    def answered(self, latency_s: float, in_flight: int) -> None:
        """Learn from a call that was answered while `in_flight` were on their way, itself included."""
        if self._long_s is None:
            self._long_s = self._late_s = latency_s
        self._long_s += (latency_s - self._long_s) * _LONG
        self._late_s += (latency_s - self._late_s) * _LATE
        if self._long_s > 2 * self._late_s:
            # An outage lies behind: what was usual then must not be for long.
            self._long_s *= 0.95
        allowed_s = min(_TOLERANCE * self._long_s, self._much_s)
        gradient = min(1.0, max(0.5, allowed_s / max(self._late_s, 1e-6)))
        if gradient == 1.0 and in_flight * 2 < self._limit:
            return  # what is not used says nothing
        wanted = self._limit * gradient + math.sqrt(self._limit)
        self._limit += (wanted - self._limit) * _SMOOTHING
        self._limit = min(max(self._limit, 1.0), float(self._maximum))

    def cut(self) -> None:
        """Calls that were on their way together did not end: allow half as many."""
        self._limit = max(self._limit / 2, 1.0)
