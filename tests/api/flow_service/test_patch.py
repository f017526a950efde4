"""JSON Patch on connections and flows: what it may touch, and what a refusal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.api.errors import ApiError
from processor.api.flow_service.patching import patched
from processor.flow_service.names import KINESIS_SPEC
from tests.support.dataflows import resource, whole_definition
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

ANY = "*"


@pytest.fixture
def calls() -> Calls:
    return Calls(whole_definition())


@pytest.fixture
def sealed() -> tuple[Calls, str]:
    made = Calls()
    id_, _ = made.made(
        "/connections",
        {
            "name": "k",
            "connectionSpec": {"id": KINESIS_SPEC},
            "auth": {
                "params": {"accessKeyId": "AKIA", "secretKey": "very secret", "region": "eu-west-1"},
            },
        },
    )
    return made, id_


@pytest.mark.parametrize(
    ("operations", "name"),
    [
        ([{"op": "replace", "path": "/name", "value": "b"}], "b"),
        ([{"op": "add", "path": "/name", "value": "b"}], "b"),
        ([{"op": "test", "path": "/name", "value": "Campaign"}], "Campaign"),
        ([{"op": "copy", "from": "/state", "path": "/name"}], "enabled"),
        (
            [
                {"op": "add", "path": "/description", "value": "d"},
                {"op": "move", "from": "/description", "path": "/name"},
            ],
            "d",
        ),
    ],
)
def test_operations_are_carried_out_in_their_order(calls: Calls, operations: list[Json], name: str) -> None:
    calls.call("PATCH", "/flows/flow", operations, ANY)
    assert calls.shown("/flows/flow")["name"] == name


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"op": "add"}, "no JSON Patch"),
        ([], "1 to 1000 operations"),
        ([{"op": "Add", "path": "/name", "value": 1}], "no JSON Patch"),
        ([{"op": "add", "path": "/name"}], "add needs a value"),
        ([{"op": "move", "path": "/name"}], "move needs from"),
        ([{"op": "remove", "path": "name"}], "Begin it with a slash"),
        ([{"op": "replace", "path": "", "value": {}}], "it names no member"),
        ([{"op": "remove", "path": "/description"}], "no such place"),
        ([{"op": "remove", "path": "/transformations/01"}], "no JSON pointer"),
        ([{"op": "add", "path": "/transformations/9", "value": {}}], "no such place"),
        ([{"op": "replace", "path": "/etag", "value": "a"}], "etag is kept by the service"),
        ([{"op": "add", "path": "/inheritedAttributes/a", "value": "a"}], "kept by the service"),
        ([{"op": "remove", "path": "/name"}], "it is missing"),
        ([{"op": "replace", "path": "/name", "value": 1}], "/name"),
        ([{"op": "replace", "path": "/state", "value": "draft"}], "/state"),
        ([{"op": "replace", "path": "/flowSpec/id", "value": "x"}], "x is not known here"),
        ([{"op": "add", "path": "/targetConnectionIds/-", "value": "x"}], "a dataflow here has one"),
        ([{"op": "replace", "path": "/targetConnectionIds/0", "value": "x"}], "no such one: x"),
    ],
)
def test_what_cannot_be_done_is_refused_whole(calls: Calls, patch: Json, message: str) -> None:
    refusal = calls.refused("PATCH", "/flows/flow", patch, ANY)
    assert refusal.status == 400
    assert message in refusal.detail or any(message in str(each) for each in refusal.places)


def test_a_test_that_fails_changes_nothing(calls: Calls) -> None:
    patch: Json = [
        {"op": "replace", "path": "/name", "value": "b"},
        {"op": "test", "path": "/name", "value": "a"},
    ]
    refusal = calls.refused("PATCH", "/flows/flow", patch, ANY)
    assert (refusal.status, refusal.places[0].pointer) == (409, "/1")


def test_the_same_patch_can_be_carried_out_again_where_another_change_came_first() -> None:
    patch: list[Json] = [
        {"op": "add", "path": "/a", "value": {"b": []}},
        {"op": "add", "path": "/a/b/-", "value": 1},
    ]
    body: dict[str, Json] = {"c": [1]}
    assert patched(body, patch) == patched(body, patch) == {"a": {"b": [1]}, "c": [1]}
    assert body == {"c": [1]}


def test_copies_of_copies_are_refused_before_they_fill_the_memory() -> None:
    doubling: list[Json] = [{"op": "copy", "from": "/a", "path": "/a/-"}]
    with pytest.raises(ApiError, match="too large"):
        patched({"a": [[]]}, doubling * 900)


def test_operations_that_nest_ever_deeper_are_refused() -> None:
    deep: list[Json] = [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 900)]
    with pytest.raises(ApiError, match="nested too deeply"):
        patched({}, deep)


@pytest.mark.parametrize("if_match", [None, '"other"', 'W/"other"'])
def test_a_patch_names_the_version_that_it_is_made_from(calls: Calls, if_match: str | None) -> None:
    refusal = calls.refused("PATCH", "/flows/flow", [{"op": "remove", "path": "/state"}], if_match)
    assert refusal.status == (400 if if_match is None else 412)


@pytest.mark.parametrize("if_match", ['"flow-1"', "flow-1", '""flow-1""', '"other", "flow-1"', "*"])
def test_an_etag_is_known_however_a_script_quotes_it(calls: Calls, if_match: str) -> None:
    patch: Json = [{"op": "replace", "path": "/name", "value": "b"}]
    calls.call("PATCH", "/flows/flow", patch, if_match)
    assert calls.refused("PATCH", "/flows/flow", patch, '"flow-1"').status == 412


def test_a_patch_that_changes_nothing_keeps_the_etag_and_the_definition(calls: Calls) -> None:
    before = calls.definition
    answer = calls.call(
        "PATCH", "/flows/flow", [{"op": "replace", "path": "/name", "value": "Campaign"}], ANY
    )
    assert answer.etag == '"flow-1"'
    assert calls.definition is before


def test_a_secret_is_replaced_as_published_and_never_shown(sealed: tuple[Calls, str]) -> None:
    calls, id_ = sealed
    params: dict[str, Json] = {"accessKeyId": "AKIB", "secretKey": "newer secret"}
    calls.call("PATCH", f"/connections/{id_}", [{"op": "add", "path": "/auth/params", "value": params}], ANY)
    auth = calls.shown(f"/connections/{id_}")["auth"]
    assert auth == {"params": {"accessKeyId": "**********", "secretKey": "**********"}}
    assert "newer secret" not in str([dict(each.body) for each in calls.definition.resources.values()])


def test_other_members_change_and_the_secrets_stay(sealed: tuple[Calls, str]) -> None:
    calls, id_ = sealed
    before = calls.definition.resources["connections", id_].body["auth"]
    calls.call("PATCH", f"/connections/{id_}", [{"op": "replace", "path": "/name", "value": "b"}], ANY)
    assert calls.definition.resources["connections", id_].body["auth"] == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/auth/params/secretKey", "value": "very secret"},
        {"op": "test", "path": "/auth", "value": {}},
        {"op": "copy", "from": "/auth/params/secretKey", "path": "/name"},
        {"op": "copy", "from": "/auth/params/secretKey/$sealed", "path": "/description"},
        {"op": "copy", "from": "/auth/params", "path": "/description"},
        {"op": "move", "from": "/auth", "path": "/description"},
        {"op": "move", "from": "/name", "path": "/auth/params/secretKey"},
        {"op": "copy", "from": "/auth/p~0arams/../params/secretKey", "path": "/name"},
    ],
)
def test_no_operation_tells_or_carries_a_secret(
    sealed: tuple[Calls, str], operation: dict[str, Json]
) -> None:
    calls, id_ = sealed
    refusal = calls.refused("PATCH", f"/connections/{id_}", [operation], ANY)
    assert refusal.status == 400
    assert "$sealed" not in str(refusal.json()["report"]).replace(str(operation.get("from")), "")
    assert "very secret" not in str(refusal.json())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("**********", "what is shown in a secret's place"),
        ("${HOME}", "begin with EXPORT_"),
        ({"$sealed": "gAAAA"}, "sealed by somebody else"),
        ({"a": "b"}, "string"),
        (7, "string"),
    ],
)
def test_what_is_no_secret_is_not_taken_for_one(sealed: tuple[Calls, str], value: Json, message: str) -> None:
    calls, id_ = sealed
    patch: Json = [{"op": "replace", "path": "/auth/params/secretKey", "value": value}]
    refusal = calls.refused("PATCH", f"/connections/{id_}", patch, ANY)
    assert message in refusal.detail


def test_a_connection_cannot_become_one_to_something_else(calls: Calls) -> None:
    patch: Json = [{"op": "replace", "path": "/connectionSpec/id", "value": KINESIS_SPEC}]
    assert "cannot change" in calls.refused("PATCH", "/connections/platform", patch, ANY).detail


def test_files_of_keys_stay_and_cannot_be_named_anew(calls: Calls) -> None:
    keys: dict[str, Json] = {"accessKeyIdFile": "/run/id", "secretKeyFile": "/run/secret"}
    calls.definition = whole_definition(keys=keys)
    calls.call("PATCH", "/connections/base", [{"op": "replace", "path": "/name", "value": "b"}], ANY)
    patch: Json = [{"op": "replace", "path": "/auth/params/secretKeyFile", "value": "/etc/shadow"}]
    assert "not named by the API" in calls.refused("PATCH", "/connections/base", patch, ANY).detail


def test_a_problem_of_another_object_is_told_of_that(calls: Calls) -> None:
    calls.definition = calls.definition.with_(
        resource("connections", "other", {"name": "o", "connectionSpec": {"id": KINESIS_SPEC}})
    )
    patch: Json = [{"op": "replace", "path": "/params/stream", "value": "a b"}]
    refusal = calls.refused("PATCH", "/targetConnections/target", patch, ANY)
    assert {(each.of, each.pointer) for each in refusal.places} >= {
        ("targetConnections/target", "/params/stream")
    }
