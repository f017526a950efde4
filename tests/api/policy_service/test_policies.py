"""Marketing actions, policies, labels and enforcement, as the Policy Service has them; and what they may not do to a dataflow."""

from __future__ import annotations

from typing import Any, Final

import pytest

from processor.api.errors import ApiError
from processor.api.policy_service.routes import policy_service
from processor.configuration import parse_files
from processor.definition.files import files_of
from processor.governance.plan import Plan
from tests.support.asked import Asked
from tests.support.dataflows import attribute_selector, flow_body, segment_selector, whole_definition

PREFIX: Final = "/data/foundation/dulepolicy"
EXPORT: Final = f"{PREFIX}/marketingActions/core/exportToThirdParty"
POLICY: Final[dict[str, Any]] = {
    "name": "Nothing of partners",
    "status": "ENABLED",
    "marketingActionRefs": ["exportToThirdParty"],
    "deny": {"operator": "AND", "operands": [{"label": "C1"}, {"label": "C2"}]},
}
CONSENT: Final[dict[str, Any]] = {
    "name": "Only who agreed",
    "status": "ENABLED",
    "marketingActionRefs": ["emailTargeting"],
    "requires": {"path": "consents.email", "in": ["y"]},
}
LABELS: Final[dict[str, Any]] = {
    "fields": {"person.name": ["C2"]},
    "identities": {"ecid": ["C2"]},
    "segments": [{"id": "gold", "labels": ["C2"]}],
}


@pytest.fixture
def ask() -> Asked:
    return Asked(policy_service(), PREFIX)


@pytest.fixture
def ask_beside_a_dataflow() -> Asked:
    """The dataflow maps the segment gold and the name of a person, for exports to third parties."""
    flow = flow_body([segment_selector("gold")], [attribute_selector("person.name")])
    definition = whole_definition(target={"marketingActions": ["exportToThirdParty"]}, flow=flow)
    return Asked(policy_service(), PREFIX, definition)


def removed(ask: Asked) -> set[str]:
    """What governance removes of the dataflow's exports."""
    files = files_of(ask.definition, lambda *_: "")
    parsed = parse_files(files, {"EXPORT_KEY_ID": "k", "EXPORT_SECRET": "s"})
    return {each.item.name for each in Plan(*parsed).standing.removals}


def refused(ask: Asked, *call: Any, **more: Any) -> ApiError:
    """Why a call is refused; it has changed nothing."""
    before = ask.definition
    with pytest.raises(ApiError) as error:
        ask(*call, **more)
    assert ask.definition is before
    return error.value


def test_the_core_marketing_actions_are_there_with_their_meanings(ask: Asked) -> None:
    listed: Any = ask("GET", "/marketingActions/core").body
    assert listed["_page"]["count"] == 10
    one: Any = ask("GET", "/marketingActions/core/exportToThirdParty").body
    assert one in listed["children"]
    assert one["_links"]["self"]["href"] == EXPORT
    assert one["description"]
    assert refused(ask, "GET", "/marketingActions/core/resale").status == 404


def test_a_custom_marketing_action_is_made_changed_and_removed(ask: Asked) -> None:
    made = ask("PUT", "/marketingActions/custom/resale%20abroad", {"name": "resale abroad"})
    assert (made.status, made.location) == (201, f"{PREFIX}/marketingActions/custom/resale%20abroad")
    changed: Any = ask("PUT", "/marketingActions/custom/resale%20abroad", {"description": "To anybody."})
    assert (changed.status, changed.etag != made.etag) == (200, True)
    assert (changed.body["created"], changed.body["updated"]) == (1000, 2000)
    assert changed.body["createdUser"] == "token 1234"
    listed: Any = ask("GET", "/marketingActions/custom").body
    assert listed["children"] == [changed.body]
    gone = ask("DELETE", "/marketingActions/custom/resale%20abroad")
    assert (gone.status, gone.body) == (200, None)
    assert refused(ask, "GET", "/marketingActions/custom/resale%20abroad").status == 404


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("resale", {"name": "other"}),
        ("resale", {"name": 7}),
        ("resale", {"unknown": 1}),
        ("resale", None),
        ("resale", []),
        ("exportToThirdParty", {}),
        ("a%2Fb", {}),
        ("a%3Fb", {}),
        (".", {}),
        ("..", {}),
    ],
)
def test_a_custom_marketing_action_that_could_not_be_referred_to_is_refused(
    ask: Asked, name: str, body: Any
) -> None:
    assert refused(ask, "PUT", f"/marketingActions/custom/{name}", body).status == 400


