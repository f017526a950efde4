"""The API's own description, OpenAPI 3.1, made from the table of its calls and from the forms of their bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, JsonValue, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from processor.api.flow_service.bodies import Operation
from processor.api.request import Answer
from processor.api.routes import Call, Change, Look, Read
from processor.flow_service.names import BOOKKEEPING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.api.request import Request
    from processor.api.routes import Route
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json

PATH: Final = "/data/foundation/flowservice/openapi.json"

_VERSION: Final = "1"
"""The API's: its calls are the published ones, and their forms change as those do."""
_ABOUT: Final = (
    "The calls of Adobe's Flow Service and Policy Service that define a dataflow to Amazon Kinesis and its policies, and "
    "under `/data/foundation/processor` the service's own, which change nothing. "
    "Objects may have further members: what has no effect is told in the answer's `report`. Parameters that are not "
    "named here are ignored. Every answer has the headers `x-request-id`, by which the log has it, too, and "
    "`x-changes-under-way`: how many changes this process had in its hands."
)
_JSON: Final = "application/json"
_JSON_PATCH: Final = "application/json-patch+json"
_PROBLEM: Final = "application/problem+json"
_TEXT: Final[dict[str, Json]] = {"type": "string"}
_QUERY_FORMS: Final[Mapping[str, dict[str, Json]]] = {
    "property": {"type": "array", "items": {"type": "string"}},
    "limit": {"type": "integer", "minimum": 1},
    "op": {"enum": ["enable", "disable"]},
    "refresh": {"enum": ["true", "false"]},
}
"""Of the parameters that are no text."""
_NEEDED: Final = frozenset({"op"})
_REFUSALS: Final[Mapping[int, str]] = {
    400: "The request, or what it would make, is wrong: `report` says what and where, also of a data policy violation.",
    401: "It has no token that is known.",
    403: "Its token may read, and change nothing.",
    404: "There is no such object.",
    408: "Its body comes too slowly.",
    409: "Other objects depend on this one, a `test` of a patch fails, or others' changes come first again and again.",
    412: "The object was changed since it was read: If-Match names another version.",
    413: "Its body is too large.",
    414: "Its path and query are too long.",
    415: "Its body is no JSON, by its headers.",
    429: "Too much is asked at once.",
    431: "Its headers are too large.",
    500: "A fault of the processor.",
    503: "Kafka, in which the definition is kept, is away; `detail` says so where a change may have been kept all the same.",
}
_OF_CHANGES: Final = frozenset({403, 408, 409, 412, 413, 415})
_OF_BODIES: Final = frozenset({408, 413, 415})
_PLACE: Final[dict[str, Json]] = {
    "type": "object",
    "description": "One thing that is wrong, and where.",
    "properties": {
        "of": {
            **_TEXT,
            "description": "The object that `pointer` leads into, where it is not the request's body.",
        },
        "pointer": {**_TEXT, "description": "A JSON pointer; empty where the whole is meant."},
        "message": _TEXT,
        "remedy": _TEXT,
    },
    "required": ["pointer", "message"],
    "additionalProperties": False,
}
_VIOLATION: Final[dict[str, Json]] = {
    "type": "object",
    "description": "A data policy violation: what a policy forbids to a marketing action, by which labels, and where.",
    "properties": {
        "policyName": _TEXT,
        "marketingAction": _TEXT,
        "labels": {"type": "array", "items": _TEXT},
        "kind": {"enum": ["segment", "attribute", "identity"]},
        "name": _TEXT,
        "where": {"$ref": "#/components/schemas/Place"},
    },
    "required": ["policyName", "marketingAction", "labels", "kind", "name"],
    "additionalProperties": False,
}
_REFUSAL: Final[dict[str, Json]] = {
    "type": "object",
    "description": "Why a request was refused, in the form of RFC 9457.",
    "properties": {
        "type": _TEXT,
        "title": {**_TEXT, "description": "Short, and the same for all of its kind."},
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "What was wrong with this one, and what to do."},
        "report": {
            "type": "object",
            "properties": {
                "code": {**_TEXT, "description": "The published number of the error, where it has one."},
                "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Place"}},
                "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
            },
            "additionalProperties": False,
        },
    },
    "required": ["type", "title", "status", "detail", "report"],
    "additionalProperties": False,
}


