"""Records that are sent again: at once, after a back-off, or when calls may go on after some that failed whole."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.kinesis.backoff import Backoff
    from processor.kinesis.batch_fill import BatchFill
    from processor.kinesis.call import Call
    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.lane import Item
    from processor.kinesis.lanes import Lanes


class Retries:
    """Brings failed records back to their lanes. Times are the loop's, in seconds.

    `reason` is what the records count as retried for: an error code of Kinesis, or a word.
    """

    def __init__(self, lanes: Lanes, fill: BatchFill, backoff: Backoff, figures: WriterFigures) -> None:
        self._lanes = lanes
        self._fill = fill
        self._backoff = backoff
        self._figures = figures
        self._waiting: dict[int, list[Item]] = {}
        self._numbers = itertools.count()
        self._failures = 0
        """Calls in a row that failed whole; those that were in flight together count once."""
        self._paused_until_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        """What waits for its back-off."""
        for group in self._waiting.values():
            yield from group

    @property
    def is_failing(self) -> bool:
        """Whether the newest call failed whole."""
        return self._failures > 0

    def pause_s(self, now_s: float) -> float:
        """How long no call may begin yet, since calls failed whole; 0 or less where one may."""
        return self._paused_until_s - now_s

    def now(self, items: Sequence[Item], reason: str) -> None:
        """Send items again with the next call; those whose tickets were abandoned are dropped."""
        again = [item for item in items if not item.ticket.is_abandoned]
        self._figures.count_retried(reason, len(again))
        self._put_back(again)

    def later(self, items: list[Item], reason: str) -> None:
        """Send items that failed by themselves again, together, after the back-off of the one that failed most often."""
        self.after(self._backoff.wait_s(max([item.count_attempt() for item in items])), items, reason)

    def after(self, wait_s: float, items: list[Item], reason: str) -> None:
        """Send items again, together, when `wait_s` have passed."""
        self._figures.count_retried(reason, len(items))
        number = next(self._numbers)
        self._waiting[number] = items
        asyncio.get_running_loop().call_later(wait_s, self._end_wait, number)

    def whole(self, call: Call, reason: str) -> None:
        """Send all of a call again that failed whole; no call begins before a back-off has passed."""
        self._whole(call, reason, self._backoff.wait_s(self._failures + 1))

    def whole_slowly(self, call: Call, reason: str) -> None:
        """Send all of a call again that fails until a person mends something; no call begins for a long while."""
        self._whole(call, reason, self._backoff.slow_s())

    def succeeded(self) -> None:
        """A call stored something: those that follow need not wait."""
        self._failures, self._paused_until_s = 0, 0.0

    def drop_abandoned(self) -> None:
        """Drop waiting items whose tickets were abandoned."""
        for group in self._waiting.values():
            group[:] = [item for item in group if not item.ticket.is_abandoned]

    def _whole(self, call: Call, reason: str, wait_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._paused_until_s:
            # Calls that were in flight together fail together; they count once.
            self._failures += 1
            self._paused_until_s = now_s + wait_s
        call.end_probes()
        self.now(call.items, reason)

    def _end_wait(self, number: int) -> None:
        self._put_back([item for item in self._waiting.pop(number) if not item.ticket.is_abandoned])

    def _put_back(self, items: Sequence[Item]) -> None:
        for item in items:
            item.clear_evidence()
        self._lanes.put_back(items)
        self._fill.ready_again()
