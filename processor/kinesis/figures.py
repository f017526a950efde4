"""What the writer counts; metrics and logs read it from here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from processor.distribution import LATENCY_S, Distribution


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
    retried: Counter[str] = field(default_factory=Counter)
    answer_s: Distribution = field(default_factory=lambda: Distribution(LATENCY_S))
    """How long answered calls took."""

    @property
    def in_flight(self) -> int:
        """Records that wait or are on their way."""
        return self.submitted - self.stored - self.rejected - self.abandoned
