"""The API is as it describes itself: whatever is asked by the description, or against it, is answered as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, checks
from schemathesis.core.result import Ok

import processor
from processor.api.calls import calls
from processor.api.openapi import PATH, openapi
from processor.api.routes import Change, Look
from processor.definition.model import Definition
from processor.definition.sealing import Sealing, sealed_body, sealed_token
from processor.flow_service.names import KINESIS_SPEC, PROFILE_FLOW_SPEC, PROFILE_SERVICE_SPEC
from processor.reference.openapi import openapi_reference
from tests.support.dataflows import flow_body, resource, whole_definition
from tests.support.flow_service_calls import SEALING_KEY
from tests.support.looked_at import looked_at
from tests.support.served_api import READ_TOKEN, TOKEN, ServedApi, served_api

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: Final = ("accessKeyId", "secretKey")
SECRET: Final = "a-secret-that-nobody-sees"
ROUTES: Final = calls(lambda: Sealing([SEALING_KEY]), looked_at(Definition))
DOCUMENT: Final[Any] = openapi(ROUTES)
SCHEMA: Final = schemathesis.openapi.from_dict(DOCUMENT)
# What is wrong in two ways may be refused for either: also for its If-Match, or for its length.
# Parameters that are not described are ignored, as published; tokens are tried below.
SCHEMA.config.generation.update(allow_extra_parameters=False, with_security_parameters=False)
SCHEMA.config.checks.negative_data_rejection.expected_statuses += ["412", "414", "431"]
OPERATIONS: Final = {
    f"{each.method.upper()} {each.path}": each
    for each in (result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok))
}
MODES: Final = [
    (name, mode)
    for name, operation in OPERATIONS.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.body or operation.query
]
"""Where all that a request has is a text, none is against the description."""
IS_THOROUGH: Final = settings.default is not None and settings.default.max_examples > 100
BY_OPERATION: Final = settings(
    max_examples=max(8, settings().max_examples // 12),
    derandomize=not IS_THOROUGH,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
NOT_CHECKED: Final[Any] = [
    # What a body's objects mean, and what they refer to, no schema says.
    checks.CHECKS.get_one("positive_data_acceptance"),
    # These make further requests, with what they know of the schema; both are asked for here by name.
    checks.CHECKS.get_one("ignored_auth"),
    checks.CHECKS.get_one("object_level_authorization"),
]


def _definition() -> Definition:
    """With an object of each kind."""
    whole = whole_definition(keys={})
    base = whole.find("connections", "base")
    assert base is not None
    auth: Any = base.body["auth"]
    params = auth["params"] | dict.fromkeys(KEYS, SECRET)
    with_keys = {**base.body, "auth": auth | {"params": params}}
    policy: dict[str, Any] = {"name": "p", "status": "DRAFT", "marketingActionRefs": ["partnerSync"]}
    return whole.with_(
        resource(
            "connections", "base", sealed_body("connections", "base", with_keys, Sealing([SEALING_KEY]))
        ),
        resource("marketingActions/custom", "partnerSync", {"name": "partnerSync"}),
        resource("policies/custom", "policy", policy | {"deny": {"label": "C2"}}),
        resource("consentPolicies", "consent", policy | {"requires": {"path": "a.b", "in": ["y"]}}),
    )


WHOLE: Final = _definition()
AUTH: Final[Any] = WHOLE.resources["connections", "base"].body["auth"]
SECRETS: Final = [SECRET, *(str(sealed_token(AUTH["params"][name])) for name in KEYS)]
"""In the clear, and as they are kept."""
WITHOUT_FLOW: Final = WHOLE.without([("flows", "flow")])
THERE: Final = {
    "connectionSpecs": KINESIS_SPEC,
    "flowSpecs": PROFILE_FLOW_SPEC,
    "connections": "base",
    "sourceConnections": "source",
    "targetConnections": "target",
    "flows": "flow",
    "marketingActions/core": "exportToThirdParty",
    "marketingActions/custom": "partnerSync",
    "policies/core": "corepolicy_C2",
    "policies/custom": "policy",
    "consentPolicies": "consent",
}
"""An object of each collection."""
NAMED: Final[dict[str, Any]] = {"name": "another", "description": "changed"}
POLICY: Final[dict[str, Any]] = {"name": "p", "status": "ENABLED", "marketingActionRefs": ["partnerSync"]}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "connections": NAMED | {"connectionSpec": {"id": KINESIS_SPEC}},
    "sourceConnections": NAMED
    | {"connectionSpec": {"id": PROFILE_SERVICE_SPEC}, "baseConnectionId": "platform"},
    "targetConnections": NAMED
    | {
        "connectionSpec": {"id": KINESIS_SPEC},
        "baseConnectionId": "base",
        "params": {"stream": "exports", "region": "eu-west-1", "marketingActions": ["partnerSync"]},
    },
    "flows": flow_body(),
    "policies/custom": POLICY | {"deny": {"label": "C2"}},
    "consentPolicies": POLICY | {"requires": {"path": "a.b", "in": ["y"]}},
    "labels": {"fields": {"personalEmail": ["C2"]}},
    "enabledCorePolicies": {"policyIds": ["corepolicy_C2"]},
    "outcomes": {
        "marketingActions": ["partnerSync"],
        "segments": [{"id": "s1"}],
        "attributes": ["personalEmail"],
    },
    "streams": {
        "auth": {"params": {"region": "eu-west-1", **dict.fromkeys(KEYS, SECRET)}},
        "stream": "exports",
    },
    "previews": {
        "method": "PATCH",
        "path": "/data/foundation/flowservice/flows/flow",
        "body": [{"op": "replace", "path": "/name", "value": "another"}],
        "ifMatch": "*",
    },
}
"""What may be made, or written in its place."""
PATCH: Final[list[Any]] = [{"op": "replace", "path": "/name", "value": "another"}]


NEED_A_TOKEN_THAT_MAY_CHANGE: Final = [
    f"{each.call.method} {each.call.path}"
    for each in ROUTES
    if isinstance(each, Change) or (isinstance(each, Look) and not each.may_any)
]


@pytest.fixture(scope="module")
def api() -> Iterator[ServedApi]:
    with served_api() as served:
        yield served


@pytest.fixture(scope="module")
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def aimed(case: Case[Any], data: st.DataObject, *, is_valid: bool = True) -> Case[Any]:
    """The case, mostly at an object that is there, at any version of it, and often with a body that says something."""
    collection = re.sub(r"/action|/{.*", "", case.path.removeprefix("/data/foundation/").partition("/")[2])
    for name in case.path_parameters or {}:
        if data.draw(st.integers(0, 3)):
            case.path_parameters[name] = THERE[collection]
    if "If-Match" in (case.headers or {}) and data.draw(st.integers(0, 3)):
        case.headers["If-Match"] = "*"
    if is_valid and isinstance(case.body, dict) and collection in BODIES and data.draw(st.booleans()):
        drawn = data.draw(st.sets(st.sampled_from(sorted(case.body)))) if case.body else set()
        case.body = BODIES[collection] | {name: case.body[name] for name in drawn}
    if is_valid and isinstance(case.body, list) and data.draw(st.booleans()):
        case.body = [*PATCH, *case.body] if data.draw(st.booleans()) else PATCH
    return case


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_every_request_is_answered_as_described(
    name: str, mode: GenerationMode, api: ServedApi, http: requests.Session
) -> None:
    strategy = OPERATIONS[name].as_strategy(generation_mode=mode)

    @BY_OPERATION
    @given(st.data())
    def each(data: st.DataObject) -> None:
        case = aimed(data.draw(strategy), data, is_valid=mode is GenerationMode.POSITIVE)
        start = api.kept.definition = data.draw(st.sampled_from([WHOLE, WITHOUT_FLOW]))
        answer = case.call(api.url, http, headers={"Authorization": f"Bearer {TOKEN}"})
        case.validate_response(answer, excluded_checks=NOT_CHECKED)
        assert not [each for each in SECRETS if each in answer.content.decode()]
        if answer.status_code >= 400:
            assert api.kept.definition is start

    each()


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_a_known_token_nothing_is_told_and_nothing_changes(
    name: str, api: ServedApi, http: requests.Session
) -> None:
    strategy = OPERATIONS[name].as_strategy()

    @BY_OPERATION
    @given(st.data(), st.sampled_from([None, "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN]))
    def each(data: st.DataObject, authorization: str | None) -> None:
        case = aimed(data.draw(strategy), data)
        api.kept.definition = WHOLE
        case.headers.pop("Authorization", None)
        answer = case.call(
            api.url, http, headers={} if authorization is None else {"Authorization": authorization}
        )
        case.validate_response(answer, excluded_checks=NOT_CHECKED)
        assert answer.status_code == 401
        assert api.kept.definition is WHOLE

    each()


@pytest.mark.parametrize("name", NEED_A_TOKEN_THAT_MAY_CHANGE)
def test_a_read_token_changes_nothing(name: str, api: ServedApi, http: requests.Session) -> None:
    strategy = OPERATIONS[name].as_strategy()

    @BY_OPERATION
    @given(st.data())
    def each(data: st.DataObject) -> None:
        case = aimed(data.draw(strategy), data)
        api.kept.definition = WHOLE
        answer = case.call(api.url, http, headers={"Authorization": f"Bearer {READ_TOKEN}"})
        case.validate_response(answer, excluded_checks=NOT_CHECKED)
        assert answer.status_code == 403
        assert api.kept.definition is WHOLE

    each()


def test_the_api_answers_its_description_to_whoever_may_read(api: ServedApi, http: requests.Session) -> None:
    assert http.get(api.url + PATH).status_code == 401
    answer = http.get(api.url + PATH, headers={"Authorization": f"Bearer {READ_TOKEN}"})
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)


def test_the_description_has_every_call_and_is_valid_openapi() -> None:
    described = {
        f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert described == {f"{each.call.method} {each.call.path}" for each in ROUTES}
    SCHEMA.validate()


def test_what_is_said_once_is_said_in_one_place() -> None:
    ids = [each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids)) == len(ROUTES)
    named = DOCUMENT["components"]["schemas"]
    assert not [name for name in named if "__" in name], "two forms have the same name"


def test_the_file_in_the_docs_is_what_the_code_says() -> None:
    page = Path(processor.__file__).parents[1] / "docs" / "openapi.json"
    text = page.read_text(encoding="utf-8")
    assert text == openapi_reference(), "write it anew: make docs"
    assert json.loads(text) == DOCUMENT
