"""What can be connected, and how it flows: the specs that the published tutorial asks for by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.errors import not_found
from processor.api.flow_service.lists import listed
from processor.api.request import Answer
from processor.flow_service.names import (
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
    SPEC_VERSION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.api.request import Request
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json


def _text(description: str) -> dict[str, Json]:
    return {"type": "string", "description": description}


_KINESIS_AUTH: Final[dict[str, Json]] = {
    "name": KINESIS_AUTHENTICATION,
    "type": "KeyBased",
    "spec": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "description": "Without keys, AWS's default credential chain of the service.",
        "properties": {
            "accessKeyId": _text(
                "The access key id, or ${EXPORT_…}, a variable of the service's environment."
            ),
            "secretKey": {**_text("The secret key, or ${EXPORT_…}."), "format": "password"},
            "region": _text("The AWS region."),
            "connectionUrl": _text("Another endpoint than AWS's."),
        },
        "dependencies": {"accessKeyId": ["secretKey"], "secretKey": ["accessKeyId"]},
    },
}
_KINESIS_TARGET: Final[dict[str, Json]] = {
    "name": "Amazon Kinesis",
    "spec": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "stream": _text("The stream's name."),
            "region": _text("The AWS region."),
            "marketingActions": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What the data is used for: names of marketing actions, or references to them.",
            },
            "partitionKey": _text("`profile`, or `identity:NAMESPACE`."),
            "includeSegmentNames": {"type": "boolean"},
            "includeSegmentTimestamps": {"type": "boolean"},
        },
        "required": ["stream"],
    },
}
CONNECTION_SPECS: Final[tuple[dict[str, Json], ...]] = (
    {
        "id": KINESIS_SPEC,
        "name": "Amazon Kinesis",
        "version": SPEC_VERSION,
        "authSpec": [_KINESIS_AUTH],
        "targetSpec": _KINESIS_TARGET,
        "attributes": {"isDestination": True, "category": "cloudStorage"},
    },
    {
        "id": PROFILE_SERVICE_SPEC,
        "name": "Profile Service",
        "version": SPEC_VERSION,
        "authSpec": [],
        "sourceSpec": {"name": "Profiles", "spec": {"type": "object", "properties": {}}},
        "attributes": {"isSource": True},
    },
)
FLOW_SPECS: Final[tuple[dict[str, Json], ...]] = (
    {
        "id": PROFILE_FLOW_SPEC,
        "name": "Profiles to a streaming destination",
        "version": SPEC_VERSION,
        "sourceConnectionSpecIds": [PROFILE_SERVICE_SPEC],
        "targetConnectionSpecIds": [KINESIS_SPEC],
        "transformationSpecs": [{"name": "GeneralTransform"}],
    },
)


def list_connection_specs(_: Definition, request: Request) -> Answer:
    """`GET connectionSpecs`."""
    return listed(CONNECTION_SPECS, request, "/connectionSpecs")


def get_connection_spec(_: Definition, request: Request) -> Answer:
    """`GET connectionSpecs/{id}`."""
    return _one(CONNECTION_SPECS, request, "connection spec")


def list_flow_specs(_: Definition, request: Request) -> Answer:
    """`GET flowSpecs`."""
    return listed(FLOW_SPECS, request, "/flowSpecs")


def get_flow_spec(_: Definition, request: Request) -> Answer:
    """`GET flowSpecs/{id}`."""
    return _one(FLOW_SPECS, request, "flow spec")


def _one(specs: Sequence[Mapping[str, Json]], request: Request, what: str) -> Answer:
    id_ = request.parts["id"]
    found: list[Json] = [dict(each) for each in specs if each["id"] == id_]
    if not found:
        raise not_found(what, id_)
    return Answer(body={"items": found})
