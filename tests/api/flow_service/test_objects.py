"""Connections and flows: made, changed, deleted, and refused with what was wrong and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.definition.model import Target
from processor.definition.sealing import Sealing
from processor.flow_service.names import (
    EVENT_HUBS_SPEC,
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
)
from tests.support.dataflows import (
    attribute_selector,
    flow_body,
    resource,
    segment_selector,
    whole_definition,
)
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

SEGMENTS = "/transformations/0/params/segmentSelectors/selectors"
ATTRIBUTES = "/transformations/0/params/profileSelectors/selectors"
SECRET = "the very secret key"


def kinesis(**params: Json) -> dict[str, Json]:
    return {
        "name": "k",
        "connectionSpec": {"id": KINESIS_SPEC, "version": "1.0"},
        "auth": {"specName": KINESIS_AUTHENTICATION, "params": params},
    }


def target(**params: Json) -> dict[str, Json]:
    return {
        "name": "t",
        "connectionSpec": {"id": KINESIS_SPEC},
        "baseConnectionId": "base",
        "params": {"stream": "exports", "region": "eu-west-1", **params},
    }


@pytest.fixture
def calls() -> Calls:
    """All connections, and no dataflow."""
    return Calls(whole_definition().without([("flows", "flow")]))


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("/connections", {}, ["/name", "/connectionSpec"]),
        ("/connections", {"name": "", "connectionSpec": {"id": KINESIS_SPEC}}, ["/name"]),
        ("/connections", {"name": "a", "connectionSpec": {"id": EVENT_HUBS_SPEC}}, ["/connectionSpec/id"]),
        ("/connections", {"name": "a", "connectionSpec": {"id": "x"}}, ["/connectionSpec/id"]),
        (
            "/connections",
            {**kinesis(region="eu-west-1"), "connectionSpec": {"id": PROFILE_SERVICE_SPEC}},
            ["/auth"],
        ),
        ("/connections", kinesis(sasKey=SECRET), ["/auth/params/sasKey"]),
        ("/connections", {**kinesis(region="eu-west-1"), "secretKey": SECRET}, ["/secretKey"]),
        (
            "/connections",
            {**kinesis(), "auth": {"specName": "OAuth2"}},
            ["/auth/specName"],
        ),
        ("/connections", kinesis(accessKeyId="AKIA", region="eu-west-1"), ["/auth/params"]),
        (
            "/connections",
            kinesis(connectionUrl=f"https://u:{SECRET}@host", region="eu-west-1"),
            ["/auth/params/connectionUrl"],
        ),
        (
            "/connections",
            kinesis(accessKeyIdFile="/a", secretKeyFile="/b"),
            ["/auth/params/accessKeyIdFile", "/auth/params/secretKeyFile"],
        ),
        (
            "/connections",
            kinesis(accessKeyId="${PATH}", secretKey="${EXPORT_A}"),
            ["/auth/params/accessKeyId"],
        ),
        (
            "/connections",
            kinesis(accessKeyId={"$sealed": "a"}, secretKey="${EXPORT_A}"),
            ["/auth/params/accessKeyId"],
        ),
        (
            "/sourceConnections",
            {"name": "a", "connectionSpec": {"id": PROFILE_SERVICE_SPEC}, "baseConnectionId": "base"},
            ["/baseConnectionId"],
        ),
        ("/targetConnections", target(stream="a b"), ["/params/stream"]),
        ("/targetConnections", target(partitionKey="key"), ["/params/partitionKey"]),
        ("/targetConnections", target(includeSegmentNames="yes"), ["/params/includeSegmentNames"]),
        ("/targetConnections", target(marketingActions=["gone"]), ["/params/marketingActions/0"]),
        ("/targetConnections", {**target(), "baseConnectionId": "x"}, ["/baseConnectionId"]),
        ("/targetConnections", {**target(), "data": {"format": "parquet"}}, ["/data/format"]),
        ("/flows", {**flow_body(), "sourceConnectionIds": []}, ["/sourceConnectionIds"]),
        ("/flows", {**flow_body(), "targetConnectionIds": ["x"]}, ["/targetConnectionIds/0"]),
        ("/flows", {**flow_body(), "flowSpec": {"id": "x"}}, ["/flowSpec/id"]),
        ("/flows", flow_body([segment_selector("a"), segment_selector("a")]), [f"{SEGMENTS}/1"]),
        (
            "/flows",
            flow_body(None, [attribute_selector("a"), attribute_selector("a.b")]),
            [f"{ATTRIBUTES}/1/value/path"],
        ),
        ("/flows", flow_body([{"type": "PLATFORM_SEGMENT", "value": {}}]), [f"{SEGMENTS}/0/value/id"]),
        ("/flows", flow_body([segment_selector("a", createTime="soon")]), [f"{SEGMENTS}/0/value/createTime"]),
    ],
)
def test_what_is_wrong_is_told_where_it_stands_in_the_body(
    calls: Calls, path: str, body: Json, places: list[str]
) -> None:
    refusal = calls.refused("POST", path, body)
    assert refusal.status == 400
    assert [each.pointer for each in refusal.places] == places
    assert {each.of for each in refusal.places} == {""}
    assert all(each.message and each.remedy for each in refusal.places)
    assert SECRET not in str(refusal.json())


@pytest.mark.parametrize("body", [None, [], "a", 7])
def test_a_body_that_is_no_object_is_refused(calls: Calls, body: Json) -> None:
    assert calls.refused("POST", "/flows", body).status == 400


def test_a_region_that_the_account_has_not_is_told_of_the_account(calls: Calls) -> None:
    (wrong,) = calls.refused("POST", "/targetConnections", target(region="us-west-2")).places
    assert (wrong.of, wrong.pointer) == ("connections/base", "/auth/params/region")


def test_members_that_the_service_keeps_are_not_the_callers_to_give(calls: Calls) -> None:
    body: Json = {**target(), "id": "mine", "etag": "mine", "createdBy": "mine"}
    answer = calls.call("POST", "/targetConnections", body)
    assert isinstance(answer.body, dict)
    assert answer.body["id"] == "id-1"
    assert answer.body["report"] == {
        "withoutEffect": [
            {"pointer": f"/{name}", "message": "it is kept by the service"}
            for name in ("id", "etag", "createdBy")
        ]
    }
    assert calls.shown("/targetConnections/id-1")["createdBy"] == "tester"


def test_what_is_made_is_found_where_the_answer_says(calls: Calls) -> None:
    answer = calls.call("POST", "/targetConnections", target())
    assert answer.location == "/data/foundation/flowservice/targetConnections/id-1"
    assert answer.etag == calls.call("GET", "/targetConnections/id-1").etag
    shown = calls.shown("/targetConnections/id-1")
    assert (shown["createdAt"], shown["updatedAt"]) == (calls.now_ms, calls.now_ms)


def test_a_change_is_in_the_books(calls: Calls) -> None:
    calls.now_ms += 5
    calls.call("PATCH", "/connections/base", [{"op": "replace", "path": "/name", "value": "b"}], "*")
    shown = calls.shown("/connections/base")
    assert (shown["createdAt"], shown["updatedAt"]) == (1_700_000_000_000, 1_700_000_000_005)
    assert (shown["createdBy"], shown["updatedBy"]) == ("a", "tester")


def test_without_a_key_a_secret_in_the_clear_is_refused_with_the_remedy(calls: Calls) -> None:
    calls.sealing = Sealing()
    refusal = calls.refused("POST", "/connections", kinesis(accessKeyId="AKIA", secretKey=SECRET))
    assert "PROCESSOR_API_SECRET_KEY_FILE" in refusal.detail
    assert "EXPORT_" in refusal.detail
    assert refusal.places[0].pointer == "/auth/params/accessKeyId"
    assert SECRET not in str(refusal.json())


def test_references_need_no_key_and_are_shown(calls: Calls) -> None:
    calls.sealing = Sealing()
    keys: dict[str, Json] = {"accessKeyId": "${EXPORT_ID}", "secretKey": "${EXPORT_SECRET}"}
    id_, _ = calls.made("/connections", kinesis(**keys))
    assert calls.shown(f"/connections/{id_}")["auth"] == {"specName": KINESIS_AUTHENTICATION, "params": keys}


def test_a_definition_that_is_wrong_already_is_mended_by_one_change_after_the_other(calls: Calls) -> None:
    calls.definition = whole_definition(
        keys={"connectionUrl": "no url"}, target={"partitionKey": "no key"}, flow=flow_body([])
    )
    rename: Json = [{"op": "replace", "path": "/name", "value": "b"}]
    mend_key: Json = [{"op": "remove", "path": "/params/partitionKey"}]
    mend_url: Json = [{"op": "remove", "path": "/auth/params/connectionUrl"}]
    calls.call("PATCH", "/connections/platform", rename, "*")
    calls.call("PATCH", "/targetConnections/target", mend_key, "*")
    calls.call("PATCH", "/connections/base", mend_url, "*")
    assert calls.refused("POST", "/targetConnections", target(partitionKey="no key")).status == 400


def test_without_keys_the_default_chain_is_used(calls: Calls) -> None:
    assert calls.made("/connections", kinesis(region="eu-west-1"))


def test_a_second_dataflow_is_refused_with_the_reason(calls: Calls) -> None:
    calls.made("/flows", flow_body())
    refusal = calls.refused("POST", "/flows", flow_body())
    assert refusal.status == 400
    assert "a consumer group is one dataflow" in refusal.detail


def test_a_dataflow_to_another_stream_is_refused_also_after_the_first_is_gone(calls: Calls) -> None:
    flow, _ = calls.made("/flows", flow_body())
    calls.call("DELETE", f"/flows/{flow}")
    assert calls.definition.bound_to == Target("exports", "eu-west-1")
    other, _ = calls.made("/targetConnections", target(stream="other"))
    refusal = calls.refused("POST", "/flows", {**flow_body(), "targetConnectionIds": [other]})
    assert (refusal.status, refusal.places[0].pointer) == (400, "/targetConnectionIds/0")
    assert "this group's goes to exports in eu-west-1" in refusal.detail
    assert calls.made("/flows", flow_body())


def test_a_mistyped_stream_is_mended_before_anything_is_mapped(calls: Calls) -> None:
    calls.made("/flows", flow_body([]))
    patch: Json = [{"op": "replace", "path": "/params/stream", "value": "other"}]
    calls.call("PATCH", "/targetConnections/target", patch, "*")
    assert calls.definition.bound_to is None


def test_a_dataflow_may_be_made_disabled(calls: Calls) -> None:
    flow, _ = calls.made("/flows", {**flow_body(), "state": "disabled"})
    assert calls.definition.bound_to is None
    calls.call("POST", f"/flows/{flow}/action?op=enable")
    assert calls.definition.bound_to is not None


@pytest.mark.parametrize("query", ["", "?op=stop", "?op=enable&op=disable"])
def test_an_unknown_action_is_refused(calls: Calls, query: str) -> None:
    flow, _ = calls.made("/flows", flow_body())
    assert calls.refused("POST", f"/flows/{flow}/action{query}").status == 400


def test_enabling_what_is_enabled_changes_nothing(calls: Calls) -> None:
    flow, etag = calls.made("/flows", flow_body())
    before = calls.definition
    assert calls.call("POST", f"/flows/{flow}/action?op=enable").etag == etag
    assert calls.definition is before
    assert calls.refused("POST", f"/flows/{flow}/action?op=disable", if_match='"other"').status == 412


@pytest.mark.parametrize("path", ["/connections/x", "/sourceConnections/x", "/flows/x", "/connectionSpecs/x"])
def test_what_is_not_there_is_not_found(calls: Calls, path: str) -> None:
    assert calls.refused("GET", path).status == 404


def test_a_connection_that_others_need_is_not_deleted(calls: Calls) -> None:
    calls.made("/flows", flow_body())
    for path, of, pointer in (
        ("/connections/platform", "sourceConnections/source", "/baseConnectionId"),
        ("/sourceConnections/source", "flows/id-1", "/sourceConnectionIds/0"),
    ):
        refusal = calls.refused("DELETE", path)
        assert (refusal.status, refusal.places[0].of, refusal.places[0].pointer) == (409, of, pointer)


def mapping_times(calls: Calls, flow: str) -> dict[str, tuple[Json, Json]]:
    body = calls.definition.resources["flows", flow].body
    steps = body["transformations"]
    assert isinstance(steps, list)
    found: dict[str, tuple[Json, Json]] = {}
    selectors: Json = steps
    for step in (0, "params", "segmentSelectors", "selectors"):
        selectors = selectors[step]  # type: ignore[index]  # as the tutorial has it
    assert isinstance(selectors, list)
    for each in selectors:
        assert isinstance(each, dict)
        value = each["value"]
        assert isinstance(value, dict)
        found[str(value["id"])] = value.get("createTime"), value.get("updateTime")
    return found


def test_a_segment_says_when_it_was_mapped_and_anew_when_it_is_mapped_anew(calls: Calls) -> None:
    first, second, third = (str(calls.now_ms + step) for step in range(3))
    flow, _ = calls.made(
        "/flows", flow_body([segment_selector("a"), segment_selector("b", createTime="1640289901")])
    )
    assert mapping_times(calls, flow) == {"a": (first, first), "b": ("1640289901", first)}

    calls.now_ms += 1
    value: Json = segment_selector("a", name="A")
    calls.call("PATCH", f"/flows/{flow}", [{"op": "replace", "path": f"{SEGMENTS}/0", "value": value}], "*")
    assert mapping_times(calls, flow) == {"a": (first, second), "b": ("1640289901", first)}

    calls.now_ms += 1
    calls.call("PATCH", f"/flows/{flow}", [{"op": "remove", "path": f"{SEGMENTS}/0"}], "*")
    calls.call("PATCH", f"/flows/{flow}", [{"op": "add", "path": f"{SEGMENTS}/-", "value": value}], "*")
    assert mapping_times(calls, flow) == {"b": ("1640289901", first), "a": (third, third)}


def test_a_segment_of_which_it_is_not_known_when_it_was_mapped_stays_so(calls: Calls) -> None:
    calls.definition = whole_definition(flow=flow_body([segment_selector("a")]))
    calls.call("PATCH", "/flows/flow", [{"op": "replace", "path": "/name", "value": "b"}], "*")
    assert mapping_times(calls, "flow") == {"a": (None, None)}


GOVERNANCE = (
    resource(
        "policies/custom",
        "p1",
        {
            "name": "No mail",
            "status": "ENABLED",
            "marketingActionRefs": ["https://x/marketingActions/core/emailTargeting"],
            "deny": {"label": "C9"},
        },
    ),
    resource("labels", "labels", {"fields": {"personalEmail": ["C9", "I1"]}, "segments": []}),
)


@pytest.fixture
def governed(calls: Calls) -> Calls:
    calls.definition = (
        whole_definition(target={"marketingActions": ["emailTargeting"]}, flow=flow_body(None, []))
    ).with_(*GOVERNANCE)
    return calls


ADD_ADDRESS: Json = [{"op": "add", "path": f"{ATTRIBUTES}/-", "value": attribute_selector()}]


def test_with_block_an_activation_that_violates_a_policy_is_refused(governed: Calls) -> None:
    block = resource("enforcement", "enforcement", {"enforcement": "block"})
    governed.definition = governed.definition.with_(block)

    refusal = governed.refused("PATCH", "/flows/flow", ADD_ADDRESS, "*")

    assert (refusal.status, refusal.headline) == (400, "Data policy violation")
    assert refusal.json()["report"] == {
        "violations": [
            {
                "policyName": "No mail",
                "marketingAction": "emailTargeting",
                "labels": ["C9", "I1"],
                "kind": "attribute",
                "name": "personalEmail.address",
                "where": {
                    "of": "flows/flow",
                    "pointer": f"{ATTRIBUTES}/0/value/path",
                    "message": "it is mapped to the attribute personalEmail.address",
                },
            }
        ]
    }


def test_with_filter_it_is_accepted_and_told(governed: Calls) -> None:
    answer = governed.call("PATCH", "/flows/flow", ADD_ADDRESS, "*")
    assert isinstance(answer.body, dict)
    assert isinstance(answer.body["report"], dict)
    violations = answer.body["report"]["violations"]
    assert isinstance(violations, list)
    (violation,) = violations
    assert isinstance(violation, dict)
    assert (violation["policyName"], violation["name"]) == ("No mail", "personalEmail.address")


def test_in_a_body_the_place_of_a_violation_is_the_body_s(governed: Calls) -> None:
    governed.call("DELETE", "/flows/flow")
    block = resource("enforcement", "enforcement", {"enforcement": "block"})
    governed.definition = governed.definition.with_(block)
    refusal = governed.refused("POST", "/flows", flow_body())
    (violation,) = refusal.violations
    assert violation.where is not None
    assert (violation.where.of, violation.where.pointer) == ("", f"{ATTRIBUTES}/0/value/path")


def test_the_profile_flow_spec_is_the_only_one(calls: Calls) -> None:
    assert calls.shown(f"/flowSpecs/{PROFILE_FLOW_SPEC}")["sourceConnectionSpecIds"] == [PROFILE_SERVICE_SPEC]
