"""A changed definition beside the former."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from processor.definition.checks import bound, check
from processor.definition.model import Definition, Target
from processor.flow_service.names import KINESIS_SPEC
from tests.support.dataflows import (
    attribute_selector,
    flow_body,
    resource,
    segment_selector,
    whole_definition,
)

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

WHOLE = whole_definition()
POLICY = resource(
    "policies/custom",
    "p1",
    {
        "name": "No mail",
        "status": "ENABLED",
        "marketingActionRefs": ["https://platform.adobe.io/x/marketingActions/core/emailTargeting"],
        "deny": {"label": "C9"},
    },
)
LABELS = resource("labels", "labels", {"fields": {"personalEmail": ["C9"]}, "identities": {"ecid": ["C9"]}})


def told(former: Definition, new: Definition) -> list[tuple[str, str, str]]:
    return [(each.source, each.member, each.message) for each in check(former, new).problems]


@pytest.mark.parametrize(
    "definition",
    [Definition(), WHOLE, whole_definition(flow=flow_body([], [])), WHOLE.with_(POLICY, LABELS)],
    ids=["empty", "whole", "nothing mapped", "governed"],
)
def test_a_whole_definition_may_be_kept(definition: Definition) -> None:
    assert check(Definition(), definition).may_be_kept
    assert check(definition, definition).may_be_kept


def test_a_second_dataflow_is_refused() -> None:
    second = resource("flows", "second", flow_body())
    assert told(WHOLE, WHOLE.with_(second)) == [
        ("flows/second", "/", "there is the dataflow flow already, and a consumer group is one dataflow")
    ]


@pytest.mark.parametrize(
    ("flow", "member", "message"),
    [
        (flow_body([segment_selector("a"), segment_selector("a")]), "segment", "ups/a is given already"),
        (flow_body([], [attribute_selector("a..b")]), "profile", "'a..b' has an empty part"),
        (flow_body([{"type": "OTHER", "value": {"id": "a"}}]), "segment", "selectors of type 'OTHER'"),
        (
            flow_body(None, [{"type": "JSON_PATH", "value": {"path": "a", "operator": "EQUALS"}}]),
            "profile",
            "the operator 'EQUALS' is not known here",
        ),
        (flow_body(["a"]), "segment", "it is no selector"),
    ],
)
def test_what_is_mapped_is_checked_where_it_stands(flow: dict[str, Json], member: str, message: str) -> None:
    (problem,) = check(Definition(), whole_definition(flow=flow)).problems
    assert problem.source == "flows/flow"
    assert problem.member.startswith(f"/transformations/0/params/{member}Selectors/selectors/")
    assert message in problem.message


def test_a_connection_is_checked_before_a_dataflow_leads_to_it() -> None:
    parts = WHOLE.without([("flows", "flow")])
    target = replace(
        parts.resources["targetConnections", "target"],
        body={
            "connectionSpec": {"id": KINESIS_SPEC},
            "baseConnectionId": "base",
            "params": {"stream": "a b"},
        },
    )
    assert [(each[0], each[1]) for each in told(parts, parts.with_(target))] == [
        ("targetConnections/target", "/params/stream")
    ]
    base = replace(
        parts.resources["connections", "base"],
        id="other",
        body={
            "connectionSpec": {"id": KINESIS_SPEC},
            "auth": {"params": {"secretKey": "${EXPORT_SECRET}", "connectionUrl": "ftp://a"}},
        },
    )
    assert [each[1] for each in told(parts, parts.with_(base))] == [
        "/auth/params",
        "/auth/params/connectionUrl",
    ]


def test_the_stream_is_bound_once_something_may_have_been_exported_to_it() -> None:
    unmapped = whole_definition(flow=flow_body([]))
    assert bound(unmapped).bound_to is None
    assert bound(WHOLE).bound_to == Target("exports", "eu-west-1")
    assert bound(bound(WHOLE)) == bound(WHOLE)


@pytest.mark.parametrize("target", [{"stream": "other"}, {"region": "us-west-2"}])
def test_another_stream_than_the_group_s_is_refused(target: dict[str, Json]) -> None:
    keys: dict[str, Json] = {"region": None}
    former = replace(bound(WHOLE), resources={})
    new = replace(whole_definition(target=target, keys=keys), bound_to=former.bound_to)
    (problem,) = check(former, new).problems
    assert problem.member == "/targetConnectionIds/0"
    assert "this group's goes to exports in eu-west-1 for good" in problem.message
    assert "PROCESSOR_KAFKA_GROUP" in problem.remedy


def test_where_records_go_cannot_change_while_they_go_there() -> None:
    moved = whole_definition(
        keys={"connectionUrl": "https://other"},
        target={"stream": "arn:aws:kinesis:eu-west-1:123456789012:stream/exports"},
    )
    assert told(WHOLE, moved) == [
        ("targetConnections/target", "/params/stream", "it cannot change while the dataflow is enabled"),
        (
            "connections/base",
            "/auth/params/connectionUrl",
            "it cannot change while the dataflow is enabled",
        ),
    ]
    disabled = {**flow_body(), "state": "disabled"}
    assert not told(whole_definition(flow=disabled), moved)


def test_a_policy_needs_the_marketing_actions_that_it_names() -> None:
    policy = replace(
        POLICY, body={**POLICY.body, "marketingActionRefs": ["https://x/marketingActions/custom/gone"]}
    )
    assert told(Definition(), Definition().with_(policy)) == [
        ("policies/custom/p1", "/marketingActionRefs/0", "there is no marketing action 'gone'")
    ]


def test_an_unknown_marketing_action_of_the_destination_is_told() -> None:
    (problem,) = told(Definition(), whole_definition(target={"marketingActions": ["gone"]}))
    assert problem[:2] == ("targetConnections/target", "/params/marketingActions/0")


@pytest.mark.parametrize("flow", [flow_body(), flow_body([])], ids=["mapped", "no segment yet"])
@pytest.mark.parametrize("enforcement", ["filter", "block"])
def test_what_governance_removes_is_told_and_where_it_is_mapped(
    flow: dict[str, Json], enforcement: str
) -> None:
    governed = whole_definition(target={"marketingActions": ["emailTargeting"]}, flow=flow).with_(
        POLICY, LABELS, resource("enforcement", "enforcement", {"enforcement": enforcement})
    )

    found = check(Definition(), governed)

    assert found.may_be_kept == (enforcement == "filter")
    assert not found.problems
    assert [(each.removal.item.name, each.removal.policy, each.place) for each in found.breaches] == [
        ("ecid", "No mail", ("labels", "/identities/ecid")),
        (
            "personalEmail.address",
            "No mail",
            ("flows/flow", "/transformations/0/params/profileSelectors/selectors/0/value/path"),
        ),
    ]


def test_a_marketing_action_that_nothing_declares_is_told_in_words_for_the_api_too() -> None:
    definition = whole_definition(target={"marketingActions": ["nope"]})
    (problem,) = check(Definition(), definition).problems
    assert problem.source.startswith("targetConnections/")
    assert "'nope'" in problem.message
    assert "file" not in problem.message + problem.remedy
