"""Objects as they are shown: with the books that are kept on them, what a flow inherits, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.definition.sealing import shown_body

if TYPE_CHECKING:
    from processor.definition.model import Definition, Resource
    from processor.flow_service.documents import Json


def shown(definition: Definition, resource: Resource) -> dict[str, Json]:
    """The object as `GET` answers it."""
    books: dict[str, Json] = {
        "id": resource.id,
        "createdAt": resource.created_at_ms,
        "updatedAt": resource.updated_at_ms,
        "createdBy": resource.created_by,
        "updatedBy": resource.updated_by,
    }
    body = dict(shown_body(resource.collection, resource.body))
    after: dict[str, Json] = {
        "state": body.pop("state", "enabled"),
        "version": resource.etag,
        "etag": resource.etag,
    }
    inherited = {"inheritedAttributes": _inherited(definition, resource)}
    return {**books, **body, **after, **(inherited if resource.collection == "flows" else {})}


def _inherited(definition: Definition, flow: Resource) -> dict[str, Json]:
    return {
        "properties": {"isDestinationFlow": True, "isSourceFlow": False},
        "sourceConnections": [
            {**each, "typeInfo": {"type": "ProfileFragments", "id": "ups"}}
            for each in _connections(definition, "sourceConnections", flow.body.get("sourceConnectionIds"))
        ],
        "targetConnections": list(
            _connections(definition, "targetConnections", flow.body.get("targetConnectionIds"))
        ),
    }


def _connections(definition: Definition, collection: str, ids: Json) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for id_ in ids if isinstance(ids, list) else []:
        connection = next(
            (each for key, each in definition.resources.items() if key == (collection, id_)), None
        )
        if connection is None:
            continue
        described: dict[str, Json] = {
            "id": connection.id,
            "connectionSpec": connection.body.get("connectionSpec"),
        }
        base_id = connection.body.get("baseConnectionId")
        base = definition.find("connections", base_id) if isinstance(base_id, str) else None
        if base is not None:
            described["baseConnection"] = {
                "id": base.id,
                "connectionSpec": base.body.get("connectionSpec"),
            }
        found.append(described)
    return found
