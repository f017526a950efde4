"""What governance lets through, decided once for a configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.errors import ConfigurationError
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance, HasLabel, LabelRule, Policy
from processor.governance.plan import Plan, Verdict, compile_plan

ACTIONS = ("exportToThirdParty",)
DESTINATION = Destination(
    "d",
    Connection("eu-west-1"),
    "s",
    ACTIONS,
    (Segment("ups", "one"), Segment("crm", "two")),
    ("person.email", "loyalty"),
    lines={"segments[1]": 12, "attributes[0]": 20},
    source="there/destination.yaml",
)


def policy(deny: HasLabel | LabelRule, *, status: str = "ENABLED", refs: tuple[str, ...] = ACTIONS) -> Policy:
    return Policy("the policy", status, refs, deny)  # type: ignore[arg-type]  # some are no status


def governed(
    *policies: Policy,
    fields: dict[str, str] | None = None,
    identities: dict[str, str] | None = None,
    segments: dict[tuple[str, str], str] | None = None,
    **members: str,
) -> Governance:
    def labels(given: dict[str, str] | dict[tuple[str, str], str] | None) -> dict[object, frozenset[str]]:
        return {name: frozenset(text.split()) for name, text in (given or {}).items()}

    return Governance(
        field_labels=labels(fields),  # type: ignore[arg-type]  # keys keep their type
        identity_labels=labels(identities),  # type: ignore[arg-type]
        segment_labels=labels(segments),  # type: ignore[arg-type]
        policies=policies,
        **members,  # type: ignore[arg-type]
    )


def removed(verdict: Verdict) -> list[str]:
    return [removal.item.name for removal in verdict.removals]


def plan(governance: Governance) -> Plan:
    return compile_plan(DESTINATION, governance)


NO_C2 = policy(HasLabel("C2"))
I1_WITH_C2 = policy(LabelRule("AND", (HasLabel("I1"), HasLabel("C2"))))


def test_without_a_governance_file_all_is_kept() -> None:
    assert removed(compile_plan(DESTINATION).standing) == []


@pytest.mark.parametrize("labelled", ["person.email", "person", "person.email.domain"])
def test_an_attribute_bears_the_labels_of_its_path_of_what_is_above_and_of_what_is_below(
    labelled: str,
) -> None:
    assert removed(plan(governed(NO_C2, fields={labelled: "C2"})).standing) == ["person.email"]


@pytest.mark.parametrize("labelled", ["person.name", "persona", "person.emails", "person.email2.x"])
def test_an_attribute_bears_no_labels_of_its_neighbours(labelled: str) -> None:
    assert removed(plan(governed(NO_C2, fields={labelled: "C2"})).standing) == []


def test_an_attribute_bears_the_labels_of_all_of_them_together() -> None:
    fields = {
        "person": "A",
        "person.email": "B",
        "person.email.domain": "C",
        "loyalty": "D",
        "person.name": "E",
    }
    everything = policy(LabelRule("OR", tuple(map(HasLabel, "ABCDE"))))
    email, loyalty = plan(governed(everything, fields=fields)).standing.removals
    assert email.item.labels == {"A", "B", "C"}
    assert loyalty.item.labels == {"D"}


def test_c12_is_removed_without_any_policy() -> None:
    found = plan(governed(segments={("crm", "two"): "C12"})).standing
    assert removed(found) == ["crm/two"]


@pytest.mark.parametrize("status", ["DRAFT", "DISABLED"])
def test_only_enabled_policies_count(status: str) -> None:
    assert (
        removed(plan(governed(policy(HasLabel("C2"), status=status), fields={"loyalty": "C2"})).standing)
        == []
    )


def test_only_policies_about_the_destinations_actions_count() -> None:
    elsewhere = policy(HasLabel("C2"), refs=("analytics",))
    assert removed(plan(governed(elsewhere, fields={"loyalty": "C2"})).standing) == []


@pytest.mark.parametrize(
    ("refs", "actions", "named"),
    [
        (("analytics", "exportToThirdParty"), ("exportToThirdParty",), "exportToThirdParty"),
        (("exportToThirdParty", "analytics"), ("exportToThirdParty",), "exportToThirdParty"),
        (
            ("dataScience", "analytics", "exportToThirdParty"),
            ("exportToThirdParty", "analytics"),
            "analytics",
        ),
    ],
)
def test_a_removal_names_the_action_that_the_policy_and_the_destination_share(
    refs: tuple[str, ...], actions: tuple[str, ...], named: str
) -> None:
    destination = replace(DESTINATION, marketing_actions=actions)
    governance = governed(policy(HasLabel("C2"), refs=refs), fields={"loyalty": "C2"})
    found = compile_plan(destination, governance)
    assert [(each.policy, each.action) for each in found.standing.removals] == [("the policy", named)]
    of_the_event = found.verdict(frozenset({"C2"})).event
    assert of_the_event is not None
    assert (of_the_event.policy, of_the_event.action) == ("the policy", named)


def test_a_removal_for_c12_names_no_policy_and_every_action() -> None:
    (removal,) = plan(governed(NO_C2, fields={"loyalty": "C12 C2"})).standing.removals
    assert (removal.policy, removal.action) == ("label C12", "any")


def test_a_removal_names_the_first_policy_that_is_violated() -> None:
    policies = (
        Policy("not yet", "DRAFT", ACTIONS, HasLabel("C2")),
        Policy("elsewhere", "ENABLED", ("analytics",), HasLabel("C2")),
        Policy("other label", "ENABLED", ACTIONS, HasLabel("C3")),
        Policy("first", "ENABLED", ACTIONS, HasLabel("C2")),
        Policy("second", "ENABLED", ACTIONS, HasLabel("C2")),
    )
    (removal,) = plan(governed(*policies, fields={"loyalty": "C2"})).standing.removals
    assert removal.policy == "first"


def test_labels_of_what_is_kept_count_for_what_comes_after() -> None:
    found = plan(governed(I1_WITH_C2, segments={("ups", "one"): "I1"}, fields={"loyalty": "C2"})).standing
    assert removed(found) == ["loyalty"]


def test_identities_come_before_segments_and_segments_before_attributes() -> None:
    found = plan(
        governed(
            I1_WITH_C2, identities={"ecid": "C2"}, segments={("ups", "one"): "I1"}, fields={"loyalty": "I1"}
        )
    ).standing
    assert removed(found) == ["ups/one", "loyalty"]


def test_labels_of_what_is_removed_do_not_count() -> None:
    found = plan(
        governed(NO_C2, I1_WITH_C2, segments={("ups", "one"): "C2 I1"}, fields={"loyalty": "I1"})
    ).standing
    assert removed(found) == ["ups/one"]


def test_or_is_violated_by_either_operand() -> None:
    either = policy(LabelRule("OR", (HasLabel("I1"), HasLabel("C2"))))
    found = plan(governed(either, segments={("ups", "one"): "I1"}, fields={"loyalty": "C2"})).standing
    assert removed(found) == ["ups/one", "loyalty"]


@pytest.mark.parametrize("label", ["C2", "C12"])
def test_an_event_whose_own_labels_are_forbidden_loses_everything(label: str) -> None:
    found = plan(governed(NO_C2)).verdict(frozenset({label}))
    assert found.event is not None
    assert removed(found) == ["ups/one", "crm/two", "person.email", "loyalty"]


def test_an_events_labels_are_joined_with_each_items() -> None:
    found = plan(governed(I1_WITH_C2, fields={"loyalty": "C2"})).verdict(frozenset({"I1"}))
    assert found.event is None
    assert removed(found) == ["loyalty"]


def test_labels_are_case_sensitive() -> None:
    assert removed(plan(governed(NO_C2, fields={"loyalty": "c2"})).standing) == []


def test_block_names_each_item_its_labels_the_policy_and_the_action_where_it_stands() -> None:
    blocking = governed(
        NO_C2,
        identities={"ecid": "C2"},
        segments={("crm", "two"): "C2 X"},
        fields={"person.email": "C2"},
        enforcement="block",
    )
    with pytest.raises(ConfigurationError) as refused:
        plan(blocking)
    identity, segment, attribute = refused.value.problems
    assert (identity.source, identity.member) == ("governance.yaml", "labels.identities.ecid")
    assert (segment.source, segment.line, segment.member) == ("there/destination.yaml", 12, "segments[1]")
    assert (attribute.line, attribute.member) == (20, "attributes[0]")
    for word in ("crm/two", "C2, X", "the policy", "exportToThirdParty"):
        assert word in segment.message
    assert all("enforcement: filter" in problem.remedy for problem in refused.value.problems)


def test_block_starts_where_nothing_would_be_removed_and_filters_by_events_labels() -> None:
    found = plan(governed(NO_C2, enforcement="block"))
    assert removed(found.standing) == []
    assert found.verdict(frozenset({"C2"})).event is not None
