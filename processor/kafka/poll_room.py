"""How much one poll may take: records, and bytes once they are unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.source_record import size_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.profile.source_record import Record


class Room:
    """How much one poll of one topic may take. Batches are taken whole, as long as there is any room; but where it is `is_scarce`.

    `shares` has the bytes that each partition may take; others take nothing. Where room is scarce, a partition takes
    of its next batch what fits in its share, one record at least, and no more.
    """

    __slots__ = ("_bytes", "_is_scarce", "_records", "shares")

    def __init__(
        self, records: int, size_bytes: int, shares: Mapping[int, int], *, is_scarce: bool = False
    ) -> None:
        self.shares = dict(shares)
        self._records = records
        self._bytes = size_bytes
        self._is_scarce = is_scarce

    def has_any(self, partition: int) -> bool:
        """Whether a partition may have one more batch unpacked."""
        return self._records > 0 and self._bytes > 0 and self.shares.get(partition, 0) > 0

    def take(self, partition: int, records: Sequence[Record], unpacked_bytes: int) -> int:
        """How many of a batch's records, from its first on, the partition may take; they are counted."""
        count = len(records)
        if self._is_scarce:
            count, unpacked_bytes = _fitting(records, self.shares[partition])
            self.shares[partition] = 0
        else:
            self.shares[partition] -= unpacked_bytes
        self._records -= count
        self._bytes -= unpacked_bytes
        return count


def _fitting(records: Sequence[Record], room_bytes: int) -> tuple[int, int]:
    taken_bytes = 0
    for count, record in enumerate(records):
        record_bytes = size_bytes([record])
        if count and taken_bytes + record_bytes > room_bytes:
            return count, taken_bytes
        taken_bytes += record_bytes
    return len(records), taken_bytes
