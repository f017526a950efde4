"""The core and the naive model, side by side on random events under random configurations."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import Phase, given, settings

from processor.errors import InvalidEvent
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from tests.naive_model import NaiveModel, Number, Told
from tests.strategies import Given, destinations, governances, streams

ONE_SEGMENT = Destination("d", Connection("eu-west-1"), "s", (), (Segment("ups", "s1"),), ())
NO_GOVERNANCE = Governance()
ENTRY = b'{"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}'


class CoreWithState:
    """The core, with a dictionary for a store."""

    def __init__(self, destination: Destination, governance: Governance) -> None:
        self.core = Core(compile_plan(destination, governance))
        self.states: dict[bytes, bytes] = {}
        self.offset = 0

    def apply(self, event: Given) -> tuple[str | None, str | None, bytes | None]:
        """The reason to refuse it, or partition key and data of its export."""
        key = event.key or b""
        self.offset += 1
        try:
            transition = self.core.apply(
                event.key,
                event.value,
                event.headers,
                timestamp_ms=event.timestamp_ms,
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


def assert_same(event: Given, told: Told, answer: tuple[str | None, str | None, bytes | None]) -> None:
    reason, partition_key, data = answer
    assert (reason, partition_key) == (told.reason, told.partition_key), event
    if data is not None:
        assert b"\n" not in data
        assert as_ordered(parsed(data)) == as_ordered(told.data), event


@given(destinations(), governances(), streams())
def test_core_and_naive_model_agree(
    destination: Destination, governance: Governance, stream: list[Given]
) -> None:
    core, model = CoreWithState(destination, governance), NaiveModel(destination, governance)
    for event in stream:
        told = model.apply(event.key, event.value, event.headers, event.timestamp_ms)
        assert_same(event, told, core.apply(event))


def test_random_events_meet_every_reason_and_every_status() -> None:
    """Without this, a change of the strategies could empty the comparison above."""
    met = Counter[str]()

    @settings(max_examples=150, phases=[Phase.generate], database=None, derandomize=True)
    @given(destinations(), governances(), streams())
    def meet(destination: Destination, governance: Governance, stream: list[Given]) -> None:
        core = CoreWithState(destination, governance)
        for event in stream:
            reason, _, data = core.apply(event)
            met[reason or ("export" if data else "nothing")] += 1
            for segments in (json.loads(data) if data else {}).get("segmentMembership", {}).values():
                met.update(entry["status"] for entry in segments.values())

    meet()
    wanted = {"bad-key", "bad-json", "bad-membership", "bad-identity", "bad-labels"}
    assert wanted | {"nothing", "export", "realized", "existing", "exited"} <= set(met), met


def test_identities_that_are_null_are_none() -> None:
    value = b'{"segmentMembership": {"ups": {"s1": %s}}, "identityMap":  null }' % ENTRY
    core = CoreWithState(ONE_SEGMENT, NO_GOVERNANCE)
    reason, _, data = core.apply(Given(b"p", value, (), 0))
    assert reason is None
    assert json.loads(data or b"")["identityMap"] == {}
    assert core.apply(Given(b"p", value.replace(b"null", b"{}"), (), 0)) == (None, None, None)
