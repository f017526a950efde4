"""One bound over what all partitions of a worker hold, and who of them may take how much next.

The bound is passed by one batch at most: batches are unpacked whole, and how large one is shows then. A partition holds
its share, so that none takes it all; beyond their shares all together may hold a quarter of the bound, for one with most
of the events must not run dry while a fetch for all of them waits for those that have none. A quarter for each of those that
stand still (their changelog has no leader, say) would leave nothing to the others. Batches may be larger than shares, though,
and partitions that stand still could hold the whole bound in them. Some of it is kept for that: where nothing was given back
for a while, those that hold next to nothing take what fits in their part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.kafka.poll_room import Room

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEYOND_SHARES: Final = 4
"""One part in so many of the bound may be held beyond shares, by all partitions together."""

_KEPT_SHARE: Final = 8
"""One part in so many of the bound is for partitions that would get nothing."""

STARVED_AFTER_S: Final = 2.0
"""For how long all must wait before they get it."""


class InFlightBound:
    """Says how much each partition of a worker may take next. `max_records` are taken at once, at most, and the rest of a batch."""

    def __init__(self, limit_bytes: int, max_records: int) -> None:
        self._kept_bytes = limit_bytes // _KEPT_SHARE
        self._common_bytes = limit_bytes - self._kept_bytes
        self._max_records = max_records
        self._full_since_s: float | None = None

    def room(self, held: Mapping[int, int], now_s: float) -> Room | None:
        """What may be taken now, where partitions hold so many bytes; None where nothing may."""
        left_bytes = self._common_bytes - sum(held.values())
        if left_bytes > 0:
            self._full_since_s = None
            share_bytes = max(self._common_bytes // max(len(held), 1), 1)
            beyond_bytes = sum(max(size - share_bytes, 0) for size in held.values())
            spare_bytes = max(self._common_bytes // _BEYOND_SHARES - beyond_bytes, 0)
            rooms = {number: max(share_bytes - size, 0) + spare_bytes for number, size in held.items()}
            shares = {number: room for number, room in rooms.items() if room}
            return Room(self._max_records, left_bytes, shares) if shares else None
        if self._full_since_s is None:
            self._full_since_s = now_s
        if now_s < self._full_since_s + STARVED_AFTER_S:
            return None
        part_bytes = max(self._kept_bytes // len(held), 1)
        parts = {number: part_bytes - size for number, size in held.items() if size < part_bytes}
        return Room(self._max_records, sum(parts.values()), parts, is_scarce=True) if parts else None
