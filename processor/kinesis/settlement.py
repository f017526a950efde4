"""What an answer means for each record of a call: stored and settled, or to be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.kinesis.profile_order import HOT
from processor.kinesis.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.kinesis.backoff import Backoff
    from processor.kinesis.batch_fill import BatchFill
    from processor.kinesis.call import Call
    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.kinesis_json import Answer, Result
    from processor.kinesis.lane import Item, Lane
    from processor.kinesis.lanes import Lanes
    from processor.kinesis.profile_order import ProfileOrder
    from processor.kinesis.repeat_probe import RepeatProbe
    from processor.kinesis.retries import Retries

THROTTLED: Final = "ProvisionedThroughputExceededException"
_REJECTED: Final = "ValidationException"


class Settlement:
    """Settles records, and lets the next of their profiles go; `on_room` is called when the buffer has room again."""

    def __init__(
        self,
        *,
        order: ProfileOrder,
        lanes: Lanes,
        fill: BatchFill,
        retries: Retries,
        backoff: Backoff,
        probe: RepeatProbe,
        figures: WriterFigures,
        on_room: Callable[[], None],
    ) -> None:
        self._order = order
        self._lanes = lanes
        self._fill = fill
        self._retries = retries
        self._backoff = backoff
        self._probe = probe
        self._figures = figures
        self._on_room = on_room

    def answered(self, call: Call, answer: Answer, now_s: float) -> None:
        """A call was answered: settle what was stored, and send what failed again."""
        if answer.failed:
            self._settle_some(call, answer.results, now_s)
        else:
            self._stored(call.items, call.size_bytes)
            for lane, start, end, size_bytes in call.runs:
                lane.release(size_bytes)
                lane.answered(now_s, end - start, 0, 0)
        self._on_room()

    def give_up(self, item: Item) -> None:
        """Kinesis takes a record under no circumstances: settle it as rejected."""
        item.ticket.reject(item.position, _REJECTED)
        item.lane.release(item.size_bytes)
        self._figures.count_rejected(item.size_bytes)
        self._settled([item])
        self._on_room()

    def _settle_some(self, call: Call, results: Sequence[Result], now_s: float) -> None:
        for lane, start, end, _ in call.runs:
            failed: dict[str, list[Item]] = {}
            stored = []
            for item, result in zip(call.items[start:end], results[start:end], strict=True):
                if result.error_code is None:
                    stored.append(item)
                else:
                    failed.setdefault(result.error_code, []).append(item)
            stored_bytes = sum([item.size_bytes for item in stored])
            lane.release(stored_bytes)
            self._stored(stored, stored_bytes)
            lane.answered(now_s, len(stored), len(failed.get(THROTTLED, ())), end - start - len(stored))
            if lane.is_failing:
                lane.pause_until(now_s + self._backoff.wait_s(lane.failures))
            for code, again in failed.items():
                self._send_again(lane, again, code)

    def _send_again(self, lane: Lane, items: list[Item], code: str) -> None:
        if lane.is_failing:
            self._retries.now(items, code)
        else:
            self._retries.later(items, code)

    def _stored(self, items: Sequence[Item], size_bytes: int) -> None:
        self._probe.took(items)
        self._figures.count_stored(len(items), size_bytes)
        self._settled(items)

    def _settled(self, items: Sequence[Item]) -> None:
        following = self._order.done(items)
        if following:
            self._lanes.add_waited([item for item, _ in following])
            if any(behind >= HOT for _, behind in following):
                self._fill.ready_at_once()
            else:
                self._fill.ready()
        Ticket.settle([item.ticket for item in items])
