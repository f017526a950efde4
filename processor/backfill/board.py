"""What the topic of backfills says by now: the newest request, and what was reported last of each partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from processor.backfill.messages import (
    REQUEST_KEY,
    decoded_report,
    decoded_request,
    partition_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from processor.backfill.messages import Reported, Request


class Record(Protocol):
    """A record of Kafka's."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; None of a tombstone."""


class Board:
    """Takes the topic's records in their order, from the first on; what is reported of partitions from number `partitions` on is not kept."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.request: Request | None = None
        """The newest that is not withdrawn."""
        self.passed_over = 0
        """Records that say nothing of use."""
        self._reported: dict[int, Reported] = {}

    @property
    def reported(self) -> Mapping[int, Reported]:
        """What was reported last, by partition."""
        return self._reported

    def take(self, records: Iterable[Record]) -> None:
        """Take the next records. A request without a value withdraws it; a partition without one forgets what was reported of it."""
        for record in records:
            self._take(record.key or b"", record.value)

    def _take(self, key: bytes, value: bytes | None) -> None:
        if key == REQUEST_KEY:
            request = None if value is None else decoded_request(value)
            if request is not None or value is None:
                self.request = request
                return
        partition = partition_in(key)
        if partition is None or partition >= self.partitions:
            self.passed_over += 1
            return
        if value is None:
            self._reported.pop(partition, None)
            return
        found = decoded_report(value)
        if found is None:
            self.passed_over += 1
            return
        former = self._reported.get(partition)
        if former is None or not found.is_older_than(former):
            self._reported[partition] = found
