"""The fingerprint of a plan: the same exactly where no view can differ."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from processor.governance.destination import Connection, Destination, Segment, SegmentTimes
from processor.governance.document import (
    ConsentPolicy,
    ConsentRule,
    Governance,
    HasLabel,
    LabelRule,
    Policy,
    ValueIn,
)
from processor.governance.fingerprint import fingerprint
from processor.governance.plan import compile_plan
from tests.support.changed_plans import other_plans
from tests.support.core_with_state import CoreWithState
from tests.support.strategies import Given, destinations, events, governances

DESTINATION = Destination(
    "Kinesis",
    Connection("eu-west-1"),
    "profile-exports",
    ("exportToThirdParty", "emailTargeting"),
    (Segment("ups", "s1"), Segment("ups", "s2"), Segment("crm", "s1")),
    ("person.email", "person.name"),
)
GOVERNANCE = Governance(
    field_labels={"person.email": frozenset({"I1"}), "person.name": frozenset({"C2"})},
    identity_labels={"ecid": frozenset({"C1"})},
    segment_labels={("ups", "s1"): frozenset({"S1"})},
    policies=(
        Policy("p1", "ENABLED", ("emailTargeting",), LabelRule("AND", (HasLabel("I1"), HasLabel("S1")))),
        Policy("p2", "DRAFT", ("emailTargeting",), HasLabel("C2")),
    ),
    consent_policies=(
        ConsentPolicy("c1", "ENABLED", ("emailTargeting",), ValueIn("consents.email", ("y",))),
        ConsentPolicy("c2", "DISABLED", ("emailTargeting",), ValueIn("consents.sms", ("y",))),
    ),
)


def of(destination: Destination = DESTINATION, governance: Governance = GOVERNANCE) -> str:
    return fingerprint(compile_plan(destination, governance))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"description": "another"},
        {"connection": Connection("eu-west-1", SecretStr("key"), SecretStr("secret"))},
        {"partition_key_namespace": "ecid"},
        {"include_segment_names": True},
        {"include_segment_timestamps": True},
        {"marketing_actions": ("emailTargeting", "exportToThirdParty")},
        {"marketing_actions": ("emailTargeting",)},
        {"segments": (Segment("crm", "s1", "named", SegmentTimes(1)), *DESTINATION.segments[:2])},
    ],
    ids=str,
)
def test_what_changes_no_view_leaves_it_as_it_is(change: dict[str, Any]) -> None:
    assert of(replace(DESTINATION, **change)) == of()


@pytest.mark.parametrize(
    "change",
    [
        {"segments": DESTINATION.segments[:2]},
        {"segments": (*DESTINATION.segments, Segment("crm", "s2"))},
        {"attributes": ("person.email",)},
        {"attributes": ("person.email", "person.name", "person")},
        {"marketing_actions": ("exportToThirdParty",)},
        {"marketing_actions": ()},
    ],
    ids=str,
)
def test_another_mapping_or_marketing_action_changes_it(change: dict[str, Any]) -> None:
    assert of(replace(DESTINATION, **change)) != of()


P1, P2 = GOVERNANCE.policies
C1, C2 = GOVERNANCE.consent_policies


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"policies": (replace(P1, name="renamed"), P2)}, True),
        ({"policies": (P2, P1)}, True),
        ({"policies": (P1,)}, True),
        ({"enforcement": "filter"}, True),
        ({"consent_policies": (C1,)}, True),
        ({"identity_labels": {}}, False),
        ({"segment_labels": {}}, False),
        ({"field_labels": {"person": frozenset({"I1"})}}, False),
        ({"policies": (replace(P1, status="DISABLED"), P2)}, False),
        ({"policies": (P1, replace(P2, status="ENABLED"))}, False),
        ({"policies": (replace(P1, deny=LabelRule("OR", P1.deny.operands)), P2)}, False),  # type: ignore[union-attr]  # a rule
        ({"policies": (replace(P1, actions=("analytics",)), P2)}, False),
        ({"consent_policies": (C1, replace(C2, status="ENABLED"))}, False),
        ({"consent_policies": (replace(C1, requires=ValueIn("consents.email", ("y", "z"))), C2)}, False),
        ({"consent_policies": (replace(C1, requires=ConsentRule("AND", (C1.requires,))), C2)}, False),
    ],
    ids=str,
)
def test_governance_changes_it_where_it_may_change_a_view(change: dict[str, Any], is_same: bool) -> None:
    assert (of(governance=replace(GOVERNANCE, **change)) == of()) is is_same


def test_the_order_of_labelled_items_counts_for_the_second_of_two_is_what_a_policy_removes() -> None:
    turned = replace(DESTINATION, attributes=("person.name", "person.email"))
    assert of(turned) != of()
    unlabelled = replace(GOVERNANCE, field_labels={})
    assert of(turned, unlabelled) == of(governance=unlabelled)


@st.composite
def pairs(
    draw: st.DrawFn,
) -> tuple[tuple[Destination, Governance], tuple[Destination, Governance], list[Given]]:
    former = (draw(destinations()), draw(governances()))
    destination, governance = draw(st.one_of(st.just(former), other_plans(former)))
    turned = replace(
        destination,
        segments=tuple(draw(st.permutations(destination.segments))),
        attributes=tuple(draw(st.permutations(destination.attributes))),
    )
    return former, (turned, governance), draw(st.lists(events(), min_size=1, max_size=6))


def data_of(answer: tuple[str | None, str | None, bytes | None]) -> Any:
    """Less what an export says of segments beside their membership, which is no part of the view."""
    tree = None if answer[2] is None else json.loads(answer[2])
    for entries in (tree or {}).get("segmentMembership", {}).values():
        for entry in entries.values():
            for member in {*entry} - {"status", "lastQualificationTime"}:
                del entry[member]
    return answer[0], tree


@settings(max_examples=max(25, settings().max_examples // 4))  # one is a whole life
@given(pairs())
def test_plans_of_one_fingerprint_make_the_same_of_every_event(
    pair: tuple[tuple[Destination, Governance], tuple[Destination, Governance], list[Given]],
) -> None:
    former, new, its_events = pair
    if of(*former) != of(*new):
        return
    first, second = CoreWithState(*former), CoreWithState(*new)
    for event in its_events:
        assert data_of(first.apply(event)) == data_of(second.apply(event))
