"""Events that were never taken, and groups that begin anew: logged once, with partition and offsets, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)


class LostEvents:
    """Logs and counts what one worker has lost.

    `elsewhere` is what its group has committed of other topics: offsets by partition, by topic.
    """

    def __init__(self, status: Status, elsewhere: Mapping[str, Mapping[int, int]]) -> None:
        self._status = status
        self._elsewhere = elsewhere

    def deleted(self, partition: int, first: int, end: int) -> None:
        """Note that the source deleted events before they were read: those from offset `first` to before `end`."""
        self._status.lost("deleted", end - first)
        log.error(
            "events were deleted from the source before they were read: raise its retention",
            partition=partition,
            lost_from=first,
            lost_to=end,
        )

    def passed_by_hand(self, partition: int, first: int, end: int) -> None:
        """Note that the group's offset was set forward while the service was stopped: from `first` to before `end` none was taken."""
        self._status.lost("passed", end - first)
        log.error(
            "the group's offset was set forward by hand: events were passed over that nobody has taken. To take them, stop "
            "the service and set the offset back: docs/operations.md, Events lost",
            partition=partition,
            lost_from=first,
            lost_to=end,
        )

    def begun_anew(self, partition: int, start: int) -> None:
        """Note that the group had no offset of the partition: it begins at `start`, and exports every profile anew."""
        if not self._elsewhere:
            self._status.group_began("nothing")
            log.info("the group begins anew", partition=partition, offset=start)
            return
        self._status.group_began("topic")
        log.warning(
            "the group begins anew on this topic, and has committed offsets of others: where the topic was renamed, exits of "
            "what was exported from the former one will not come",
            partition=partition,
            offset=start,
            elsewhere={topic: offsets.get(partition) for topic, offsets in self._elsewhere.items()},
        )
