"""Consent: what a profile says, what it does not say, and what cannot be read."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest

from processor.errors import InvalidEvent
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import ConsentPolicy, ConsentRule, Governance, PolicyStatus, ValueIn
from processor.governance.plan import compile_plan
from processor.profile.core import Core

ACTIONS = ("emailTargeting",)
DESTINATION = Destination("d", Connection("eu-west-1"), "s", ACTIONS, (Segment("ups", "s1"),), ("a",))
ENTRY = '{"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}'
IS_Y = ValueIn("consents.email.val", ("y",))
IS_1 = ValueIn("age", (1, None, [1, {"x": 0.5}]))


def policy(
    requires: ValueIn | ConsentRule, status: PolicyStatus = "ENABLED", actions: tuple[str, ...] = ACTIONS
) -> ConsentPolicy:
    return ConsentPolicy("c", status, actions, requires)


def is_given(members: str, *policies: ConsentPolicy) -> bool:
    core = Core(compile_plan(DESTINATION, Governance(consent_policies=policies)))
    comma = ", " if members else ""
    value = f'{{"a": 7, {members}{comma}"segmentMembership": {{"ups": {{"s1": {ENTRY}}}}}}}'
    export = core.apply(b"p", value.encode(), (), timestamp_ms=0, offset=0, state=None).export
    assert export is None or json.loads(export.data)["a"] == 7
    return export is not None


@pytest.mark.parametrize(
    ("members", "given"),
    [
        ('"consents": {"email": {"val": "y"}}', True),
        ('"consents": {"email": {"val": "\\u0079"}}', True),
        ('"consents": {"email": {"val": "n"}}', False),
        ('"consents": {"email": {"val": "Y"}}', False),
        ('"consents": {"email": {"val": ["y"]}}', False),
        ('"consents": {"email": {"val": null}}', False),
        ('"consents": {"email": {"val": {"val": "y"}}}', False),
        ('"consents": {"email": "y"}', False),
        ('"consents": {"email": []}', False),
        ('"consents": null', False),
        ('"consents": [{"email": {"val": "y"}}]', False),
        ("", False),
    ],
)
def test_only_one_of_the_values_gives_consent(members: str, given: bool) -> None:
    assert is_given(members, policy(IS_Y)) is given


@pytest.mark.parametrize(
    "unreadable",
    ["1e999", "-1e999", "9" * 400, "[1e999]", '{"x": 1e999}', "[1, 1e999]", "[" * 880 + "1.5" + "]" * 880, "1e-" + "9" * 5_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_what_cannot_be_read_gives_no_consent(unreadable: str) -> None:
    for path, text in (("age", unreadable), ("consents.email.val", f'{{"email": {{"val": {unreadable}}}}}')):
        assert not is_given(f'"{path.partition(".")[0]}": {text}', policy(ValueIn(path, ("y", 1, 1.5, None))))


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("1", True),
        ("1.0", True),
        ("10e-1", True),
        ("null", True),
        ('[1.0, {"x": 5e-1}]', True),
        ("true", False),
        ('"1"', False),
        ("1.0000000000000000001", False),
        ("[1]", False),
        ("{}", False),
    ],
)
def test_values_are_compared_as_json_values(text: str, given: bool) -> None:
    assert is_given(f'"age": {text}', policy(IS_1)) is given


@pytest.mark.parametrize("until", ["2030-01-01T00:00:00Z", "never"])
def test_without_consent_an_entry_is_read_all_the_same(until: str) -> None:
    core = Core(compile_plan(DESTINATION, Governance(consent_policies=(policy(IS_Y),))))
    entry = {**json.loads(ENTRY), "validUntil": until}
    value = json.dumps({"segmentMembership": {"ups": {"s1": entry}}}).encode()
    with pytest.raises(InvalidEvent, match="bad-membership") if until == "never" else nullcontext():
        assert core.apply(b"p", value, (), timestamp_ms=0, offset=0, state=None).export is None


Y, ONE, NEITHER = '"consents": {"email": {"val": "y"}}', '"age": 1', '"age": 2'
BOTH = f"{Y}, {ONE}"


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        (ConsentRule("AND", (IS_Y, IS_1)), {BOTH}),
        (ConsentRule("OR", (IS_Y, IS_1)), {BOTH, Y, ONE}),
        (ConsentRule("OR", (ConsentRule("AND", (IS_Y, IS_1)), IS_Y)), {BOTH, Y}),
        (ConsentRule("AND", (ConsentRule("OR", (IS_Y, IS_1)), IS_1)), {BOTH, ONE}),
        (ConsentRule("AND", (IS_1,)), {BOTH, ONE}),
    ],
)
def test_rules_are_joined_as_they_say(rule: ConsentRule, given: set[str]) -> None:
    assert {members for members in (BOTH, Y, ONE, NEITHER, "") if is_given(members, policy(rule))} == given


def test_every_policy_that_applies_must_be_met() -> None:
    assert is_given(BOTH, policy(IS_Y), policy(IS_1))
    assert not is_given(Y, policy(IS_Y), policy(IS_1))
    assert not is_given(ONE, policy(IS_Y), policy(IS_1))


@pytest.mark.parametrize("status", ["DRAFT", "DISABLED"])
def test_policies_that_do_not_apply_need_not_be_met(status: PolicyStatus) -> None:
    assert is_given(NEITHER, policy(IS_Y, status))
    assert is_given(NEITHER, policy(IS_Y, actions=("analytics",)))
    assert not is_given(NEITHER, policy(IS_Y, actions=("analytics", "emailTargeting")))
