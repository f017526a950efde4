"""JSON Patch (RFC 6902) on an object's body: what it may touch, and how large what it makes may be."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, cast

import jsonpatch
from jsonpointer import JsonPointerException
from pydantic import TypeAdapter, ValidationError

from processor.api.errors import ApiError, Wrong, invalid
from processor.api.flow_service.bodies import Operation
from processor.definition.sealing import SECRETS
from processor.flow_service.findings import pointer
from processor.flow_service.names import BOOKKEEPING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.flow_service.documents import Json

_OPERATIONS_MAX: Final = 1000
_VALUES_MAX: Final = 200_000
"""In the object, after an operation that copies and at the end: each `copy` may double it."""
_DEPTH_MAX: Final = 60
_AUTH: Final = ("auth", "params")
_LOOKS: Final = frozenset({"test", "copy", "move"})
"""Operations that tell, or carry elsewhere, what is there."""

_PATCH: Final = TypeAdapter(list[Operation])


def patched(body: Mapping[str, Json], patch: Json) -> dict[str, Json]:
    """The body as the operations make it, one after the other; the one given stays as it is.

    Raises:
        ApiError: the patch is none, or touches what it may not (400), or a `test` of it fails (409).

    """
    operations = _operations(patch)
    document: Json = copy.deepcopy(dict(body))
    for index, operation in enumerate(operations):
        place = pointer(index)
        try:
            document = cast("Json", jsonpatch.JsonPatch([operation]).apply(document, in_place=True))
        except jsonpatch.JsonPatchTestFailed:
            raise ApiError(
                409,
                "Conflict",
                f"the test of operation {index} fails, so nothing was changed",
                [Wrong(place, "the value there is another", "Read the object again")],
            ) from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, ValueError, KeyError) as error:
            # Its words may quote the body.
            raise _wrong(
                place, f"it cannot be applied: {_reason(error)}", "Read the object, and name a place in it"
            ) from None
        except RecursionError:
            raise _wrong(place, "what it makes is nested too deeply", "Write it out plainly") from None
        if operation["op"] == "copy":
            _check_size(document, place)
    _check_size(document, pointer(len(operations) - 1))
    if not isinstance(document, dict):
        raise _wrong("", "it makes no object", "Change members of the object")
    return document


def _operations(patch: Json) -> Sequence[Mapping[str, Json]]:
    try:
        operations = _PATCH.validate_python(patch)
    except ValidationError as error:
        raise invalid(
            "the body is no JSON Patch (RFC 6902): a list of operations, each with op and path",
            [Wrong(pointer(*each["loc"]), str(each["msg"])) for each in error.errors(include_url=False)],
        ) from None
    if not operations or len(operations) > _OPERATIONS_MAX:
        raise _wrong("", f"a patch has 1 to {_OPERATIONS_MAX} operations", "Give as many in each request")
    made: list[Mapping[str, Json]] = []
    for index, operation in enumerate(operations):
        _check(operation, index)
        members: dict[str, Json] = {"op": operation.op, "path": operation.path}
        if operation.op in {"add", "replace", "test"}:
            if "value" not in operation.model_fields_set:
                raise _wrong(pointer(index), f"{operation.op} needs a value", "Give one; it may be null")
            # A copy: what later operations change of it must not be the request's, which may be carried out again.
            members["value"] = copy.deepcopy(operation.value)
        if operation.from_ is not None:
            members["from"] = operation.from_
        made.append(members)
    return made


def _check(operation: Operation, index: int) -> None:
    """Refuse an operation on what is not the caller's to change, or would show a secret."""
    needs_from = operation.op in {"copy", "move"}
    if needs_from and operation.from_ is None:
        raise _wrong(pointer(index), f"{operation.op} needs from", "Say what is taken")
    paths = {"path": operation.path, **({"from": operation.from_ or ""} if needs_from else {})}
    for member, path in paths.items():
        place = pointer(index, member)
        if not path.startswith("/"):
            raise _wrong(place, "it names no member of the object", "Begin it with a slash: /name")
        steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
        if steps[0] in BOOKKEEPING:
            raise _wrong(place, f"{steps[0]} is kept by the service", "Change other members")
        if operation.op in _LOOKS and _may_hold_secrets(steps):
            raise _wrong(
                place,
                f"there may be secrets, which no {operation.op} may touch",
                "Give what is new by replace",
            )


def _may_hold_secrets(steps: Sequence[str]) -> bool:
    """Whether a path leads to, into, or around one of the secrets of a connection."""
    return any(all(given == of for given, of in zip(steps, (*_AUTH, name), strict=False)) for name in SECRETS)


def _check_size(document: Json, place: str) -> None:
    rest: list[tuple[int, Json]] = [(0, document)]
    count = 0
    while rest:
        depth, value = rest.pop()
        count += 1
        if depth > _DEPTH_MAX or count > _VALUES_MAX:
            raise _wrong(place, "what it makes is nested too deeply, or too large", "Write it out plainly")
        if isinstance(value, dict):
            rest.extend((depth + 1, inner) for inner in value.values())
        elif isinstance(value, list):
            rest.extend((depth + 1, inner) for inner in value)


def _reason(error: Exception) -> str:
    """Why, in our words."""
    if isinstance(error, JsonPointerException):
        return "its path is no JSON pointer, or leads nowhere"
    return "there is no such place in the object"


def _wrong(place: str, message: str, remedy: str) -> ApiError:
    return invalid(
        f"operation {place or '(the patch)'}: {message}. {remedy}", [Wrong(place, message, remedy)]
    )
