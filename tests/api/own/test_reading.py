"""The calls of our own that only read: a token, marketing actions, a sample, and what governance makes of a choice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.api.http import PREFIX
from processor.errors import DefinitionUnavailable, KafkaRefused, KafkaUnavailable
from processor.operations.marketing_actions import MEANINGS
from tests.api.own.served import OWN, own_api
from tests.api.test_http import READ_TOKEN, TOKEN
from tests.support.dataflows import resource, whole_definition

if TYPE_CHECKING:
    from processor.operations.topic_sample import SampleRead

HOSTILE: Final = '<img src=x onerror="alert(1)">'
TIME: Final = "2020-05-25T21:24:39Z"


def event(segment: str, **attributes: Any) -> bytes:
    entry = {"status": "realized", "lastQualificationTime": TIME, "name": HOSTILE}
    return json.dumps({"segmentMembership": {"ups": {segment: entry}}, **attributes}).encode()


@pytest.mark.parametrize(("token", "may_change"), [(TOKEN, True), (READ_TOKEN, False)])
async def test_a_token_is_told_whose_it_is_also_while_kafka_is_away(token: str, may_change: bool) -> None:
    async with own_api() as served:
        served.kept.unavailable = DefinitionUnavailable("it was not read yet")
        answer = await served.ask("GET", f"{OWN}/token", token=token)
        assert answer.status == 200
        assert answer.body["mayChange"] == may_change
        assert answer.body["name"].startswith("token ")
        assert token not in str(answer.body)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_all_marketing_actions_have_their_meanings_the_platform_s_own_first() -> None:
    custom = resource(
        "marketingActions/custom", "partnerSync", {"name": "partnerSync", "description": HOSTILE}
    )
    bare = resource("marketingActions/custom", "bare", {"name": "bare"})
    async with own_api(whole_definition().with_(custom, bare)) as served:
        items = (await served.ask("GET", f"{OWN}/marketing-actions", token=READ_TOKEN)).body["items"]
    assert {each["name"]: each["meaning"] for each in items[:10]} == dict(MEANINGS)
    assert all(each["isCore"] for each in items[:10])
    assert items[10:] == [
        {"name": "partnerSync", "meaning": HOSTILE, "isCore": False},
        {"name": "bare", "meaning": "", "isCore": False},
    ]


async def test_a_sample_is_shown_with_masked_examples_and_names_as_they_are() -> None:
    events = [(b"1", event("s1", email="jane@example.com")), (b"2", b"no JSON"), (None, b"{}")]
    async with own_api(events=events) as served:
        answer = await served.ask("GET", f"{OWN}/sample", token=READ_TOKEN)
    assert answer.status == 200
    assert answer.body.pop("sampledAtMs") > 0
    assert answer.body == {
        "topic": "profiles",
        "partitions": 1,
        "partitionsRead": 1,
        "events": 3,
        "profiles": 1,
        "invalid": {"bad-json": 1, "bad-key": 1},
        "segments": [{"namespace": "ups", "id": "s1", "name": HOSTILE, "members": 1, "entries": 1}],
        "attributes": [{"path": "email", "kinds": "text", "present": 1, "example": "xxxx@xxxxxxx.xxx"}],
        "furtherSegments": 0,
        "furtherAttributes": 0,
        "unnameable": 0,
    }


async def test_a_sample_is_read_anew_only_for_who_asks_for_that() -> None:
    async with own_api() as served:
        first = await served.ask("GET", f"{OWN}/sample")
        assert (await served.ask("GET", f"{OWN}/sample?refresh=true")).body == first.body, (
            "it is no five seconds old"
        )
        for query in ("refresh=yes", "refresh=", "refresh=true&refresh=true"):
            assert (await served.ask("GET", f"{OWN}/sample?{query}")).status == 400


@pytest.mark.parametrize(
    "error", [KafkaUnavailable("Kafka does not answer"), KafkaRefused("topic profiles does not exist")]
)
async def test_a_topic_that_cannot_be_read_is_told(error: Exception) -> None:
    async def read() -> SampleRead:
        raise error

    async with own_api(read=read) as served:
        answer = await served.ask("GET", f"{OWN}/sample")
        assert (answer.status, answer.body["detail"]) == (503, str(error))


def governed() -> Any:
    policy: dict[str, Any] = {
        "name": "no third party",
        "status": "ENABLED",
        "marketingActionRefs": ["exportToThirdParty"],
    }
    together: Any = {"operator": "AND", "operands": [{"label": "C4"}, {"label": "C5"}]}
    return whole_definition(target={"marketingActions": ["exportToThirdParty"]}).with_(
        resource(
            "labels",
            "labels",
            {
                "fields": {"personalEmail": ["C2"], "a": ["C4"], "b": ["C5"]},
                "segments": [{"id": "s1", "labels": ["C2"]}, {"id": "s4", "labels": ["C4"]}],
            },
        ),
        resource("policies/custom", "p1", {**policy, "deny": {"label": "C2"}}),
        resource("policies/custom", "p2", {**policy, "name": "not together", "deny": together}),
    )


async def outcomes(body: Any, token: str = READ_TOKEN) -> Any:
    async with own_api(governed()) as served:
        answer = await served.ask("POST", f"{OWN}/outcomes", token=token, json=body)
        assert answer.status == 200, answer.body
        return answer.body


async def test_governance_is_told_beside_each_item_under_the_actions_in_force() -> None:
    found = await outcomes(
        {
            "segments": [{"id": "s1"}, {"namespace": "crm", "id": "s1"}],
            "attributes": ["personalEmail.address", "age"],
        }
    )
    assert (found["enforcement"], found["marketingActions"]) == ("filter", ["exportToThirdParty"])
    removed = {"policy": "no third party", "action": "exportToThirdParty", "labels": ["C2"]}
    assert found["items"] == [
        {"kind": "segment", "name": "s1", "namespace": "ups", "labels": ["C2"], "removedBy": removed},
        {"kind": "segment", "name": "s1", "namespace": "crm", "labels": [], "removedBy": None},
        {"kind": "attribute", "name": "personalEmail.address", "labels": ["C2"], "removedBy": removed},
        {"kind": "attribute", "name": "age", "labels": [], "removedBy": None},
    ]


async def test_other_actions_than_those_in_force_can_be_tried_by_name_or_reference() -> None:
    refs = ["analytics", "/data/foundation/dulepolicy/marketingActions/core/emailTargeting"]
    found = await outcomes({"marketingActions": refs, "segments": [{"id": "s1"}]})
    assert found["marketingActions"] == ["analytics", "emailTargeting"]
    assert found["items"][0]["removedBy"] is None
    assert (await outcomes({"marketingActions": [], "segments": [{"id": "s1"}]}))["items"][0][
        "removedBy"
    ] is None


def removed(found: Any) -> dict[str, str | None]:
    return {
        each["name"]: None if each["removedBy"] is None else each["removedBy"]["policy"]
        for each in found["items"]
    }


async def test_items_are_taken_as_mapped_together_or_each_beside_what_is_chosen() -> None:
    assert removed(await outcomes({"attributes": ["a", "b"]})) == {"a": None, "b": "not together"}
    assert removed(await outcomes({"attributes": ["b", "a"]})) == {"b": None, "a": "not together"}
    assert removed(await outcomes({"attributes": ["a", "b"], "beside": {}})) == {"a": None, "b": None}
    chosen = {"segments": [{"id": "s4"}]}
    assert removed(await outcomes({"attributes": ["a", "b"], "beside": chosen})) == {
        "a": None,
        "b": "not together",
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (None, ""),
        ({"segments": [{}]}, "/segments/0/id"),
        ({"segments": [{"id": "a", "namespace": ""}]}, "/segments/0/namespace"),
        ({"attributes": [7]}, "/attributes/0"),
        ({"attributes": ["a"] * 5_001}, "/attributes"),
        ({"marketingActions": ["analytics", "unknown"]}, "/marketingActions/1"),
        ({"more": 1}, "/more"),
    ],
)
async def test_what_is_no_choice_is_refused_with_where(body: Any, pointer: str) -> None:
    async with own_api(governed()) as served:
        refused = await served.ask(
            "POST", f"{OWN}/outcomes", data=json.dumps(body), headers={"Content-Type": "application/json"}
        )
    assert refused.status == 400
    assert [each["pointer"] for each in refused.body["report"]["errors"]] == [pointer]


async def test_labels_that_a_former_release_took_are_told() -> None:
    odd = resource("labels", "labels", {"fields": {"a": "C2"}})
    async with own_api(whole_definition().with_(odd)) as served:
        refused = await served.ask("POST", f"{OWN}/outcomes", json={})
    assert refused.status == 400
    assert refused.body["report"]["errors"][0]["of"] == "labels"


async def test_an_empty_service_has_no_actions_and_forbids_what_is_never_exported_alone() -> None:
    async with own_api() as served:
        found = (await served.ask("POST", f"{OWN}/outcomes", json={"segments": [{"id": "a"}]})).body
        assert (found["marketingActions"], found["items"][0]["removedBy"]) == ([], None)
        assert (await served.ask("GET", f"{PREFIX}/processor/nothing")).status == 404
