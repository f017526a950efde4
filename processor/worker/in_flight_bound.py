"""One bound over what all partitions of a worker hold, and who of them may take how much next.

The bound is passed by one batch at most: batches are unpacked whole, and how large one is shows then. A partition that
holds its share takes nothing more, so that none takes it all; but where the others leave much, as beside a partition with
most of the events, it may hold a quarter of what is left: it must not run dry while a fetch for all of them waits for others.
Batches may be larger than shares, though, and partitions that stand still (their changelog has no leader, say) could hold
the whole bound in them. Some of it is kept for that: where nothing was given back for a while, those that hold next to
nothing take what fits in their part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.kafka.poll_room import Room

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEFT_SHARE: Final = 4
"""A partition may hold one part in so many of what all together leave of the bound, where that is more than its share."""

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
            share_bytes = max(self._common_bytes // max(len(held), 1), left_bytes // _LEFT_SHARE, 1)
            shares = {number: share_bytes - size for number, size in held.items() if size < share_bytes}
            return Room(self._max_records, left_bytes, shares) if shares else None
        if self._full_since_s is None:
            self._full_since_s = now_s
        if now_s < self._full_since_s + STARVED_AFTER_S:
            return None
        part_bytes = max(self._kept_bytes // len(held), 1)
        parts = {number: part_bytes - size for number, size in held.items() if size < part_bytes}
        return Room(self._max_records, sum(parts.values()), parts, is_scarce=True) if parts else None
