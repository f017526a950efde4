"""The core with a dictionary for a store, beside the naive model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from processor.errors import InvalidEvent
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from tests.support.naive_model import Number, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.governance.destination import Destination
    from processor.governance.document import Governance
    from processor.profile.transition import Transition
    from tests.support.strategies import Given

    Answer = tuple[str | None, str | None, bytes | None]
    """Why an event is refused; or the partition key and the data of its export."""


class CoreWithState:
    """The core, with a dictionary for a store."""

    def __init__(self, destination: Destination, governance: Governance) -> None:
        self.core = Core(compile_plan(destination, governance))
        self.states: dict[bytes, bytes] = {}
        self.offset = 0

    def apply(self, event: Given) -> Answer:
        """The reason to refuse it, or partition key and data of its export."""
        self.offset += 1
        return self._answer(self.core.apply, event, event.timestamp_ms)

    def apply_again(self, event: Given, at_ms: int) -> Answer:
        """As `apply`, of an event that was applied before, when a backfill looks at it that begins at `at_ms`."""
        return self._answer(self.core.apply_again, event, at_ms)

    def _answer(self, apply: Callable[..., Transition], event: Given, timestamp_ms: int) -> Answer:
        key = event.key or b""
        try:
            transition = apply(
                event.key,
                event.value,
                event.headers,
                timestamp_ms=timestamp_ms,
                offset=self.offset,
                state=self.states.get(key),
            )
        except InvalidEvent as error:
            return error.reason.value, None, None
        if transition.state is not None:
            self.states[key] = transition.state
        if transition.export is None:
            return None, None, None
        return None, transition.export.partition_key, transition.export.data


def as_ordered(tree: Any) -> Any:
    """Comparable with the order of members, and with numbers as they are written."""
    if isinstance(tree, Number):
        return ("number", tree.text)
    if isinstance(tree, dict):
        return [(name, as_ordered(member)) for name, member in tree.items()]
    if isinstance(tree, list):
        return ("array", [as_ordered(item) for item in tree])
    return tree


def parsed(data: bytes) -> Any:
    return json.loads(data, parse_int=Number, parse_float=Number)


def assert_same(event: Given, told: Outcome, answer: tuple[str | None, str | None, bytes | None]) -> None:
    reason, partition_key, data = answer
    assert (reason, partition_key) == (told.reason, told.partition_key), event
    if data is not None:
        assert b"\n" not in data
        assert as_ordered(parsed(data)) == as_ordered(told.data), event
