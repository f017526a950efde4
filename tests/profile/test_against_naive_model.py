"""The core and the naive model, side by side on random events under random configurations."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import Phase, given, settings

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from tests.support.core_with_state import CoreWithState, assert_same
from tests.support.naive_model import NaiveModel
from tests.support.strategies import Given, destinations, governances, streams

ONE_SEGMENT = Destination("d", Connection("eu-west-1"), "s", (), (Segment("ups", "s1"),), ())
NO_GOVERNANCE = Governance()
ENTRY = b'{"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}'


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
