"""Plans that change, and what of state must agree under them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from processor.profile.state_record import decode_record, has_departed, segment_key
from tests.support.strategies import Given, destinations, governances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.core_with_state import CoreWithState
    from tests.support.naive_model import NaiveModel


Plan = tuple[Destination, Governance]


@st.composite
def other_plans(draw: st.DrawFn, former: Plan) -> Plan:
    """Mostly a small change, as people make them: something is mapped, or no longer, or governed otherwise."""
    destination, governance = former
    fresh = draw(destinations())
    change = draw(st.sampled_from(["segments", "attributes", "fewer", "actions", "governance", "all"]))
    if change == "segments":
        return replace(destination, segments=fresh.segments), governance
    if change == "attributes":
        return replace(destination, attributes=fresh.attributes), governance
    if change == "fewer":
        kept = draw(st.integers(0, len(destination.attributes)))
        fewer = destination.segments[: draw(st.integers(1, len(destination.segments)))]
        return replace(destination, attributes=destination.attributes[:kept], segments=fewer), governance
    if change == "actions":
        return replace(destination, marketing_actions=fresh.marketing_actions), governance
    if change == "governance":
        return destination, draw(governances())
    return fresh, draw(governances())


def assert_same_state(event: Given, model: NaiveModel, core: CoreWithState) -> None:
    key = event.key or b""
    kept, state = model.exported.get(key), core.states.get(key)
    if kept is None:
        # What is in no mapped segment has no state: its record, if any, is one that is forgotten.
        assert state is None or has_departed(state), event
        return
    assert state is not None
    assert not has_departed(state)
    keys = {segment_key(Segment(*place)): time for place, time in kept.times.items()}
    assert decode_record(state).memberships == keys, event


ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}


def given_event(**attributes: object) -> Given:
    membership = {namespace: {id_: ENTRY} for namespace, id_ in (("ups", "s1"), ("crm", "s1"))}
    value = {**attributes, "segmentMembership": membership}
    return Given(b"p1", json.dumps(value).encode(), (), 0)


def plan(segments: Sequence[tuple[str, str]], *attributes: str) -> Destination:
    mapped = tuple(Segment(*segment) for segment in segments)
    return Destination("d", Connection("eu-west-1"), "s", (), mapped, attributes)
