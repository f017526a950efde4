"""Credentials that streams are looked at with: a connection's that is kept, or those of a body, which are not kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.api.errors import Wrong, invalid
from processor.api.flow_service.bodies import ConnectionBody
from processor.api.flow_service.objects import Kind, Objects
from processor.api.request import Occasion, Request
from processor.configuration import parse_configuration
from processor.definition.files import DESTINATION_SOURCE, derived_files, name_of
from processor.definition.model import Definition, Resource
from processor.definition.parts import at
from processor.definition.sealing import SECRETS, is_reference
from processor.errors import ConfigurationError
from processor.flow_service.names import KINESIS_AUTHENTICATION, KINESIS_SPEC
from processor.flow_service.selectors import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.api.own.bodies import StreamsBody
    from processor.definition.sealing import Sealing
    from processor.errors import Problem
    from processor.flow_service.documents import Json
    from processor.governance.destination import Connection, Destination

_ID: Final = "asked-for"
_ANY_STREAM: Final = "any"
_ACTIVE: Final[dict[str, Json]] = {
    "params": {"segmentSelectors": {"selectors": [{"type": SEGMENT, "value": {"id": "none is mapped yet"}}]}}
}


class Account(NamedTuple):
    """A region and the connection to it; the `connection` is None where `problems` say what of it cannot be used here.

    Those are variables that are not set and secrets that do not open; or they are of the stream, and the connection is there.
    """

    region: str
    connection: Connection | None
    problems: tuple[Wrong, ...]


def account_of(
    definition: Definition, asked: StreamsBody, sealing: Sealing, environ: Mapping[str, str]
) -> Account:
    """The connection that a body asks for, with its secrets in the clear.

    Raises:
        ApiError: it is asked for both ways or neither, there is no such connection, or it is not one that could be kept (400).

    """
    if (asked.connection_id is None) == (asked.auth is None):
        raise invalid("give either connectionId, of a connection that is kept, or auth")
    base = _kept(definition, asked) if asked.auth is None else _made(asked, sealing)
    region = at(base.body, "auth", "params", "region") or asked.region
    if not isinstance(region, str) or not region:
        place = "/region" if asked.auth is None else "/auth/params/region"
        raise invalid("no region is given", [Wrong(place, "it is missing", "Give the region of the stream")])
    unset = tuple(_unset(base, asked, environ))
    if unset:
        return Account(region, None, unset)
    destination, problems = _parsed(_part(base, region, _ANY_STREAM), sealing, environ)
    if destination is not None and asked.stream is not None:
        _, problems = _parsed(_part(base, region, asked.stream), sealing, environ)
    connection = None if destination is None else destination.connection
    return Account(region, connection, tuple(_wrong(problems, base, asked)))


def _parsed(
    part: Definition, sealing: Sealing, environ: Mapping[str, str]
) -> tuple[Destination | None, list[Problem]]:
    derived = derived_files(part, sealing.unseal)
    if derived.problems or derived.destination is None:
        return None, list(derived.problems)
    found: list[Problem] = []
    try:
        return parse_configuration((derived.destination, DESTINATION_SOURCE), None, environ, found)[0], []
    except ConfigurationError:
        return None, [derived.traced(each) for each in found]


def _kept(definition: Definition, asked: StreamsBody) -> Resource:
    base = definition.find("connections", asked.connection_id or "")
    if base is None or at(base.body, "connectionSpec", "id") != KINESIS_SPEC:
        raise invalid(
            "there is no such connection to Amazon Kinesis",
            [
                Wrong(
                    "/connectionId",
                    "there is no connection to Amazon Kinesis of this id",
                    "List /connections",
                )
            ],
        )
    return base


def _made(asked: StreamsBody, sealing: Sealing) -> Resource:
    """The connection as `POST /connections` would make it of the same members; what that refuses is refused."""
    given = {} if asked.auth is None else asked.auth.params.model_dump(by_alias=True, exclude_none=True)
    body: dict[str, Json] = {
        "name": _ID,
        "connectionSpec": {"id": KINESIS_SPEC},
        "auth": {"specName": KINESIS_AUTHENTICATION, "params": given},
    }
    objects = Objects(Kind("connections", "connection", ConnectionBody), lambda: sealing)
    made, _ = objects.make(Definition(), Request(body=body), Occasion(0, _ID, lambda: _ID))
    return made.resources["connections", _ID]


def _part(base: Resource, region: str, stream: str) -> Definition:
    """A definition whose dataflow leads to this connection, and to this stream."""
    target: dict[str, Json] = {"baseConnectionId": base.id, "params": {"stream": stream, "region": region}}
    flow: dict[str, Json] = {"name": _ID, "targetConnectionIds": [_ID], "transformations": [_ACTIVE]}
    return Definition().with_(
        base,
        replace(base, collection="targetConnections", id=_ID, body=target),
        replace(base, collection="flows", id=_ID, body=flow),
    )


def _unset(base: Resource, asked: StreamsBody, environ: Mapping[str, str]) -> Iterator[Wrong]:
    """Variables that hold keys, and do not here: the loader's own words of them are for who writes files."""
    for name in SECRETS:
        value = at(base.body, "auth", "params", name)
        if isinstance(value, str) and is_reference(value) and not environ.get(variable := value[2:-1]):
            place = f"/auth/params/{name}" if asked.connection_id is None else "/connectionId"
            yield Wrong(
                place,
                f"the environment variable {variable} is not set where this service runs",
                "Set it there and start the service anew, or name another",
            )


def _wrong(problems: list[Problem], base: Resource, asked: StreamsBody) -> Iterator[Wrong]:
    for each in problems:
        if each.source == name_of("targetConnections", _ID):
            place = "/stream" if each.member == "/params/stream" else "/region"
        elif asked.auth is None:
            place = "/connectionId"
        else:
            place = each.member if each.source == name_of("connections", base.id) else ""
        yield Wrong(place, each.message, each.remedy)
