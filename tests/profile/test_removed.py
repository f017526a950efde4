"""What a transition tells of what was kept back: each item, with the policy and the action."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import ConsentPolicy, Governance, HasLabel, Policy, ValueIn
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.transition import SKIPPED, Transition

ACTION = "emailTargeting"
DESTINATION = Destination(
    "d",
    Connection("eu-west-1"),
    "s",
    (ACTION,),
    (Segment("ups", "s1"), Segment("crm", "s2"), Segment("ups", "s3")),
    ("a", "b"),
)
GOVERNANCE = Governance(
    field_labels={"a": frozenset({"C2"})},
    identity_labels={"ecid": frozenset({"C2"}), "crm": frozenset({"I1"})},
    segment_labels={("crm", "s2"): frozenset({"C2", "S1"})},
    policies=(Policy("no contract data", "ENABLED", (ACTION,), HasLabel("C2")),),
    consent_policies=(ConsentPolicy("opt-in", "ENABLED", (ACTION,), ValueIn("b", ("y",))),),
)
ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}


def applied(state: bytes | None = None, labels: bytes | None = None, **changes: object) -> Transition:
    value = {
        "a": 1,
        "b": "y",
        "segmentMembership": {"ups": {"s1": ENTRY}, "crm": {"s2": ENTRY}},
        "identityMap": {"ecid": [{"id": "1"}], "crm": [{"id": "2"}]},
        **changes,
    }
    headers = () if labels is None else (("duleLabels", labels),)
    core = Core(compile_plan(DESTINATION, GOVERNANCE))
    return core.apply(b"p", json.dumps(value).encode(), headers, timestamp_ms=0, offset=0, state=state)


def told(transition: Transition) -> list[tuple[str, str, list[str], str, str]]:
    return [
        (each.item.kind, each.item.name, sorted(each.item.labels), each.policy, each.action)
        for each in transition.removed
    ]


def test_each_item_that_was_there_and_is_kept_back_is_reported() -> None:
    assert sorted(told(applied())) == [
        ("attribute", "a", ["C2"], "no contract data", ACTION),
        ("identity", "ecid", ["C2"], "no contract data", ACTION),
        ("segment", "crm/s2", ["C2", "S1"], "no contract data", ACTION),
    ]


def test_what_a_profile_does_not_have_is_not_reported() -> None:
    bare = {"segmentMembership": {"ups": {"s1": ENTRY, "s3": ENTRY}}, "identityMap": {"crm": [{"id": "2"}]}}
    core = Core(compile_plan(DESTINATION, GOVERNANCE))
    value = json.dumps({"b": "y", **bare}).encode()
    assert told(core.apply(b"p", value, (), timestamp_ms=0, offset=0, state=None)) == []
    left = {"crm": {"s2": {**ENTRY, "status": "exited"}}}
    assert told(applied(segmentMembership=left, identityMap={}, a=None)) == [
        ("attribute", "a", ["C2"], "no contract data", ACTION)
    ]


def test_without_consent_each_membership_is_reported() -> None:
    found = told(applied(b="n"))
    assert ("segment", "ups/s1", [], "consent", "any") in found
    assert ("segment", "crm/s2", [], "consent", "any") in found
    assert not any(name == "ups/s3" for _, name, *_ in found)
    assert applied(b="n").export is None


def test_labels_of_the_event_are_reported_for_its_identities_as_a_whole() -> None:
    found = told(applied(labels=b"C2"))
    assert ("identity", "*", ["C2"], "no contract data", ACTION) in found
    assert ("segment", "ups/s1", [], "no contract data", ACTION) in found
    assert [name for kind, name, *_ in found if kind == "identity"] == ["*"]


@pytest.mark.parametrize("value", [None, b"{}"])
def test_what_the_state_has_already_is_skipped(value: bytes | None) -> None:
    state = applied().state
    core = Core(compile_plan(DESTINATION, GOVERNANCE))
    skipped = core.apply(b"p", value, (), timestamp_ms=0, offset=0, state=state)
    assert skipped is SKIPPED
    assert (skipped.export, skipped.state, skipped.removed, skipped.skipped) == (None, None, (), True)
    assert not applied().skipped


def test_of_a_profile_that_was_deleted_the_identities_that_may_not_leave_now_are_reported() -> None:
    before = Core(compile_plan(DESTINATION))
    value = {"segmentMembership": {"ups": {"s1": ENTRY}}, "identityMap": {"ecid": [{"id": "1"}]}}
    state = before.apply(b"p", json.dumps(value).encode(), (), timestamp_ms=0, offset=0, state=None).state
    core = Core(compile_plan(DESTINATION, GOVERNANCE))
    gone = core.apply(b"p", None, (), timestamp_ms=0, offset=1, state=state)
    assert told(gone) == [("identity", "ecid", ["C2"], "no contract data", ACTION)]
    assert gone.export is not None
    assert json.loads(gone.export.data)["identityMap"] == {}


def test_namespaces_that_may_leave_are_kept_beside_one_that_may_not() -> None:
    kept = {"crm": [{"id": "2"}], "email": [], "other": [{"id": "3", "x": 1}]}
    export = applied(identityMap={"ecid": [{"id": "1"}], **kept}).export
    assert export is not None
    assert json.loads(export.data)["identityMap"] == kept


A_REMOVED = ("attribute", "a", ["C2"], "no contract data", ACTION)


def state_of(destination: Destination, segment: str) -> bytes:
    value = {"a": 1, "b": "y", "segmentMembership": {"ups": {segment: ENTRY}}}
    core = Core(compile_plan(destination, GOVERNANCE))
    state = core.apply(b"p", json.dumps(value).encode(), (), timestamp_ms=0, offset=0, state=None).state
    assert state is not None
    return state


@pytest.mark.parametrize("is_exported", [True, False])
def test_it_is_reported_as_well_where_only_a_time_changes(*, is_exported: bool) -> None:
    later = {**ENTRY, "lastQualificationTime": "2021-05-25T21:24:39Z"}
    changes = {
        "segmentMembership": {"ups": {"s1": later}},
        "identityMap": {"crm": [{"id": "2"}]} if is_exported else {},
    }
    transition = again(state_of(DESTINATION, "s1"), **changes)
    assert ((transition.export is not None), told(transition)) == (is_exported, [A_REMOVED])


def test_it_is_reported_as_well_where_the_last_segment_is_not_mapped_any_more() -> None:
    former = replace(DESTINATION, segments=(Segment("ups", "s9"),))
    transition = again(state_of(former, "s9"), segmentMembership={}, identityMap={})
    assert (transition.export, told(transition)) == (None, [A_REMOVED])
    assert transition.state is not None


def again(state: bytes, **changes: object) -> Transition:
    value = json.dumps({"a": 1, "b": "y", **changes}).encode()
    return Core(compile_plan(DESTINATION, GOVERNANCE)).apply(
        b"p", value, (), timestamp_ms=0, offset=1, state=state
    )
