"""Members that are not known, and names that are joined of two: what is told of them is true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.configuration import parse_configuration
from processor.configuration.destination_file import DestinationForm
from processor.configuration.governance_file import GovernanceForm
from processor.configuration.located import Form, members_at
from processor.errors import ConfigurationError, Problem
from processor.governance.plan import compile_plan
from processor.operations.validate import plan_table

DESTINATION: dict[str, Any] = {
    "name": "d",
    "connection": {"region": "eu-west-1"},
    "stream": "s",
    "marketingActions": ["exportToThirdParty"],
    "segments": [{"id": "one"}],
}
GOVERNANCE: dict[str, Any] = {
    "labels": {"fields": {"a": ["C2"]}, "segments": [{"id": "one", "labels": ["C5"]}]},
    "policies": [
        {
            "name": "p",
            "status": "ENABLED",
            "marketingActionRefs": ["exportToThirdParty"],
            "deny": {"operator": "OR", "operands": [{"label": "C2"}]},
        }
    ],
    "consentPolicies": [
        {
            "name": "c",
            "status": "ENABLED",
            "marketingActionRefs": ["emailTargeting"],
            "requires": {"operator": "AND", "operands": [{"path": "a", "in": [1]}]},
        }
    ],
}


def parse(destination: object, governance: object) -> Any:
    return parse_configuration(
        (json.dumps(destination), "destination.yaml"), (json.dumps(governance), "governance.yaml"), {}
    )


def with_member(tree: Any, place: tuple[str | int, ...], name: str) -> Any:
    """The tree with one member more in the mapping at `place`."""
    copy = json.loads(json.dumps(tree))
    around = copy
    for step in place:
        around = around[step]
    around[name] = "x"
    return copy


def mappings(tree: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all mappings whose members have a form."""
    if isinstance(tree, list):
        return [found for index, item in enumerate(tree) for found in mappings(item, (*place, index))]
    if not isinstance(tree, dict) or place[-1:] == ("fields",):
        return []
    return [place, *(found for name, inner in tree.items() for found in mappings(inner, (*place, name)))]


PLACES = [(0, place) for place in mappings(DESTINATION)] + [(1, place) for place in mappings(GOVERNANCE)]
FORMS: list[type[Form]] = [DestinationForm, GovernanceForm]
NAMES = sorted(
    {name for form in (DestinationForm, GovernanceForm) for place in mappings(GOVERNANCE if form is GovernanceForm else DESTINATION) for name in members_at(form, place)}
)  # fmt: skip


def problem_with(which: int, place: tuple[str | int, ...], name: str) -> Problem:
    trees = [DESTINATION, GOVERNANCE]
    trees[which] = with_member(trees[which], place, name)
    with pytest.raises(ConfigurationError) as refused:
        parse(*trees)
    (problem,) = (each for each in refused.value.problems if each.message == "there is no such member here")
    assert problem.member.endswith(name)
    return problem


def test_the_two_files_are_well_formed() -> None:
    parse(DESTINATION, GOVERNANCE)
    assert len(PLACES) > 10
    assert {"operands", "in", "region", "partitionKey"} <= set(NAMES)


@given(st.sampled_from(PLACES), st.sampled_from(NAMES), st.sampled_from(["", "s", "_"]))
def test_what_was_meant_is_a_member_of_that_place_that_is_not_there_yet(
    at: tuple[int, tuple[str | int, ...]], known: str, misspelt: str
) -> None:
    which, place = at
    form = FORMS[which]
    around: Any = [DESTINATION, GOVERNANCE][which]
    for step in place:
        around = around[step]
    name = known + misspelt
    if name in members_at(form, place):
        return
    remedy = problem_with(which, place, name).remedy
    if remedy.startswith("Did you mean "):
        meant = remedy.removeprefix("Did you mean ").removesuffix("?")
        assert meant != name
        assert meant in members_at(form, place)
        assert meant not in around
    else:
        assert remedy.startswith(("It belongs elsewhere: ", "Remove it"))


@pytest.mark.parametrize(
    ("which", "place", "name", "remedy"),
    [
        (0, (), "id", "It belongs elsewhere: segments[].id"),
        (0, (), "region", "It belongs elsewhere: connection.region"),
        (0, ("connection",), "stream", "It belongs elsewhere: stream"),
        (0, ("segments", 0), "segments", "It belongs elsewhere: segments"),
        (0, ("connection",), "access_key_id", "Did you mean accessKeyId?"),
        (0, (), "partitionkey", "Did you mean partitionKey?"),
        (0, (), "segment", "Remove it, or see docs/configuration.md"),
        (1, ("policies", 0), "requires", "It belongs elsewhere: consentPolicies[].requires"),
        (1, (), "fields", "It belongs elsewhere: labels.fields"),
        (
            1,
            ("policies", 0, "deny", "operands", 0),
            "labels",
            "It belongs elsewhere: labels or labels.segments[].labels",
        ),
    ],
)
def test_a_member_at_the_wrong_place_is_reported_where_it_belongs(
    which: int, place: tuple[str | int, ...], name: str, remedy: str
) -> None:
    assert problem_with(which, place, name).remedy == remedy


def segments(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {**DESTINATION, "segments": [{"namespace": namespace, "id": id_} for namespace, id_ in pairs]}


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a/b", "c"), ("a", "b/c")), (("a", "/b"), ("a/", "b")), (("a%2Fb", "c"), ("a/b", "c")), (("ups/x", "y"), ("ups", "x/y"))],
)  # fmt: skip
def test_two_segments_whose_joined_names_are_alike_are_two(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    labelled = {
        **GOVERNANCE,
        "labels": {"segments": [{"namespace": one[0], "id": one[1], "labels": ["C2"]}]},
    }
    plan = compile_plan(*parse(segments(one, other), labelled))
    assert [(segment.namespace, segment.id) for segment in plan.destination.segments] == [one, other]
    assert [removal is None for removal in plan.standing.segments] == [False, True]
    first, second = (item.name for item in plan.items if item.kind == "segment")
    assert first != second
    names = [str(cell) for cell in plan_table(plan).columns[1].cells]
    assert len(set(names)) == len(names)


def test_a_segment_that_is_given_twice_is_reported_where() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(segments(("a/b", "c"), ("a", "b/c"), ("a/b", "c")), {})
    (problem,) = refused.value.problems
    assert problem.member == "segments[2]"
    assert "segments[0]" in problem.message


@given(
    st.lists(st.tuples(*[st.text("ab/%", min_size=1, max_size=4)] * 2), unique=True, min_size=2, max_size=6)
)
def test_no_two_segments_have_one_name(pairs: list[tuple[str, str]]) -> None:
    plan = compile_plan(*parse(segments(*pairs), {}))
    names = [item.name for item in plan.items if item.kind == "segment"]
    assert len(set(names)) == len(pairs)
