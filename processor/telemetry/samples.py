"""Samples of one worker's metrics, as it collects them and its parent hears of them; `exposition.py` makes text of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.telemetry.histogram import Histogram
    from processor.telemetry.metrics import Metric


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One series less its name: a value, or a histogram's sum with its counts by bound."""

    labels: tuple[str, ...]
    value: float
    counts: list[int] | None = None


Samples: TypeAlias = dict[str, list[Sample]]
"""By metric name."""


class Sheet:
    """Samples being collected; a name that is not in the catalogue cannot be added."""

    def __init__(self) -> None:
        self.samples: Samples = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one series."""
        self.samples.setdefault(metric.name, []).append(Sample(labels, float(value)))

    def add_all(self, metric: Metric, values: Mapping[str, float]) -> None:
        """Add a series for each value of the metric's one label."""
        self.samples.setdefault(metric.name, [])
        for label, value in values.items():
            self.add(metric, value, label)

    def add_histogram(self, metric: Metric, histogram: Histogram) -> None:
        """Add a histogram."""
        sample = Sample((), histogram.total, list(histogram.counts))
        self.samples.setdefault(metric.name, []).append(sample)
