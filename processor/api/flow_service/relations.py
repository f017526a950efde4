"""What an object's members may be beside the others: specs, ids of connections, files of keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from processor.api.errors import Wrong
from processor.definition.files import KEY_FILES
from processor.definition.parts import at
from processor.definition.sealing import SECRETS, is_reference, sealed_token
from processor.flow_service.findings import pointer
from processor.flow_service.names import (
    EVENT_HUBS_SPEC,
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.definition.model import Collection, Definition
    from processor.flow_service.documents import Json

_ANY_VARIABLE = re.compile(r"\$\{.*\}", re.DOTALL)
_SPEC: Final = pointer("connectionSpec", "id")
_PARAMS: Final = ("auth", "params")


def wrong_relations(
    definition: Definition,
    collection: Collection,
    body: Mapping[str, Json],
    former: Mapping[str, Json] | None,
) -> list[Wrong]:
    """What is wrong with the body of an object that fits its form; `former` is its body until now, None for a new one."""
    wrong = list(_OF[collection](definition, body))
    if (
        former is not None
        and collection == "connections"
        and at(former, "connectionSpec", "id") != at(body, "connectionSpec", "id")
    ):
        wrong.append(Wrong(_SPEC, "it cannot change", "Make another connection"))
    if collection == "connections":
        wrong.extend(_wrong_keys(body, former or {}))
    return wrong


def dependants(definition: Definition, collection: Collection, id_: str) -> list[tuple[str, str]]:
    """The objects that name another by its id: their names, and where in them."""
    members: Mapping[str, str] = {
        "connections": "baseConnectionId",
        "sourceConnections": "sourceConnectionIds",
        "targetConnections": "targetConnectionIds",
    }
    member = members.get(collection)
    found: list[tuple[str, str]] = []
    for each in definition.resources.values():
        value = None if member is None else each.body.get(member)
        if isinstance(value, list) and id_ in value:
            found.append((f"{each.collection}/{each.id}", pointer(str(member), value.index(id_))))
        elif value == id_:
            found.append((f"{each.collection}/{each.id}", pointer(str(member))))
    return found


def _of_connection(_: Definition, body: Mapping[str, Json]) -> Iterator[Wrong]:
    spec = at(body, "connectionSpec", "id")
    if spec == PROFILE_SERVICE_SPEC:
        if body.get("auth") is not None:
            yield Wrong("/auth", "a connection to the platform has none here", "Leave it out")
    elif spec == KINESIS_SPEC:
        name = at(body, "auth", "specName")
        if name not in {None, KINESIS_AUTHENTICATION}:
            yield Wrong("/auth/specName", f"{name!r} is not known here", f"Give {KINESIS_AUTHENTICATION!r}")
    else:
        yield _unknown_spec(spec)


def _of_source(definition: Definition, body: Mapping[str, Json]) -> Iterator[Wrong]:
    spec = at(body, "connectionSpec", "id")
    if spec != PROFILE_SERVICE_SPEC:
        yield Wrong(_SPEC, f"{spec} is not the platform's profiles", f"Give {PROFILE_SERVICE_SPEC}")
    yield from _base(definition, body, PROFILE_SERVICE_SPEC)
    yield from _format(body)


def _of_target(definition: Definition, body: Mapping[str, Json]) -> Iterator[Wrong]:
    spec = at(body, "connectionSpec", "id")
    if spec != KINESIS_SPEC:
        yield _unknown_spec(spec)
    yield from _base(definition, body, KINESIS_SPEC)
    yield from _format(body)


def _of_flow(definition: Definition, body: Mapping[str, Json]) -> Iterator[Wrong]:
    spec = at(body, "flowSpec", "id")
    if spec != PROFILE_FLOW_SPEC:
        yield Wrong("/flowSpec/id", f"{spec} is not known here", f"Give {PROFILE_FLOW_SPEC}")
    ids_by_member: tuple[tuple[str, Collection], ...] = (
        ("sourceConnectionIds", "sourceConnections"),
        ("targetConnectionIds", "targetConnections"),
    )
    for member, collection in ids_by_member:
        ids = body.get(member)
        if not isinstance(ids, list) or len(ids) != 1:
            yield Wrong(pointer(member), "a dataflow here has one", f"Give the id of one of /{collection}")
        elif definition.find(collection, str(ids[0])) is None:
            yield Wrong(
                pointer(member, 0), f"there is no such one: {ids[0]}", f"Give the id of one of /{collection}"
            )


_OF: Final = {
    "connections": _of_connection,
    "sourceConnections": _of_source,
    "targetConnections": _of_target,
    "flows": _of_flow,
}


def _unknown_spec(spec: Json) -> Wrong:
    message = "it is Azure Event Hubs'" if spec == EVENT_HUBS_SPEC else f"{spec} is not known here"
    return Wrong(_SPEC, message, f"Exports go to Amazon Kinesis: give {KINESIS_SPEC}")


def _base(definition: Definition, body: Mapping[str, Json], spec: str) -> Iterator[Wrong]:
    id_ = str(body.get("baseConnectionId"))
    base = definition.find("connections", id_)
    if base is None:
        yield Wrong("/baseConnectionId", f"there is no such one: {id_}", "Give the id of one of /connections")
    elif at(base.body, "connectionSpec", "id") != spec:
        yield Wrong(
            "/baseConnectionId", f"the connection {id_} is of another spec", f"Give one of the spec {spec}"
        )


def _format(body: Mapping[str, Json]) -> Iterator[Wrong]:
    given = at(body, "data", "format")
    if given not in {None, "json"}:
        yield Wrong("/data/format", f"{given!r} is not known here", "Give json")


def _wrong_keys(body: Mapping[str, Json], former: Mapping[str, Json]) -> Iterator[Wrong]:
    for name in SECRETS:
        place, value = pointer(*_PARAMS, name), at(body, *_PARAMS, name)
        if sealed_token(value) is not None and value != at(former, *_PARAMS, name):
            yield Wrong(place, "it is sealed by somebody else", "Give the secret itself, or ${EXPORT_…}")
        elif isinstance(value, str) and _ANY_VARIABLE.fullmatch(value) and not is_reference(value):
            yield Wrong(
                place,
                "only variables whose names begin with EXPORT_ are looked at",
                "Name it ${EXPORT_…} in the service's environment",
            )
    for name in KEY_FILES:
        value = at(body, *_PARAMS, name)
        if value is not None and value != at(former, *_PARAMS, name):
            yield Wrong(
                pointer(*_PARAMS, name),
                "files of the service's machine are not named by the API",
                "Give the secret itself, or ${EXPORT_…}",
            )
