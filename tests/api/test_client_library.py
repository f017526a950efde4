"""The requests of a client library for both services (`aepp` 0.6.0), as it sends them and reads what it is answered.

The library itself drags in too much to be installed for this; each request here was seen to be its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from processor.flow_service.names import KINESIS_SPEC, PROFILE_FLOW_SPEC, PROFILE_SERVICE_SPEC
from tests.support.dataflows import attribute_selector, segment_selector, transformations
from tests.support.served_api import TOKEN, ServedApi, served_api

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "Authorization": f"Bearer {TOKEN}",
    "x-api-key": "key",
    "x-gw-ims-org-id": "ORG@AdobeOrg",
    "x-sandbox-name": "prod",
}
OF_KINESIS: Final = {"id": KINESIS_SPEC, "version": "1.0"}
OF_PLATFORM: Final = {"id": PROFILE_SERVICE_SPEC, "version": "1.0"}


class Client:
    """It has the same headers for every request, also where there is no body, and writes bodies as texts."""

    def __init__(self, served: ServedApi, session: requests.Session) -> None:
        self.served = served
        self._session = session

    def flow_service(self, method: str, path: str, data: Any = None, **more: Any) -> Any:
        return self._ask(method, f"/data/foundation/flowservice{path}", data, **more)

    def policy_service(self, method: str, path: str, data: Any = None, **more: Any) -> Any:
        return self._ask(method, f"/data/foundation/dulepolicy{path}", data, **more)

    def made(self, path: str, **data: Any) -> str:
        return str(self.flow_service("POST", path, data)["id"])

    def _ask(
        self, method: str, path: str, data: Any, params: Any = None, headers: dict[str, str] = HEADERS
    ) -> Any:
        body = None if data is None else json.dumps(data)
        answer = self._session.request(
            method, self.served.url + path, headers=headers, params=params, data=body
        )
        # It looks at no status but a deletion's, and at every other answer's JSON.
        return answer.status_code if method == "DELETE" else answer.json()


@pytest.fixture
def client() -> Iterator[Client]:
    with served_api() as served, requests.Session() as session:
        yield Client(served, session)


def dataflow(client: Client) -> tuple[str, str, str]:
    """Make one, and return the ids of its source connection, its target connection, and itself."""
    ups = client.made("/connections", name="ups", description="Connection to UPS", connectionSpec=OF_PLATFORM)
    source = client.made(
        "/sourceConnections",
        name="source",
        baseConnectionId=ups,
        connectionSpec=OF_PLATFORM,
        data={"format": "json"},
        params={},
    )
    base = client.made(
        "/connections",
        name="kinesis",
        connectionSpec=OF_KINESIS,
        auth={
            "specName": "Aws Kinesis authentication credentials",
            "params": {"accessKeyId": "AKIA", "secretKey": "hush", "region": "eu-west-1"},
        },
    )
    target = client.made(
        "/targetConnections",
        name="target",
        baseConnectionId=base,
        connectionSpec=OF_KINESIS,
        data={"format": "json"},
        params={"stream": "exports", "region": "eu-west-1"},
    )
    flow = client.made(
        "/flows",
        name="flow",
        flowSpec={"id": PROFILE_FLOW_SPEC, "version": "1.0"},
        sourceConnectionIds=[source],
        targetConnectionIds=[target],
        transformations=transformations([], [attribute_selector()]),
    )
    return source, target, flow


def test_specs_are_found_by_their_names(client: Client) -> None:
    specs = client.flow_service("GET", "/connectionSpecs")["items"]
    by_name = {spec["name"]: spec["id"] for spec in specs}
    assert by_name["Amazon Kinesis"] == KINESIS_SPEC
    one = client.flow_service("GET", f"/connectionSpecs/{KINESIS_SPEC}")
    assert one["items"][0]["name"] == "Amazon Kinesis"
    (flow_spec,) = client.flow_service(
        "GET", "/flowSpecs", params={"property": "name==Profiles to a streaming destination"}
    )["items"]
    assert by_name["Profile Service"] in flow_spec["sourceConnectionSpecIds"]
    assert by_name["Amazon Kinesis"] in flow_spec["targetConnectionSpecIds"]


def test_a_dataflow_is_made_changed_and_deleted(client: Client) -> None:
    source, target, flow = dataflow(client)
    (shown,) = client.flow_service("GET", f"/flows/{flow}")["items"]
    add = {
        "op": "add",
        "path": "/transformations/0/params/segmentSelectors/selectors/-",
        "value": segment_selector(),
    }
    # The member `etag` goes into the header as it is.
    with_match = {**HEADERS, "if-match": shown["etag"]}
    changed = client.flow_service("PATCH", f"/flows/{flow}", [add], headers=with_match)
    assert (changed["id"], changed["etag"] != shown["etag"]) == (flow, True)
    stale = client.flow_service("PATCH", f"/flows/{flow}", [add], headers=with_match)
    assert stale["status"] == 412
    assert "report" in stale, "by `status` and `report` an error is told from an object"
    without_type = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    for state, op in (("disabled", "disable"), ("enabled", "enable")):
        acted = client.flow_service("POST", f"/flows/{flow}/action?op={op}", headers=without_type)
        assert acted["id"] == flow
        assert client.flow_service("GET", f"/flows/{flow}")["items"][0]["state"] == state
    assert client.flow_service("DELETE", f"/targetConnections/{target}") == 409
    deleted = [
        client.flow_service("DELETE", path)
        for path in (f"/flows/{flow}", f"/sourceConnections/{source}", f"/targetConnections/{target}")
    ]
    assert deleted == [202, 204, 204]


def test_dataflows_are_listed_by_what_they_are(client: Client) -> None:
    flow = dataflow(client)[2]

    def listed(**params: Any) -> list[str]:
        answer = client.flow_service("GET", "/flows", params={"limit": 100, "count": False, **params})
        assert answer["_links"].get("next", {}).get("href", "") == ""
        return [each["id"] for each in answer["items"]]

    assert listed(property=None) == [flow]
    assert listed(property=f"id=={flow}") == [flow]
    assert listed(property="inheritedAttributes.properties.isDestinationFlow==true") == [flow]
    assert listed(property="inheritedAttributes.properties.isSourceFlow==true") == []
    counted = client.flow_service("GET", "/connections", params={"limit": 20, "count": True})
    assert counted == {"count": 2}


def test_pages_are_followed_by_their_link_and_by_the_token_in_it(client: Client) -> None:
    names = [f"connection {number}" for number in range(5)]
    for name in names:
        client.made("/connections", name=name, connectionSpec=OF_PLATFORM)
    params: dict[str, Any] = {"limit": 2}

    def by_link() -> Iterator[str]:
        path = "/connections"
        while path:  # the link is put behind the service's path, with the first page's parameters after it
            page = client.flow_service("GET", path, params=params)
            yield from (each["name"] for each in page["items"])
            path = page.get("_links", {}).get("next", {}).get("href", "")

    def by_token() -> Iterator[str]:
        href = "=first"
        while href:
            more = {} if href == "=first" else {"continuationToken": href.split("=")[1]}
            page = client.flow_service("GET", "/connections", params=params | more)
            yield from (each["name"] for each in page["items"])
            href = page["_links"].get("next", {}).get("href", "")

    assert list(by_link()) == names
    assert list(by_token()) == names


def test_policies_and_marketing_actions_are_made_and_listed(client: Client) -> None:
    for number in range(5):
        name = f"action{number}"
        made = client.policy_service(
            "PUT", f"/marketingActions/custom/{name}", {"name": name, "description": ""}
        )
        assert made["name"] == name
    found: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = client.policy_service("GET", "/marketingActions/custom", params=params)
        found += [each["name"] for each in page["children"]]
        params["start"] = page.get("_page", {}).get("next", "")
        if not params["start"]:
            break
    assert found == [f"action{number}" for number in range(5)]
    ref = f"{client.served.url}/data/foundation/dulepolicy/marketingActions/custom/action0"
    policy = client.policy_service(
        "POST",
        "/policies/custom",
        {
            "name": "policy",
            "status": "DRAFT",
            "marketingActionRefs": [ref],
            "deny": {"operator": "OR", "operands": [{"label": "C1"}, {"label": "C3"}]},
        },
    )
    assert client.policy_service("GET", f"/policies/custom/{policy['id']}")["name"] == "policy"
    assert client.policy_service("DELETE", "/marketingActions/custom/action0") == 400
    assert client.policy_service("DELETE", "/marketingActions/custom/action1") == 200
    assert client.policy_service("GET", "/enabledCorePolicies")["policyIds"] == []
