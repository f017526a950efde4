"""Whatever a request has: it is answered or refused, and what is accepted is what workers can follow."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from processor.api.errors import ApiError
from processor.configuration import parse_files
from processor.definition.files import files_of, why_idle
from processor.flow_service.names import (
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
)
from processor.governance.plan import compile_plan
from tests.support.dataflows import attribute_selector, flow_body, segment_selector, whole_definition
from tests.support.file_strategies import texts
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

SECRET = "not-to-be-seen-anywhere"
NAMES = [
    "name", "description", "connectionSpec", "id", "version", "auth", "specName", "params", "accessKeyId", "secretKey",
    "region", "connectionUrl", "stream", "marketingActions", "partitionKey", "baseConnectionId", "data", "format", "state",
    "flowSpec", "sourceConnectionIds", "targetConnectionIds", "transformations", "segmentSelectors", "selectors", "type",
    "value", "path", "operator", "createTime", "mappingCreatedAt", "namespace", "$sealed", "etag", "accessKeyIdFile",
]  # fmt: skip
known = st.sampled_from(
    [
        KINESIS_SPEC, PROFILE_SERVICE_SPEC, PROFILE_FLOW_SPEC, KINESIS_AUTHENTICATION, "source", "target", "base", "platform",
        "enabled", "disabled", "json", "PLATFORM_SEGMENT", "JSON_PATH", "EXISTS", "${EXPORT_A}", "${HOME}", "**********",
        "\ud800", "a\0b", "a..b", "segmentMembership",
    ]
)  # fmt: skip
anything: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts, known),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES: list[tuple[str, dict[str, Json]]] = [
    ("/connections", {"name": "p", "connectionSpec": {"id": PROFILE_SERVICE_SPEC}}),
    (
        "/connections",
        {
            "name": "k",
            "connectionSpec": {"id": KINESIS_SPEC, "version": "1.0"},
            "auth": {
                "specName": KINESIS_AUTHENTICATION,
                "params": {"accessKeyId": "AKIA", "secretKey": SECRET, "region": "eu-west-1"},
            },
        },
    ),
    (
        "/sourceConnections",
        {"name": "s", "connectionSpec": {"id": PROFILE_SERVICE_SPEC}, "baseConnectionId": "platform"},
    ),
    (
        "/targetConnections",
        {
            "name": "t",
            "connectionSpec": {"id": KINESIS_SPEC},
            "baseConnectionId": "base",
            "params": {"stream": "exports", "region": "eu-west-1", "marketingActions": ["emailTargeting"]},
        },
    ),
    ("/flows", flow_body([segment_selector("a", createTime="1640289901")], [attribute_selector()])),
]
PATHS = st.lists(st.one_of(st.sampled_from([*NAMES, "0", "-", "1"]), texts), max_size=6).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": PATHS},
    optional={"value": anything, "from": PATHS},
)


def asked(calls: Calls, method: str, path: str, body: Json) -> None:
    """Ask, and see that nothing is told or kept that may not be."""
    try:
        told = json.dumps(calls.call(method, path, body, "*").body)
    except ApiError as error:
        told = json.dumps(error.json())
    kept = json.dumps([dict(each.body) for each in calls.definition.resources.values()])
    assert SECRET not in told + kept
    if why_idle(calls.definition) is None:
        compile_plan(
            *parse_files(
                files_of(calls.definition, calls.sealing.unseal),
                {"EXPORT_KEY_ID": "a", "EXPORT_SECRET": "b", "EXPORT_A": "c"},
            )
        )


@given(st.data())
def test_no_body_breaks_a_post(data: st.DataObject) -> None:
    path, valid = data.draw(st.sampled_from(BODIES))
    body: Json = copy.deepcopy(valid)
    for _ in range(data.draw(st.integers(1, 3))):
        at: Json = body
        while isinstance(at, dict | list) and at:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            inner: Json = at[key]  # type: ignore[call-overload, index]  # a name of an object, or a place in a list
            if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
                at = inner
                continue
            # The secret stays where it is, or goes: elsewhere it would be no secret.
            at[key] = data.draw(anything)  # type: ignore[call-overload, index]  # as above
            break
    calls = Calls(whole_definition())
    if path == "/flows":
        calls.call("DELETE", "/flows/flow")
    asked(calls, "POST", path, body)


@given(anything, st.sampled_from([path for path, _ in BODIES]))
def test_no_json_breaks_a_post(body: Json, path: str) -> None:
    asked(Calls(whole_definition()), "POST", path, body)


@given(
    st.lists(operations, max_size=4),
    st.sampled_from(
        ["/flows/flow", "/connections/base", "/targetConnections/target", "/sourceConnections/source"]
    ),
)
def test_no_patch_breaks_an_object(patch: list[Json], path: str) -> None:
    asked(Calls(whole_definition()), "PATCH", path, patch)


@given(
    st.dictionaries(
        st.sampled_from(["property", "orderby", "limit", "continuationToken", "count"]), texts, max_size=3
    )
)
def test_no_query_breaks_a_list(query: dict[str, str]) -> None:
    with suppress(ApiError):
        Calls(whole_definition()).call("GET", f"/flows?{urlencode(query)}")