def test_a_marketing_action_that_policies_refer_to_stays(ask: Asked) -> None:
    ask("PUT", "/marketingActions/custom/resale", {})
    policy: Any = ask(
        "POST", "/policies/custom", POLICY | {"marketingActionRefs": ["../marketingActions/custom/resale"]}
    )
    error = refused(ask, "DELETE", "/marketingActions/custom/resale")
    assert (error.status, policy.body["id"] in error.detail) == (400, True)
    ask("DELETE", f"/policies/custom/{policy.body['id']}")
    assert ask("DELETE", "/marketingActions/custom/resale").status == 200


@pytest.mark.parametrize(
    ("collection", "body"),
    [("policies/custom", POLICY), ("consentPolicies", CONSENT)],
    ids=["policy", "consent"],
)
def test_a_policy_is_made_looked_up_written_anew_and_removed(
    ask: Asked, collection: str, body: dict[str, Any]
) -> None:
    made: Any = ask("POST", f"/{collection}", body)
    assert made.status == 201
    assert made.location == f"{PREFIX}/{collection}/{made.body['id']}"
    path = f"/{collection}/{made.body['id']}"
    assert ask("GET", path).body == made.body
    assert ask("GET", path).etag == made.etag
    changed: Any = ask("PUT", path, {**made.body, "status": "DISABLED"})
    assert changed.body["status"] == "DISABLED"
    assert changed.body["id"] == made.body["id"]
    assert changed.etag != made.etag
    listed: Any = ask("GET", f"/{collection}").body
    assert listed["children"] == [changed.body]
    assert ask("DELETE", path).status == 200
    assert refused(ask, "GET", path).status == 404
    assert refused(ask, "DELETE", path).status == 404


def test_a_reference_to_a_marketing_action_is_answered_as_its_own_address(ask: Asked) -> None:
    ask("PUT", "/marketingActions/custom/resale%20abroad", {})
    given = [
        "exportToThirdParty",
        "../marketingActions/core/dataScience",
        "https://platform.adobe.io/data/foundation/dulepolicy/marketingActions/custom/resale%20abroad",
    ]
    made: Any = ask("POST", "/policies/custom", POLICY | {"marketingActionRefs": given}).body
    for ref, kind in zip(made["marketingActionRefs"], ("core", "core", "custom"), strict=True):
        path = ref.removeprefix(PREFIX)
        assert path.startswith(f"/marketingActions/{kind}/")
        assert ask("GET", path).status == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"status": "enabled"}, "/status"),
        ({"deny": {"label": "C1", "operator": "AND"}}, "/deny"),
        ({"deny": {"operator": "AND", "operands": []}}, "/deny"),
        ({"deny": {"operator": "NOT", "operands": [{"label": "C1"}]}}, "/deny/operator"),
        ({"marketingActionRefs": ["resale"]}, "/marketingActionRefs/0"),
        ({"marketingActionRefs": ["../marketingActions/custom/resale"]}, "/marketingActionRefs/0"),
        ({"marketingActionRefs": "exportToThirdParty"}, "/marketingActionRefs"),
        ({"denies": {}}, "/denies"),
    ],
)
def test_a_policy_that_says_nothing_is_refused_with_where(
    ask: Asked, change: dict[str, Any], pointer: str
) -> None:
    error = refused(ask, "POST", "/policies/custom", POLICY | change)
    assert error.status == 400
    assert pointer in [place.pointer for place in error.places]


def test_two_policies_have_two_names(ask: Asked) -> None:
    ask("POST", "/policies/custom", POLICY)
    assert refused(ask, "POST", "/policies/custom", POLICY).places[0].pointer == "/name"


