"""How much one shard is given: it starts at the published limits of a shard and finds the real ones.

Other producers write to the same shard, and emulators have no limits at all. While nothing was ever throttled and
what is allowed is used, the rate grows fast; a throttle cuts it to the share that was stored; from there it returns
quickly to a little below where it was throttled, feels its way slowly around that, and beyond grows fast again.
"""

from __future__ import annotations

from typing import Final

SHARD_RECORDS_PER_S: Final = 1000.0
SHARD_BYTES_PER_S: Final = 1024 * 1024.0
"""A shard's published limits, https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html"""

_BURST_S: Final = 0.25
_WINDOW_S: Final = 0.2
_CUT_EVERY_S: Final = 0.5
_CUT_MIN, _CUT_MAX = 0.3, 0.97
_PROBE, _RETURN, _FEEL = 1.5, 1.1, 1.01
"""AddedPartitions a second: where no limit is near, on the way back to one, and around it."""
_FEEL_S: Final = 6.0
"""After so long without a throttle the limit is no longer where it was found."""
_NEAR_BELOW, _NEAR_ABOVE = 0.95, 1.2
_USED: Final = 0.8
_SCALE_MIN: Final = 0.001


class Limiter:
    """A token bucket of records and one of bytes; `scale` is the rate as a multiple of the published limits."""

    __slots__ = (
        "_bytes",
        "_cut_at_s",
        "_filled_at_s",
        "_limit",
        "_records",
        "_stored",
        "_stored_before",
        "_throttled",
        "_used",
        "_window_at_s",
        "scale",
    )

    def __init__(self, now_s: float, scale: float = 1.0) -> None:
        self.scale = scale
        self._filled_at_s = now_s
        self._records = SHARD_RECORDS_PER_S * scale * _BURST_S
        self._bytes = SHARD_BYTES_PER_S * scale * _BURST_S
        self._limit: float | None = None
        self._cut_at_s = now_s - _CUT_EVERY_S
        self._stored = self._stored_before = self._throttled = 0
        self._used = 0.0
        self._window_at_s = now_s

    def records_allowed(self, now_s: float) -> int:
        """How many records may go now, as long as `is_open` holds for their bytes."""
        passed_s = now_s - self._filled_at_s
        if passed_s > 0:
            self._filled_at_s = now_s
            records_per_s, bytes_per_s = self.scale * SHARD_RECORDS_PER_S, self.scale * SHARD_BYTES_PER_S
            self._records = min(self._records + passed_s * records_per_s, records_per_s * _BURST_S + 1)
            self._bytes = min(self._bytes + passed_s * bytes_per_s, bytes_per_s * _BURST_S)
            self._grow(now_s)
        return int(self._records) if self._bytes > 0 else 0

    @property
    def bytes_allowed(self) -> float:
        """What may go now; the last record may be larger than that, and is made up for by a wait."""
        return self._bytes

    def wait_s(self, records: int) -> float:
        """How long until `records` may go, in seconds, at most a burst's time from now."""
        records_per_s, bytes_per_s = self.scale * SHARD_RECORDS_PER_S, self.scale * SHARD_BYTES_PER_S
        missing = min(records, records_per_s * _BURST_S) - self._records
        return max(missing / records_per_s, -self._bytes / bytes_per_s, 0.0) + 0.001

    def spend(self, records: int, size_bytes: int) -> None:
        """Take from the buckets what goes now."""
        self._records -= records
        self._bytes -= size_bytes
        self._used += max(records / SHARD_RECORDS_PER_S, size_bytes / SHARD_BYTES_PER_S)

    def answered(self, now_s: float, stored: int, throttled: int) -> None:
        """Learn from an answer: so many records were stored, and so many throttled."""
        self._stored += stored
        self._throttled += throttled
        if not self._throttled or now_s < self._cut_at_s + _CUT_EVERY_S:
            return
        # With the window before: the first answers of a window are too few to estimate a share from.
        stored = self._stored_before + self._stored
        if not stored:
            # An outage, which says nothing about the limit.
            self._throttled = 0
            return
        share = stored / (stored + self._throttled)
        self._limit = self.scale * max(share, _CUT_MIN)
        self.scale = max(self.scale * min(max(share, _CUT_MIN), _CUT_MAX), _SCALE_MIN)
        self._cut_at_s = now_s
        self._stored = self._stored_before = self._throttled = 0
        self._used = 0.0

    def _grow(self, now_s: float) -> None:
        passed_s = now_s - self._window_at_s
        if passed_s < _WINDOW_S:
            return
        # What is not used says nothing about the limit.
        if self._used >= _USED * self.scale * passed_s:
            growth = _PROBE
            if self._limit is not None and self.scale < self._limit * _NEAR_ABOVE:
                is_near = self.scale >= self._limit * _NEAR_BELOW and now_s < self._cut_at_s + _FEEL_S
                growth = _FEEL if is_near else _RETURN
            self.scale *= growth ** min(passed_s, 1.0)
        self._window_at_s, self._used = now_s, 0.0
        if not self._throttled:
            self._stored_before, self._stored = self._stored, 0
