"""Who changed what, as it is answered to every token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from processor.flow_service.names import KINESIS_AUTHENTICATION, KINESIS_SPEC
from tests.support.dataflows import whole_definition
from tests.support.served_api import READ_TOKEN, TOKEN, ServedApi, served_api

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = "a-secret-key-that-nobody-sees"
CONNECTIONS: Final = "/flowservice/connections"


class Client:
    """Calls of the API with a token that may change, and the history as one that may read gets it."""

    def __init__(self, served: ServedApi, http: requests.Session) -> None:
        self.served = served
        self._http = http

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        answer = self._http.request(
            method,
            f"{self.served.url}/data/foundation{path}",
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}"} | headers,
        )
        assert answer.ok, answer.text
        return answer

    def history(self) -> dict[str, Any]:
        answer = self.call("GET", "/processor/history", Authorization=f"Bearer {READ_TOKEN}")
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture
def client() -> Iterator[Client]:
    with served_api() as served, requests.Session() as http:
        yield Client(served, http)


def connection(**keys: str) -> dict[str, Any]:
    params = {"region": "eu-west-1", **keys}
    return {
        "name": "Kinesis",
        "connectionSpec": {"id": KINESIS_SPEC, "version": "1.0"},
        "auth": {"specName": KINESIS_AUTHENTICATION, "params": params},
    }


def test_where_nothing_was_ever_defined_it_is_empty_and_whole(client: Client) -> None:
    assert client.history() == {"items": [], "isWhole": True}


def test_each_change_is_told_with_who_when_and_what_the_latest_first_and_no_secret_is_in_it(
    client: Client,
) -> None:
    made = client.call("POST", CONNECTIONS, connection(accessKeyId="AKIAONE", secretKey=SECRET))
    id_, etag = made.json()["id"], made.headers["ETag"]
    place = f"{CONNECTIONS}/{id_}"
    changed = client.call(
        "PATCH",
        place,
        [
            {"op": "replace", "path": "/auth/params/secretKey", "value": f"{SECRET}-2"},
            {"op": "replace", "path": "/name", "value": "<b>Renamed</b>"},
        ],
        **{"If-Match": etag},
    )
    client.call("DELETE", place)
    history = client.history()
    assert history["isWhole"]
    assert [(each["version"], each["changes"]) for each in history["items"]] == [
        (3, [_of(id_, "<b>Renamed</b>", "deleted")]),
        (2, [_of(id_, "<b>Renamed</b>", "changed", "name: Kinesis → <b>Renamed</b>", "credentials changed")]),
        (1, [_of(id_, "Kinesis", "made", "region: eu-west-1")]),
    ]
    by, times = {each["by"] for each in history["items"]}, [each["atMs"] for each in history["items"]]
    assert by == {client.served.kept.definition.history[0].by}
    assert times == sorted(times, reverse=True)
    assert changed.ok
    assert not [each for each in (SECRET, "AKIA", "sealed", TOKEN) if each in str(history)]


def test_what_is_refused_is_no_part_of_it(client: Client) -> None:
    made = client.call("POST", CONNECTIONS, connection())
    renamed = [{"op": "replace", "path": "/name", "value": "Another"}]
    with pytest.raises(AssertionError, match="If-Match"):
        client.call("PATCH", f"{CONNECTIONS}/{made.json()['id']}", renamed)
    assert [each["version"] for each in client.history()["items"]] == [1]


def test_what_an_older_release_wrote_has_none_and_that_is_told() -> None:
    with served_api(whole_definition()) as served, requests.Session() as http:
        client = Client(served, http)
        assert client.history() == {"items": [], "isWhole": False}
        client.call("POST", "/flowservice/flows/flow/action?op=disable")
        history = client.history()
    (entry,) = history["items"]
    assert (entry["version"], history["isWhole"]) == (8, False)
    assert entry["changes"] == [
        {
            "collection": "flows",
            "id": "flow",
            "name": "Campaign",
            "what": "changed",
            "details": ["state: enabled → disabled"],
        }
    ]


def _of(id_: str, name: str, what: str, *details: str) -> dict[str, Any]:
    return {"collection": "connections", "id": id_, "name": name, "what": what, "details": list(details)}