def test_parts_of_a_policy_are_changed_in_their_order(ask: Asked) -> None:
    made: Any = ask("POST", "/policies/custom", POLICY | {"description": "old"})
    patch = [
        {"op": "replace", "path": "/status", "value": "DISABLED"},
        {"op": "remove", "path": "/description"},
        {"op": "add", "path": "/description", "value": "new"},
        {"op": "add", "path": "/deny/operands/-", "value": {"label": "C3"}},
    ]
    changed: Any = ask("PATCH", f"/policies/custom/{made.body['id']}", patch).body
    assert (changed["status"], changed["description"]) == ("DISABLED", "new")
    assert changed["deny"]["operands"][-1] == {"label": "C3"}


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "replace", "path": "/status", "value": "ON"}],
        [{"op": "remove", "path": "/name"}],
        [{"op": "replace", "path": "/id", "value": "x"}],
        [{"op": "remove", "path": "/nothing"}],
        [{"op": "add", "path": "/nothing", "value": 1}],
        [],
        {},
        None,
    ],
)
def test_a_patch_that_leaves_no_policy_changes_none(ask: Asked, patch: Any) -> None:
    made: Any = ask("POST", "/policies/custom", POLICY)
    path = f"/policies/custom/{made.body['id']}"
    assert refused(ask, "PATCH", path, patch).status == 400
    assert ask("GET", path).body == made.body


@pytest.mark.parametrize(("method", "body"), [("PUT", POLICY), ("DELETE", None), ("PATCH", [])])
def test_a_change_made_from_another_version_is_refused(ask: Asked, method: str, body: Any) -> None:
    made: Any = ask("POST", "/policies/custom", POLICY)
    path = f"/policies/custom/{made.body['id']}"
    ask("PATCH", path, [{"op": "replace", "path": "/status", "value": "DRAFT"}], if_match=made.etag)
    assert refused(ask, method, path, body, if_match=made.etag).status == 412


def test_what_is_put_as_it_is_changes_nothing(ask: Asked) -> None:
    made: Any = ask("POST", "/policies/custom", POLICY)
    before = ask.definition
    assert ask("PUT", f"/policies/custom/{made.body['id']}", made.body).etag == made.etag
    assert ask.definition is before


def test_lists_are_answered_in_pages_and_by_properties(ask: Asked) -> None:
    for name in "abcde":
        ask(
            "POST",
            "/policies/custom",
            POLICY | {"name": name, "status": "DRAFT" if name in "be" else "ENABLED"},
        )
    names, path = [], "/policies/custom?limit=2&property=status==ENABLED"
    page: Any = ask("GET", path).body
    names += [each["name"] for each in page["children"]]
    following = page["_page"].pop("next")
    assert page["_links"]["next"]["href"].endswith(f"&start={following}")
    assert page["_page"] == {"count": 2, "start": page["children"][0]["id"]}
    rest: Any = ask("GET", page["_links"]["next"]["href"].removeprefix(PREFIX)).body
    names += [each["name"] for each in rest["children"]]
    assert names == ["a", "c", "d"]
    assert "next" not in rest["_links"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=x", "limit=1001", "start=nobody", "property=status"]
)
def test_a_list_that_cannot_be_answered_as_it_is_asked_for_is_refused(ask: Asked, query: str) -> None:
    assert refused(ask, "GET", f"/policies/custom?{query}").status == 400


def test_core_policies_are_off_until_they_are_enabled_and_off_again_when_not_named(
    ask_beside_a_dataflow: Asked,
) -> None:
    ask = ask_beside_a_dataflow
    ask("PUT", "/labels", LABELS)
    core: Any = ask("GET", "/policies/core").body
    assert {each["status"] for each in core["children"]} == {"DRAFT"}
    assert not removed(ask)
    first: Any = ask("GET", "/enabledCorePolicies")
    assert first.body["policyIds"] == []
    enabled: Any = ask("PUT", "/enabledCorePolicies", {"policyIds": ["corepolicy_C2"]}, if_match=first.etag)
    assert enabled.body["policyIds"] == ["corepolicy_C2"]
    one: Any = ask("GET", "/policies/core/corepolicy_C2").body
    assert (one["status"], one["deny"], one["marketingActionRefs"]) == ("ENABLED", {"label": "C2"}, [EXPORT])
    assert removed(ask) == {"ups/gold", "person.name", "ecid"}
    assert refused(ask, "PUT", "/enabledCorePolicies", {"policyIds": []}, if_match=first.etag).status == 412
    ask("PUT", "/enabledCorePolicies", {"policyIds": []}, if_match=enabled.etag)
    assert not removed(ask)


