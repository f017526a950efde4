"""Dataflows, with their connections, as the calls of the published tutorial make them, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.definition.model import Definition, Resource
from processor.flow_service.names import (
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.definition.model import Collection
    from processor.flow_service.documents import Json

SEGMENT_ID = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
ATTRIBUTE_PATH = "personalEmail.address"


def resource(collection: Collection, id_: str, body: Mapping[str, Json]) -> Resource:
    """An object that somebody made at some time."""
    return Resource(collection, id_, body, f'"{id_}-1"', 1_700_000_000_000, 1_700_000_000_000, "a", "a")


def segment_selector(id_: str = SEGMENT_ID, **members: Json) -> dict[str, Json]:
    """A selector of a segment."""
    return {"type": "PLATFORM_SEGMENT", "value": {"id": id_, **members}}


def attribute_selector(path: str = ATTRIBUTE_PATH) -> dict[str, Json]:
    """A selector of an attribute."""
    return {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS"}}


def transformations(segments: list[Json], attributes: list[Json]) -> list[Json]:
    """A flow's transformations."""
    return [
        {
            "name": "GeneralTransform",
            "params": {
                "profileSelectors": {"selectors": attributes},
                "segmentSelectors": {"selectors": segments},
            },
        }
    ]


def flow_body(segments: list[Json] | None = None, attributes: list[Json] | None = None) -> dict[str, Json]:
    """A flow from `source` to `target`."""
    return {
        "name": "Campaign",
        "flowSpec": {"id": PROFILE_FLOW_SPEC, "version": "1.0"},
        "sourceConnectionIds": ["source"],
        "targetConnectionIds": ["target"],
        "transformations": transformations(
            [segment_selector()] if segments is None else segments,
            [attribute_selector()] if attributes is None else attributes,
        ),
        "state": "enabled",
    }


def whole_definition(
    *,
    keys: Mapping[str, Json] | None = None,
    target: Mapping[str, Json] | None = None,
    flow: Mapping[str, Json] | None = None,
) -> Definition:
    """A definition with all that a dataflow needs; `keys` and `target` are further members of either's `params`."""
    of_platform: dict[str, Json] = {"connectionSpec": {"id": PROFILE_SERVICE_SPEC, "version": "1.0"}}
    of_kinesis: dict[str, Json] = {"connectionSpec": {"id": KINESIS_SPEC, "version": "1.0"}}
    given: Mapping[str, Json] = (
        {"accessKeyId": "${EXPORT_KEY_ID}", "secretKey": "${EXPORT_SECRET}"} if keys is None else keys
    )
    return Definition(version=7).with_(
        resource("connections", "platform", {"name": "Platform", **of_platform}),
        resource(
            "sourceConnections",
            "source",
            {"name": "Profiles", "baseConnectionId": "platform", **of_platform},
        ),
        resource(
            "connections",
            "base",
            {
                "name": "Kinesis",
                **of_kinesis,
                "auth": {
                    "specName": KINESIS_AUTHENTICATION,
                    "params": {"region": "eu-west-1", **given},
                },
            },
        ),
        resource(
            "targetConnections",
            "target",
            {
                "name": "Stream",
                "baseConnectionId": "base",
                **of_kinesis,
                "data": {"format": "json"},
                "params": {"stream": "exports", "region": "eu-west-1", **(target or {})},
            },
        ),
        resource("flows", "flow", flow_body() if flow is None else flow),
    )
