"""An event's own labels: all of its headers, each for itself, whatever came before."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import InvalidEvent
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance, HasLabel, LabelRule, Policy
from processor.governance.plan import Plan, Verdict
from processor.profile.core import Core

ACTIONS = ("exportToThirdParty",)
DESTINATION = Destination("d", Connection("eu-west-1"), "s", ACTIONS, (Segment("ups", "s1"),), ("a", "b"))
GOVERNANCE = Governance(
    field_labels={"a": frozenset({"C1"}), "b": frozenset({"C2"})},
    policies=(
        Policy("both", "ENABLED", ACTIONS, LabelRule("AND", (HasLabel("C1"), HasLabel("I1")))),
        Policy("two", "ENABLED", ACTIONS, LabelRule("AND", (HasLabel("C2"), HasLabel("S1")))),
    ),
)
ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
VALUE = json.dumps({"a": 1, "b": 2, "segmentMembership": {"ups": {"s1": ENTRY}}}).encode()
NOTHING = object()
PIECES = [
    b"C",
    b"1",
    b"2",
    b"12",
    b"C1",
    b"C2",
    b"C12",
    b"I1",
    b"S1",
    b"I1,S1",
    b" C12 ",
    b"c12",
    b"",
    b",",
    b" ",
    b"C1,2",
    b"C,12",
]


class CountingPlan(Plan):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = Counter[frozenset[str]]()
        super().__init__(DESTINATION, GOVERNANCE)
        self.asked.clear()

    def verdict(self, labels: frozenset[str]) -> Verdict:
        self.asked[labels] += 1
        return super().verdict(labels)


def left_of(core: Core, *headers: bytes) -> object:
    """The attributes of an export of an event with these headers; `NOTHING` where there is none."""
    pairs = [("other", b"C12"), *(("duleLabels", value) for value in headers)]
    export = core.apply(b"p", VALUE, pairs, timestamp_ms=0, offset=0, state=None).export
    return NOTHING if export is None else {*json.loads(export.data)} - {"segmentMembership", "identityMap"}


def expected(*headers: bytes) -> object:
    labels = {label.strip() for value in headers for label in value.decode().split(",")}
    if "C12" in labels or {"C1", "I1"} <= labels or {"C2", "S1"} <= labels:
        return NOTHING
    return {name for name, label in (("a", "I1"), ("b", "S1")) if label not in labels}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([b"C", b"12"], [b"C12"]),
        ([b"C12"], [b"C", b"12"]),
        ([b"", b"C", b"12"], [b"C12", b""]),
        ([b"I", b"1"], [b"I1"]),
        ([b"I1"], [b"I", b"1"]),
        ([b"I1"], [b"i1"]),
        ([b"I1", b"S1"], [b"I1S1"]),
    ],
)
def test_headers_that_would_be_the_same_if_they_were_put_together_are_not(
    first: list[bytes], then: list[bytes]
) -> None:
    core = Core(Plan(DESTINATION, GOVERNANCE))
    for headers in (first, then, first):
        assert left_of(core, *headers) == expected(*headers)


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=3), max_size=12))
def test_no_event_sees_the_labels_of_another(events: list[list[bytes]]) -> None:
    core = Core(Plan(DESTINATION, GOVERNANCE))
    for headers in events:
        assert left_of(core, *headers) == expected(*headers), headers


def test_the_same_labels_are_judged_once() -> None:
    plan = CountingPlan()
    core = Core(plan)
    for _ in range(3):
        left_of(core, b"I1")
        left_of(core, b"S1", b"I1")
    assert plan.asked == {frozenset({"I1"}): 1, frozenset({"S1", "I1"}): 1}


def test_what_is_remembered_of_labels_is_bounded() -> None:
    plan = CountingPlan()
    core = Core(plan)
    long = b"I1," + b"x" * 2_000
    for _ in range(3):
        assert left_of(core, long) == {"b"}
    assert max(plan.asked.values()) == 3
    for number in range(5_000):
        left_of(core, b"L%d" % number)
        assert len(core._verdicts) <= 4096
    assert left_of(core, b"L0", b"I1") == {"b"}


@pytest.mark.parametrize("odd", [None, b"\xff", b"C1,\xc3"])
@pytest.mark.parametrize("before", [True, False])
def test_labels_that_cannot_be_read_refuse_the_event(odd: bytes | None, before: bool) -> None:
    core = Core(Plan(DESTINATION, GOVERNANCE))
    headers = [("duleLabels", b"I1"), ("duleLabels", odd)]
    for _ in range(2):
        with pytest.raises(InvalidEvent) as refused:
            core.apply(b"p", VALUE, headers[:: 1 if before else -1], timestamp_ms=0, offset=0, state=None)
        assert refused.value.reason == "bad-labels"
