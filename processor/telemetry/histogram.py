"""Histograms: counts by upper bound, and the values' sum, as Prometheus has them; and the quantile of one."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of what takes a moment: work on a batch, an answer of Kafka or Kinesis."""
AGE_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
"""Bounds of an event's age, which an outage makes large."""
BATCH_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 600)
"""Bounds of a batch's size; the last is the largest there is (`processor/worker/partition.py`)."""


class Histogram:
    """Counts by upper bound, the last for what is beyond all bounds, and the values' sum; one observation costs a bisection."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


def quantile(share: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the value that `share` of what was counted does not exceed, as Prometheus' `histogram_quantile` computes it.

    Between two bounds values count as spread evenly; what is beyond the last bound counts as that bound. None where
    nothing was counted.
    """
    rank = share * sum(counts)
    if not rank:
        return None
    below, lower = 0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if below + count >= rank:
            return lower + (bound - lower) * (rank - below) / count
        below, lower = below + count, bound
    return lower
