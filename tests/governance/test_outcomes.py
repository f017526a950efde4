"""What governance would do to an item beside what is mapped: what the plan does once it is mapped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from processor.governance.destination import Destination, Segment
from processor.governance.outcomes import Outcomes
from processor.governance.plan import Plan, Removal
from tests.support.strategies import PATHS, SEGMENTS, destinations, governances

if TYPE_CHECKING:
    from processor.governance.document import Governance


def removal_in(plan: Plan, kind: str, index: int) -> Removal | None:
    verdict = plan.standing
    return (verdict.segments if kind == "segment" else verdict.attributes)[index]


@given(destinations(), governances())
def test_what_is_mapped_has_the_outcome_that_it_has(destination: Destination, governance: Governance) -> None:
    plan = Plan(destination, governance)
    outcomes = Outcomes(plan)
    for index, segment in enumerate(destination.segments):
        assert outcomes.of_segment(segment)[1] == removal_in(plan, "segment", index)
    for index, path in enumerate(destination.attributes):
        assert outcomes.of_attribute(path)[1] == removal_in(plan, "attribute", index)


@given(destinations(), governances(), st.sampled_from(SEGMENTS))
def test_a_segment_that_is_not_mapped_has_the_outcome_that_it_has_behind_those_that_are(
    destination: Destination, governance: Governance, named: tuple[str, str]
) -> None:
    segments = tuple(each for each in destination.segments if (each.namespace, each.id) != named)
    without = replace(destination, segments=segments)
    added = Plan(replace(destination, segments=(*segments, Segment(*named))), governance)
    item, removal = Outcomes(Plan(without, governance)).of_segment(Segment(*named))
    expected = removal_in(added, "segment", len(segments))
    assert (None if removal is None else (removal.policy, removal.action)) == (
        None if expected is None else (expected.policy, expected.action)
    )
    assert item.labels == governance.segment_labels.get(named, frozenset())


@given(destinations(), governances(), st.sampled_from(PATHS))
def test_an_attribute_that_is_not_mapped_has_the_outcome_that_it_has_behind_those_that_are(
    destination: Destination, governance: Governance, path: str
) -> None:
    attributes = tuple(each for each in destination.attributes if each != path)
    without = replace(destination, attributes=attributes)
    added = Plan(replace(destination, attributes=(*attributes, path)), governance)
    item, removal = Outcomes(Plan(without, governance)).of_attribute(path)
    expected = removal_in(added, "attribute", len(attributes))
    assert (None if removal is None else (removal.policy, removal.action)) == (
        None if expected is None else (expected.policy, expected.action)
    )
    assert item.labels == added.items[-1].labels