def test_every_core_policy_can_be_enabled(ask: Asked) -> None:
    core: Any = ask("GET", "/policies/core").body
    ids = [each["id"] for each in core["children"]]
    ask("PUT", "/enabledCorePolicies", {"policyIds": ids})
    core = ask("GET", "/policies/core").body
    assert {each["status"] for each in core["children"]} == {"ENABLED"}


def test_numbers_of_the_platform_s_core_policies_enable_nothing_here(ask: Asked) -> None:
    error = refused(ask, "PUT", "/enabledCorePolicies", {"policyIds": ["corepolicy_C2", "corepolicy_0001"]})
    assert (error.status, [place.pointer for place in error.places]) == (400, ["/policyIds/1"])
    assert "corepolicy_C11" in error.detail


def test_labels_and_enforcement_are_there_before_anybody_put_them(ask: Asked) -> None:
    for path, body in (("/labels", LABELS), ("/enforcement", {"enforcement": "block"})):
        absent: Any = ask("GET", path)
        put: Any = ask("PUT", path, body, if_match=absent.etag)
        assert put.status == 200
        assert ask("GET", path).body == put.body
        assert body.items() <= put.body.items()
        assert refused(ask, "PUT", path, body, if_match=absent.etag).status == 412
        assert ask("PUT", path, put.body, if_match=put.etag).etag == put.etag


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/enforcement", {"enforcement": "ask"}, "/enforcement"),
        ("/enforcement", {}, "/enforcement"),
        ("/labels", {"fields": {"person.name": "C2"}}, "/fields/person.name"),
        ("/labels", {"segments": [{"labels": ["C2"]}]}, "/segments/0/id"),
        ("/labels", {"tables": {}}, "/tables"),
    ],
)
def test_labels_and_enforcement_that_say_nothing_are_refused_with_where(
    ask: Asked, path: str, body: Any, pointer: str
) -> None:
    error = refused(ask, "PUT", path, body)
    assert (error.status, [place.pointer for place in error.places]) == (400, [pointer])


def test_what_governance_removes_of_exports_is_told_with_the_change(ask_beside_a_dataflow: Asked) -> None:
    ask = ask_beside_a_dataflow
    ask("PUT", "/labels", LABELS)
    made: Any = ask("POST", "/policies/custom", POLICY | {"deny": {"label": "C2"}})
    found = {(each["kind"], each["name"], each["policyName"]) for each in made.body["report"]["violations"]}
    assert found == {
        (kind, name, POLICY["name"])
        for kind, name in (("segment", "ups/gold"), ("attribute", "person.name"), ("identity", "ecid"))
    }
    # What was answered can be put as it is.
    assert ask("PUT", f"/policies/custom/{made.body['id']}", made.body).status == 200


@pytest.mark.parametrize("last", ["policy", "labels", "core", "enforcement"])
def test_with_block_a_change_by_which_anything_would_be_forbidden_is_refused(
    ask_beside_a_dataflow: Asked, last: str
) -> None:
    ask = ask_beside_a_dataflow
    calls: dict[str, tuple[str, str, Any]] = {
        "enforcement": ("PUT", "/enforcement", {"enforcement": "block"}),
        "labels": ("PUT", "/labels", LABELS),
        "policy": ("POST", "/policies/custom", POLICY | {"deny": {"label": "C2"}}),
        "core": ("PUT", "/enabledCorePolicies", {"policyIds": ["corepolicy_C2"]}),
    }
    del calls["policy" if last == "core" else "core"]
    for name, call in calls.items():
        if name != last:
            ask(*call)
    error = refused(ask, *calls[last])
    assert error.headline == "Data policy violation"
    assert {(each.action, each.labels) for each in error.violations} == {("exportToThirdParty", ("C2",))}
