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
    """Counters since the start, and gauges. Whoever counts something calls a method, once for all of a batch."""

    submitted: int = 0
    """Records that were taken into the buffer."""
    stored: int = 0
    stored_bytes: int = 0
    rejected: int = 0
    """Records that Kinesis takes under no circumstances."""
    abandoned: int = 0
    """Records whose partition was released before they were stored or rejected."""
    buffered_bytes: int = 0
    """Of the records that wait or are on their way."""
    requests: int = 0
    """PutRecords calls that have begun."""
    requests_in_flight: int = 0
    request_bytes_in_flight: int = 0
    possible_duplicates: int = 0
    """Records that are sent again though they may have been stored."""
    unreadable: int = 0
    """Answers that did not say what became of the records."""
    retried: Counter[str] = field(default_factory=Counter)
    """Records that are sent again, by the reason: an error code of Kinesis, or a word of the writer's own."""
    answer_s: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    """How long answered calls took, in seconds."""

    @property
    def in_flight(self) -> int:
        """Records that wait or are on their way."""
        return self.submitted - self.stored - self.rejected - self.abandoned

    def count_submitted(self, records: int, size_bytes: int) -> None:
        """Records were taken into the buffer."""
        self.submitted += records
        self.buffered_bytes += size_bytes

    def count_stored(self, records: int, size_bytes: int) -> None:
        """Kinesis has stored records."""
        self.stored += records
        self.stored_bytes += size_bytes
        self.buffered_bytes -= size_bytes

    def count_rejected(self, size_bytes: int) -> None:
        """A record of so many bytes is given up."""
        self.rejected += 1
        self.buffered_bytes -= size_bytes

    def count_abandoned(self, records: int, size_bytes: int) -> None:
        """Records are dropped with the partition that they are of."""
        self.abandoned += records
        self.buffered_bytes -= size_bytes

    def count_begun(self, size_bytes: int) -> None:
        """A call began with records of so many bytes."""
        self.requests += 1
        self.requests_in_flight += 1
        self.request_bytes_in_flight += size_bytes

    def count_ended(self, size_bytes: int) -> None:
        """A call with records of so many bytes ended, with an answer or without."""
        self.requests_in_flight -= 1
        self.request_bytes_in_flight -= size_bytes

    def count_failed(self, error: KinesisUnavailable, records: int) -> None:
        """A call with so many records failed, and may have stored them all the same."""
        self.possible_duplicates += records if error.outcome_unknown else 0
        self.unreadable += isinstance(error, KinesisUnreadable)

    def count_possible_duplicates(self, records: int) -> None:
        """Records are sent again though they may have been stored, or were."""
        self.possible_duplicates += records

    def count_retried(self, code: str, records: int) -> None:
        """Records are to be sent again for a reason."""
        self.retried[code] += records
