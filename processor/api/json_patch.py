"""JSON Patch (RFC 6902): what a request does to an object's body, or why it cannot."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Annotated, Final, Literal

import jsonpatch
from jsonpointer import JsonPointerException
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from processor.api.errors import ApiError, Wrong, invalid
from processor.flow_service.findings import pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.flow_service.documents import Json

_OPERATIONS_MAX: Final = 1_000
_BYTES_MAX: Final = 16 << 20
"""Copies of copies would soon be larger than any memory."""


class Operation(BaseModel):
    """One step of a JSON Patch."""

    model_config = ConfigDict(strict=True, frozen=True)

    op: Literal["add", "remove", "replace", "move", "copy", "test"] = Field(description="What is done.")
    path: Annotated[str, Field(pattern=r"^(/.*)?$")] = Field(description="Where, as a JSON pointer.")
    from_: Annotated[str, Field(pattern=r"^(/.*)?$")] | None = Field(
        None, alias="from", description="Where what is moved or copied is."
    )
    value: JsonValue = Field(None, description="What is added, put in place, or tested for.")


def patched(
    body: Mapping[str, Json],
    patch: Json,
    allow: Callable[[Operation, Mapping[str, Json]], str | None] = lambda _operation, _body: None,
) -> dict[str, Json]:
    """The body after all operations of a request's patch, in their order; the one given stays as it is.

    `allow` says why an operation may not be done to the body as it is by then; None where it may.

    Raises:
        ApiError: the patch is none, or an operation cannot be done; which, and why.

    """
    made: Json = deepcopy(dict(body))
    for index, (operation, given) in enumerate(_operations(patch)):
        if not isinstance(made, dict):
            raise _refused(index, "the operation before it leaves no object")
        reason = allow(operation, made)
        if reason is not None:
            raise _refused(index, reason)
        try:
            made = jsonpatch.JsonPatch([given]).apply(made, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise _refused(index, f"{operation.path} has another value", status=409) from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, LookupError, ValueError):
            raise _refused(
                index, f"it cannot be done: {operation.op} at {operation.path or 'the whole'}"
            ) from None
        if operation.op == "copy" and len(json.dumps(made)) > _BYTES_MAX:
            raise _refused(index, "what it makes is too large")
    if not isinstance(made, dict):
        raise invalid("what the patch makes is no object")
    return made


def _operations(patch: Json) -> list[tuple[Operation, dict[str, Json]]]:
    if not isinstance(patch, list) or not patch:
        raise invalid("the body is no JSON Patch: give a list of operations, at least one (RFC 6902)")
    if len(patch) > _OPERATIONS_MAX:
        raise invalid(f"the patch has more than {_OPERATIONS_MAX} operations: send several")
    operations = []
    for index, each in enumerate(patch):
        if not isinstance(each, dict):
            raise _refused(index, "it is no object")
        try:
            operation = Operation.model_validate(each)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            raise invalid(
                "the body is no JSON Patch (RFC 6902)",
                [Wrong(pointer(index, *detail["loc"][:1]), detail["msg"])],
            ) from None
        for member, is_needed in (
            ("value", operation.op in {"add", "replace", "test"}),
            ("from", operation.op in {"move", "copy"}),
        ):
            if is_needed and member not in each:
                raise _refused(index, f"{operation.op} needs {member}")
        operations.append((operation, each))
    return operations


def _refused(index: int, reason: str, status: int = 400) -> ApiError:
    return ApiError(
        status,
        "Bad Request" if status == 400 else "Conflict",  # noqa: PLR2004  HTTP's
        "an operation of the patch cannot be done, so none is",
        [Wrong(pointer(index), reason)],
    )
