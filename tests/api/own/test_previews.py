"""Changes that are tried: what they would do, what they would be refused with, and that nothing is kept of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from processor.definition.checks import bound
from processor.errors import DefinitionUnavailable
from tests.api.own.served import FLOWS, OWN, own_api
from tests.api.test_http import READ_TOKEN, Asked
from tests.support.dataflows import resource, segment_selector, whole_definition

PREVIEWS: Final = f"{OWN}/previews"
FLOW: Final = f"{FLOWS}/flow"
SELECTORS: Final = "/transformations/0/params/segmentSelectors/selectors"
TIME: Final = "2020-05-25T21:24:39Z"
HOSTILE: Final = "<script>alert(1)</script>"


def profile(number: int, *segments: str) -> tuple[bytes, bytes]:
    entries = {each: {"status": "realized", "lastQualificationTime": TIME} for each in segments}
    value = {
        "segmentMembership": {"ups": entries},
        "personalEmail": {"address": f"jane{number}@example.com"},
        "consents": {"marketing": "yes" if number % 2 else "no"},
        "identityMap": {"ecid": [{"id": f"ecid-{number}"}]},
    }
    return f"profile-{number}".encode(), json.dumps(value).encode()


MAPPED: Final = segment_selector()["value"]["id"]  # type: ignore[index,call-overload]
EVENTS: Final = [
    profile(1, str(MAPPED), "s2"),
    profile(2, str(MAPPED)),
    profile(3, "s2"),
    (b"bad", b"no JSON"),
]
DEFINITION: Final = bound(whole_definition(target={"marketingActions": ["exportToThirdParty"]}))
MAP_S2: Final = {
    "method": "PATCH",
    "path": FLOW,
    "body": [{"op": "add", "path": f"{SELECTORS}/-", "value": segment_selector("s2", name=HOSTILE)}],
    "ifMatch": "*",
}

SAME: Final = [{"op": "replace", "path": "/name", "value": "Campaign"}]


async def asked(body: Any, definition: Any = DEFINITION, **looks: Any) -> Asked:
    """The answer; nothing is kept, whatever it is."""
    async with own_api(definition, events=EVENTS, **looks) as served:
        before = served.kept.definition
        answer = await served.ask("POST", PREVIEWS, json=body)
        assert served.kept.definition is before
        assert "jane" not in str(answer.body)
        assert "ecid-" not in str(answer.body)
        return answer


async def test_a_segment_that_is_mapped_is_shown_with_its_backfill_and_masked_exports() -> None:
    answer = await asked(MAP_S2)
    assert answer.status == 200
    found = answer.body
    assert (found["isChange"], found["report"], found["idle"]) == (True, {}, None)
    assert found["items"] == [
        {"kind": "segment", "name": MAPPED, "namespace": "ups", "labels": [], "removedBy": None},
        {"kind": "segment", "name": "s2", "namespace": "ups", "labels": [], "removedBy": None},
        {"kind": "attribute", "name": "personalEmail.address", "labels": [], "removedBy": None},
    ]
    assert found["sample"].pop("sampledAtMs") > 0
    assert found["sample"] == {"profiles": 3, "events": 4}
    segments = [
        {"namespace": "ups", "id": MAPPED, "name": None, "realized": 0, "existing": 1, "exited": 0},
        {"namespace": "ups", "id": "s2", "name": HOSTILE, "realized": 2, "existing": 0, "exited": 0},
    ]
    assert found["backfill"] == {
        "isDue": True,
        "mode": "auto",
        "profiles": 4,
        "exported": 2,
        "unchanged": 1,
        "refused": 1,
        "segments": segments,
        "removedBy": [],
    }
    assert found["exports"][0] == {
        "profile": "xxxxxxx-9",
        "isOfBackfill": True,
        "record": {
            "personalEmail": {"address": "xxxx9@xxxxxxx.xxx"},
            "segmentMembership": {
                "ups": {
                    MAPPED: {"lastQualificationTime": TIME, "status": "existing"},
                    "s2": {"lastQualificationTime": TIME, "status": "realized"},
                }
            },
            "identityMap": {"ecid": [{"id": "xxxx-9"}]},
        },
    }


async def test_what_is_made_afterwards_is_what_was_shown() -> None:
    async with own_api(DEFINITION, events=EVENTS) as served:
        shown = await served.ask("POST", PREVIEWS, json=MAP_S2)
        assert shown.status == 200
        made = await served.ask("PATCH", FLOW, json=MAP_S2["body"], headers={"If-Match": "*"})
        assert made.status == 202
        assert made.body.get("report", {}) == shown.body["report"]
        again = await served.ask("POST", PREVIEWS, json={**MAP_S2, "body": SAME})
        assert (again.status, again.body["isChange"], again.body["backfill"]["exported"]) == (200, False, 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"ifMatch": '"another"'}, 412),
        ({"ifMatch": None}, 400),
        ({"path": f"{FLOWS}/unknown"}, 404),
        ({"body": [{"op": "test", "path": "/name", "value": "another"}]}, 409),
        (
            {
                "body": [
                    {
                        "op": "add",
                        "path": f"{SELECTORS}/-",
                        "value": {"type": "PLATFORM_SEGMENT", "value": {}},
                    }
                ]
            },
            400,
        ),
        ({"body": {"a": 1}}, 400),
        ({"method": "DELETE", "path": "/data/foundation/flowservice/connections/base"}, 409),
    ],
)
async def test_what_the_change_would_be_refused_with_is_the_answer(
    change: dict[str, Any], status: int
) -> None:
    wanted = {**MAP_S2, **change}
    shown = await asked(wanted)
    assert shown.status == status
    async with own_api(DEFINITION) as served:
        headers = {} if wanted["ifMatch"] is None else {"If-Match": wanted["ifMatch"]}
        refused = await served.ask(wanted["method"], wanted["path"], json=wanted["body"], headers=headers)
    assert (refused.status, refused.body) == (status, shown.body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**MAP_S2, "path": "/elsewhere"}, "/path"),
        ({**MAP_S2, "path": PREVIEWS, "method": "POST"}, "/path"),
        ({**MAP_S2, "method": "PUT"}, "/method"),
        ({**MAP_S2, "method": "GET"}, "/method"),
        ({"method": "PATCH"}, "/path"),
    ],
)
async def test_what_is_no_change_of_the_table_is_refused(body: Any, pointer: str) -> None:
    refused = await asked(body)
    assert refused.status == 400
    assert [each["pointer"] for each in refused.body["report"]["errors"]] == [pointer]


def policy(name: str, label: str) -> dict[str, Any]:
    return {
        "name": name,
        "status": "ENABLED",
        "marketingActionRefs": ["exportToThirdParty"],
        "deny": {"label": label},
    }


LABELS: Final = "/data/foundation/dulepolicy/labels"
GOVERNED: Final = DEFINITION.with_(resource("policies/custom", "p", policy("no third party", "C2")))
LABELLED: Final = {"method": "PUT", "path": LABELS, "body": {"segments": [{"id": MAPPED, "labels": ["C2"]}]}}


async def test_labels_that_forbid_a_mapped_segment_are_shown_with_who_would_leave() -> None:
    found = (await asked(LABELLED, GOVERNED)).body
    assert found["items"][0]["removedBy"] == {
        "policy": "no third party",
        "action": "exportToThirdParty",
        "labels": ["C2"],
    }
    assert found["report"]["violations"][0]["name"] == f"ups/{MAPPED}"
    backfill = found["backfill"]
    assert (backfill["isDue"], backfill["segments"][0]["exited"]) == (True, 2)
    assert backfill["removedBy"] == [
        {"policy": "no third party", "action": "exportToThirdParty", "profiles": 2}
    ]


async def test_with_block_the_change_and_its_preview_are_refused_alike() -> None:
    blocking = GOVERNED.with_(resource("enforcement", "enforcement", {"enforcement": "block"}))
    refused = await asked(LABELLED, blocking)
    assert (refused.status, refused.body["title"]) == (400, "Data policy violation")


async def test_an_action_is_tried_with_its_parameter_and_a_disabled_dataflow_is_said_to_be_idle() -> None:
    disable = {"method": "POST", "path": f"{FLOW}/action?op=disable"}
    found = (await asked(disable)).body
    assert (found["isChange"], found["idle"]) == (True, "the dataflow flow is disabled")
    assert (found["backfill"]["isDue"], found["backfill"]["exported"]) == (False, 0)
    assert (await asked({**disable, "path": f"{FLOW}/action"})).status == 400


async def test_whether_a_dataflow_that_was_disabled_needs_a_backfill_is_not_told() -> None:
    flow = DEFINITION.resources["flows", "flow"]
    disabled = DEFINITION.with_(replace(flow, body={**flow.body, "state": "disabled"}))
    assert (await asked({"method": "POST", "path": f"{FLOW}/action?op=enable"}, disabled)).body["backfill"][
        "isDue"
    ] is None


async def test_of_a_service_that_exported_nothing_yet_no_backfill_is_due_and_all_members_are_realized() -> (
    None
):
    unbound = replace(DEFINITION, bound_to=None)
    unmapped = unbound.with_(
        replace(
            unbound.resources["flows", "flow"],
            body={**unbound.resources["flows", "flow"].body, "transformations": []},
        )
    )
    step = {"params": {"segmentSelectors": {"selectors": [segment_selector("s2")]}}}
    body = [{"op": "replace", "path": "/transformations", "value": [step]}]
    found = (await asked({**MAP_S2, "body": body}, unmapped)).body["backfill"]
    assert (found["isDue"], found["exported"], found["segments"][0]["realized"]) == (False, 2, 2)


async def test_where_the_dataflow_goes_nothing_is_exported() -> None:
    found = (await asked({"method": "DELETE", "path": FLOW})).body
    assert (found["idle"], found["items"], found["exports"]) == ("there is no dataflow", [], [])
    assert not found["backfill"]["isDue"]


async def test_a_token_that_may_only_read_tries_nothing_for_a_consent_policy_tells_values() -> None:
    requires = {"path": "consents.marketing", "in": ["yes"]}
    consent = {
        "name": "c",
        "status": "ENABLED",
        "marketingActionRefs": ["exportToThirdParty"],
        "requires": requires,
    }
    tried = {"method": "POST", "path": "/data/foundation/dulepolicy/consentPolicies", "body": consent}
    async with own_api(DEFINITION, events=EVENTS) as served:
        assert (await served.ask("POST", PREVIEWS, token=READ_TOKEN, json=tried)).status == 403
        assert (await served.ask("POST", PREVIEWS, json=tried)).body["backfill"]["segments"][0]["exited"] == 1


async def test_a_secret_that_is_tried_is_in_no_answer() -> None:
    secret = "a-secret-that-nobody-sees"
    change = {
        "method": "PATCH",
        "path": "/data/foundation/flowservice/connections/base",
        "body": [{"op": "replace", "path": "/auth/params/secretKey", "value": secret}],
        "ifMatch": "*",
    }
    for body in (
        change,
        {**change, "ifMatch": '"another"'},
        {**change, "method": secret},
        {**change, secret: secret},
    ):
        answer = await asked(body)
        if secret in body:
            assert answer.status == 400
        else:
            assert secret not in str(answer.body)


async def test_nothing_is_tried_while_the_definition_is_not_known() -> None:
    async with own_api(DEFINITION, events=EVENTS) as served:
        served.kept.unavailable = DefinitionUnavailable("it was not read yet")
        answer = await served.ask("POST", PREVIEWS, json=MAP_S2)
        assert (answer.status, answer.body["detail"]) == (503, "it was not read yet")


async def test_five_hundred_segments_and_attributes_are_tried() -> None:
    attributes: Any = [{"type": "JSON_PATH", "value": {"path": f"a{number}"}} for number in range(500)]
    segments: Any = [segment_selector(f"s{number}") for number in range(500)]
    params = {"segmentSelectors": {"selectors": segments}, "profileSelectors": {"selectors": attributes}}
    body = [{"op": "replace", "path": "/transformations", "value": [{"params": params}]}]
    found = (await asked({**MAP_S2, "body": body})).body
    assert (len(found["items"]), len(found["backfill"]["segments"])) == (1_000, 500)
