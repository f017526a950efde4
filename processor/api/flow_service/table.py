"""The Flow Service's part of the table of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.flow_service.bodies import (
    Changed,
    ConnectionBody,
    FlowBody,
    One,
    Operation,
    Page,
    SourceConnectionBody,
    Specs,
    TargetConnectionBody,
)
from processor.api.flow_service.lists import QUERY
from processor.api.flow_service.objects import SERVICE, Kind, Objects
from processor.api.flow_service.specs import (
    get_connection_spec,
    get_flow_spec,
    list_connection_specs,
    list_flow_specs,
)
from processor.api.routes import Call, Change, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.api.routes import Route
    from processor.definition.sealing import Sealing

_KINDS: Final = (
    Kind("connections", "connection", ConnectionBody),
    Kind("sourceConnections", "source connection", SourceConnectionBody),
    Kind("targetConnections", "target connection", TargetConnectionBody),
    Kind("flows", "flow", FlowBody, deleted=202),
)


def flow_service_routes(sealing: Callable[[], Sealing]) -> tuple[Route, ...]:
    """All calls of the service; `sealing` is asked anew with each secret, so that its keys may change."""
    return (*_specs(), *(route for kind in _KINDS for route in _of_kind(kind, Objects(kind, sealing))))


def _specs() -> Iterator[Route]:
    for path, noun, all_of_them, one in (
        ("connectionSpecs", "connection spec", list_connection_specs, get_connection_spec),
        ("flowSpecs", "flow spec", list_flow_specs, get_flow_spec),
    ):
        place = f"{SERVICE}/{path}"
        yield Read(Call("GET", place, f"List the {noun}s.", Specs, query=QUERY), all_of_them)
        yield Read(Call("GET", f"{place}/{{id}}", f"Show a {noun}.", Specs), one)


def _of_kind(kind: Kind, objects: Objects) -> Iterator[Route]:
    place, noun = f"{SERVICE}/{kind.collection}", kind.noun
    one = f"{place}/{{id}}"
    yield Read(Call("GET", place, f"List the {noun}s.", Page, query=QUERY), objects.list)
    yield Change(
        Call("POST", place, f"Make a {noun}.", Changed, kind.form, status=201, has_etag=True), objects.make
    )
    yield Read(Call("GET", one, f"Show a {noun}.", One, has_etag=True), objects.get)
    yield Change(
        Call(
            "PATCH",
            one,
            f"Change a {noun} by a JSON Patch.",
            Changed,
            list[Operation],
            status=202,
            needs_if_match=True,
            has_etag=True,
        ),
        objects.patch,
    )
    yield Change(
        Call("DELETE", one, f"Delete a {noun} that nothing depends on.", status=kind.deleted), objects.delete
    )
    if kind.collection == "flows":
        yield Change(
            Call(
                "POST",
                f"{one}/action",
                "Enable or disable a flow.",
                Changed,
                status=202,
                query={"op": "`enable` or `disable`."},
                has_etag=True,
            ),
            objects.act,
        )