def described(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The calls, and one more, which answers what `openapi` says of them all, itself with them."""

    def answer(_: Definition, __: Request) -> Answer:
        return Answer(body=document)

    call = Call("GET", PATH, "Show this description of the API.", dict[str, JsonValue])
    whole = (*routes, Read(call, answer))
    document = openapi(whole)
    return whole


def openapi(routes: Sequence[Route]) -> dict[str, Json]:
    """The description of these calls, an OpenAPI 3.1 document."""
    forms, schemas = _schemas([route.call for route in routes])
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        operation = _operation(route, forms)
        paths.setdefault(route.call.path, {})[route.call.method.lower()] = operation
    schemas |= {"Refusal": _REFUSAL, "Place": _PLACE, "Violation": _VIOLATION}
    refusals: dict[str, Json] = {
        str(status): {
            "description": description,
            "content": {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Refusal"}}},
        }
        for status, description in _REFUSALS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dataflow and policies", "version": _VERSION, "description": _ABOUT},
        "security": [{"token": []}],
        "paths": {path: dict(operations) for path, operations in paths.items()},
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "responses": refusals,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `PROCESSOR_API_TOKEN`, or, for what only reads, of `PROCESSOR_API_READ_TOKEN`.",
                }
            },
        },
    }


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  pydantic asks so
        return False  # it would be the member's name again


def _schemas(calls: Sequence[Call]) -> tuple[dict[type[object], Json], dict[str, Json]]:
    """The schema of each form of a body or an answer, and those that they refer to, by name."""
    types = list(
        dict.fromkeys(form for call in calls for form in (call.body, call.answer) if form is not None)
    )
    # pydantic says of neither of the two that it is JSON.
    found: Any
    definitions: Any
    found, definitions = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(form)) for key, form in enumerate(types)],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    schemas: dict[str, Json] = definitions.get("$defs", {})
    for call in calls:
        if isinstance(call.body, type) and issubclass(call.body, BaseModel):
            # What the service keeps of an object may come along, and is not heeded.
            form = schemas[call.body.__name__]
            members = form.get("properties") if isinstance(form, dict) else None
            if isinstance(members, dict):
                for name in BOOKKEEPING & set(members):
                    del members[name]
    return {form: found[key, "validation"] for key, form in enumerate(types)}, schemas


def _operation(route: Route, forms: Mapping[type[object], Json]) -> dict[str, Json]:
    call = route.call
    described: dict[str, Json] = {
        "operationId": _operation_id(call),
        "summary": call.summary.removesuffix("."),
        "tags": [call.path.split("/")[3]],
        "parameters": _parameters(route),
    }
    if call.body is not None:
        content: dict[str, Json] = {_JSON: {"schema": forms[call.body]}}
        if call.body == list[Operation]:
            content[_JSON_PATCH] = content[_JSON]
        described["requestBody"] = {"required": True, "content": content}
    statuses = (call.status, 201) if call.may_make else (call.status,)
    answers: dict[str, Json] = {str(status): _answer(call, status, forms) for status in statuses}
    described["responses"] = answers | {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in _REFUSALS
        if _may_be_refused(route, status)
    }
    return described


def _may_be_refused(route: Route, status: int) -> bool:
    """Whether a call may be refused with it, beside what every call may."""
    if isinstance(route, Look):
        if status == 403:  # noqa: PLR2004  HTTP's
            return not route.may_any
        return status in {*route.refusals, *(_OF_BODIES if route.call.body is not None else ())} or (
            status not in _OF_CHANGES and status != 404  # noqa: PLR2004  HTTP's
        )
    if status == 404:  # noqa: PLR2004  HTTP's
        return "{" in route.call.path
    return isinstance(route, Change) or status not in _OF_CHANGES


def _parameters(route: Route) -> list[Json]:
    call = route.call
    parts = re.findall(r"{(\w+)}", call.path)
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in parts
    ]
    found += [
        {
            "name": name,
            "in": "query",
            "description": meaning,
            "required": name in _NEEDED,
            "schema": _QUERY_FORMS.get(name, _TEXT),
        }
        for name, meaning in call.query.items()
    ]
    if isinstance(route, Change) and (parts or call.method == "PUT"):
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The etag of the object as it was read, or `*` for any: of another version nothing is changed.",
                "required": call.needs_if_match,
                "schema": _TEXT,
            }
        )
    return found


def _answer(call: Call, status: int, forms: Mapping[type[object], Json]) -> dict[str, Json]:
    answer: dict[str, Json] = {"description": "Made." if status == 201 else "Done."}  # noqa: PLR2004  HTTP's
    if call.method == "GET":
        answer["description"] = "What was asked for."
    headers: dict[str, Json] = {}
    if call.has_etag:
        headers["ETag"] = {"description": "The object's version.", "required": True, "schema": _TEXT}
    if status == 201:  # noqa: PLR2004  HTTP's
        headers["Location"] = {"description": "The path of what was made.", "required": True, "schema": _TEXT}
    if headers:
        answer["headers"] = headers
    if call.answer is not None:
        answer["content"] = {_JSON: {"schema": forms[call.answer]}}
    return answer


def _operation_id(call: Call) -> str:
    """Such as `patch-flowservice-flows-id`."""
    steps = re.findall(r"\w+", call.path.removeprefix("/data/foundation/"))
    return "-".join([call.method.lower(), *steps])
