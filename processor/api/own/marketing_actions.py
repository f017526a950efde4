"""Marketing actions as people choose among them: each with what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.api.request import Answer
from processor.operations.marketing_actions import MEANINGS

if TYPE_CHECKING:
    from processor.api.request import Request
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json


def list_marketing_actions(definition: Definition, _: Request) -> Answer:
    """Answer the core ones by name, then the custom ones in the order in which they were made."""
    items: list[Json] = [
        {"name": name, "meaning": meaning, "isCore": True} for name, meaning in sorted(MEANINGS.items())
    ]
    for action in definition.of("marketingActions/custom"):
        description = action.body.get("description")
        meaning = description if isinstance(description, str) else ""
        items.append({"name": action.id, "meaning": meaning, "isCore": False})
    return Answer(body={"items": items})
