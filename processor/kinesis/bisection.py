"""Finding the record that Kinesis rejects: parts of a rejected call go by themselves, half by half.

A record that is rejected alone is a suspect. It is convicted when it is sent alone after Kinesis has taken others,
and is rejected: where Kinesis takes none, the records are not the cause. Those others were sent after the record's
first rejection; what was sent before may be answered late, when Kinesis takes none any more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.kinesis.ticket import Item


class Sent(NamedTuple):
    """A call's number, and that of the newest of those that were known to be taken when it was sent."""

    number: int
    newest_taken: int


class Bisection:
    """The parts that are to be sent alone, and the suspects, which wait."""

    def __init__(self) -> None:
        self._parts: deque[list[Item]] = deque()
        self._suspects: list[Item] = []
        self._begun = 0
        self._newest_taken = 0

    def __iter__(self) -> Iterator[Item]:
        for part in self._parts:
            yield from part
        yield from self._suspects

    def begun(self) -> Sent:
        """A call is sent now; to be told of with its answer."""
        self._begun += 1
        return Sent(self._begun, self._newest_taken)

    def next_part(self) -> list[Item]:
        """What is to be sent alone now; empty where nothing is."""
        return self._parts.popleft() if self._parts else []

    def rejected(self, part: list[Item], sent: Sent) -> tuple[Item | None, Item | None]:
        """Kinesis rejected a part: the item that is convicted by that, or the one that is a suspect now."""
        for item in part:
            if item.rejected_at is None:
                item.rejected_at = self._begun
        if len(part) > 1:
            half = len(part) // 2
            self._parts.extend([part[:half], part[half:]])
            return None, None
        (item,) = part
        if item.rejected_at is not None and item.rejected_at < sent.newest_taken:
            return item, None
        self._suspects.append(item)
        return None, item

    def others_were_taken(self, sent: Sent) -> None:
        """Kinesis took records of a call: the suspects may be tried."""
        self._newest_taken = max(self._newest_taken, sent.number)
        if self._suspects:
            self._parts.extend([item] for item in self._suspects)
            self._suspects.clear()

    def try_again(self, suspect: Item) -> None:
        """A suspect has waited for long; perhaps what made Kinesis reject it is mended."""
        if suspect in self._suspects:
            self._suspects.remove(suspect)
            self._parts.append([suspect])

    def drop_abandoned(self) -> None:
        """Forget what was abandoned."""
        parts = ([item for item in part if not item.ticket.abandoned] for part in self._parts)
        self._parts = deque(part for part in parts if part)
        self._suspects = [item for item in self._suspects if not item.ticket.abandoned]
