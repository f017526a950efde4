"""What the writer counts; metrics and logs read it from here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.errors import KinesisUnreadable
from processor.telemetry.histogram import LATENCY_S, Histogram

if TYPE_CHECKING:
    from processor.errors import KinesisUnavailable


@dataclass(slots=True)
class WriterFigures:
    """Counters since the start, and gauges."""

    submitted: int = 0
    stored: int = 0
    stored_bytes: int = 0
    rejected: int = 0
    abandoned: int = 0
    buffered_bytes: int = 0
    requests: int = 0
    requests_in_flight: int = 0
    request_bytes_in_flight: int = 0
    possible_duplicates: int = 0
    unreadable: int = 0
    """Answers that did not say what became of the records."""
    retried: Counter[str] = field(default_factory=Counter)
    answer_s: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    """How long answered calls took."""

    def failed(self, error: KinesisUnavailable, records: int) -> None:
        """Count what a call of so many records leaves open that failed."""
        self.possible_duplicates += records if error.outcome_unknown else 0
        self.unreadable += isinstance(error, KinesisUnreadable)

    @property
    def in_flight(self) -> int:
        """Records that wait or are on their way."""
        return self.submitted - self.stored - self.rejected - self.abandoned
