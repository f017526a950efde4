"""An item of a plan, as it is answered: with its labels, and what keeps it from leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.flow_service.documents import Json
    from processor.governance.plan import Item, Plan, Removal


def shown_item(item: Item, removal: Removal | None, name: str, namespace: str | None) -> dict[str, Json]:
    """An item under the name that calls give it: a segment's id, beside its namespace."""
    labels: list[Json] = [*sorted(item.labels)]
    shown: dict[str, Json] = {"kind": item.kind, "name": name}
    if namespace is not None:
        shown["namespace"] = namespace
    shown["labels"] = labels
    shown["removedBy"] = (
        None if removal is None else {"policy": removal.policy, "action": removal.action, "labels": labels}
    )
    return shown


def shown_items(plan: Plan) -> Iterator[dict[str, Json]]:
    """All items of a plan: identities that have labels, segments, attributes."""
    removals = {each.item: each for each in plan.standing.removals}
    segments = iter(plan.destination.segments)
    for item in plan.items:
        name, namespace = item.name, None
        if item.kind == "segment":
            segment = next(segments)
            name, namespace = segment.id, segment.namespace
        yield shown_item(item, removals.get(item), name, namespace)
