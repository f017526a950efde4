"""The plain core and the compiled one, given the same, and held to the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from processor.errors import InvalidEvent
from processor.profile.batch import Again, Batch, Limits
from processor.profile.core import Core
from processor.profile.processing import process, process_again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.governance.plan import Plan
    from processor.profile.compiled_core import Counts
    from processor.profile.transition import Transition

    Headers = Sequence[tuple[str, bytes | None]]

LIMITS = Limits(1 << 20, 1 << 20)


class Record(NamedTuple):
    """A record of the source topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0


class ComparedCores:
    """Both cores of one plan and the states of its profiles."""

    def __init__(self, plan: Plan) -> None:
        self.plain = Core(plan, library=None)
        self.compiled = Core(plan)
        self.states: dict[bytes, bytes | None] = {}

    @property
    def counts(self) -> Counts:
        """What became of the events that the compiled core was given."""
        assert self.compiled.compiled is not None
        return self.compiled.compiled.counts

    def take(self, records: Sequence[Record], limits: Limits = LIMITS, number: int = 0) -> Batch:
        """What both make of a batch; the states go on from there."""
        return self._taken(records, lambda core, states: process(core, states, records, limits, number))

    def take_again(self, records: Sequence[Record], again: Again, limits: Limits = LIMITS) -> Batch:
        """What both make of the latest events of profiles, one each."""
        return self._taken(
            records,
            lambda core, states: process_again(core, states, records, limits, again, next_offset=1 << 40),
        )

    def take_one(self, record: Record, number: int = 0) -> None:
        """Hold both to the same transition, or to the same refusal."""
        key, value, headers = record.key, record.value, record.headers
        answers = [
            _answer(
                apply,
                key,
                value,
                headers,
                timestamp_ms=record.timestamp,
                offset=record.offset,
                state=self.states.get(key or b""),
                backfill=number,
            )
            for core in (self.plain, self.compiled)
            for apply in (core.apply, core.apply_again)
        ]
        assert answers[:2] == answers[2:], record

    def _taken(
        self, records: Sequence[Record], of: Callable[[Core, dict[bytes, bytes | None]], Batch]
    ) -> Batch:
        keys = [record.key for record in records if record.key is not None]
        states = [{key: self.states.get(key) for key in keys} for _ in range(2)]
        plain, compiled = of(self.plain, states[0]), of(self.compiled, states[1])
        assert _told(plain) == _told(compiled), records
        assert list(states[0].items()) == list(states[1].items()), records
        self.states.update(compiled.changes)
        assert self.counts.panics == 0
        return compiled


def _answer(apply: Callable[..., Transition], *arguments: Any, **more: Any) -> object:
    try:
        transition = apply(*arguments, **more)
    except InvalidEvent as error:
        return error.reason, error.detail
    return transition.export, transition.state, list(transition.removed), transition.skipped


def _told(batch: Batch) -> dict[str, object]:
    """All that a batch says, in its order; traces show where, which is another place."""
    told: dict[str, object] = {
        name: getattr(batch, name)
        for kind in type(batch).__mro__
        for name in getattr(kind, "__slots__", ())
        if name != "failures"
    }
    told["changes"] = list(batch.changes.items())
    told["failures"] = [(failure.offset, failure.error) for failure in batch.failures]
    told["unchanged"] = batch.unchanged
    return told
