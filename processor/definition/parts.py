"""What a dataflow leads to; and what none leads to yet, as a definition in which one does, so that it is checked the same way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from processor.definition.files import maps_segments, the_flow
from processor.definition.model import Target
from processor.flow_service.names import KINESIS_SPEC
from processor.flow_service.selectors import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.definition.model import Definition, Resource
    from processor.flow_service.documents import Json


def target_and_base(definition: Definition) -> tuple[Resource, Resource] | None:
    """The two connections that the dataflow leads to."""
    flow = the_flow(definition)
    ids = None if flow is None else flow.body.get("targetConnectionIds")
    target_id = ids[0] if isinstance(ids, list) and len(ids) == 1 else None
    target = definition.find("targetConnections", target_id) if isinstance(target_id, str) else None
    base_id = None if target is None else target.body.get("baseConnectionId")
    base = definition.find("connections", base_id) if isinstance(base_id, str) else None
    return None if target is None or base is None else (target, base)


def target_of(definition: Definition) -> Target | None:
    """Where the dataflow goes."""
    both = target_and_base(definition)
    if both is None:
        return None
    stream = at(both[0].body, "params", "stream")
    region = at(both[0].body, "params", "region") or at(both[1].body, "auth", "params", "region")
    if not isinstance(stream, str) or not isinstance(region, str):
        return None
    return Target(stream.rpartition("/")[2], region)


def at(body: Mapping[str, Json], *steps: str) -> Json:
    """What stands in an object's body under these members; None where nothing does."""
    value: Json = dict(body)
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def with_a_segment(new: Definition) -> Definition:
    """The definition as it is once a segment is mapped, so that all else of a dataflow is checked before one is."""
    flow = the_flow(new)
    if flow is None or maps_segments(flow):
        return new
    steps = flow.body.get("transformations")
    return new.with_(
        replace(
            flow,
            body={
                **flow.body,
                "transformations": [*(steps if isinstance(steps, list) else []), _ANY_SEGMENT],
            },
        )
    )


_ANY_SEGMENT: Final[dict[str, Json]] = {
    "params": {"segmentSelectors": {"selectors": [{"type": SEGMENT, "value": {"id": "none is mapped yet"}}]}}
}
_ANY_ID: Final = "any"
_ANY_FLOW: Final[Mapping[str, Json]] = {"name": "any", "transformations": [_ANY_SEGMENT]}
_ANY_REGION: Final = "us-east-1"


def parts_in_waiting(former: Definition, new: Definition) -> Iterator[Definition]:
    """Each changed connection to Kinesis that the dataflow does not lead to, as a definition in which one does."""
    in_use = target_and_base(new) or ()
    for resource in (*new.of("connections"), *new.of("targetConnections")):
        is_changed = former.find(resource.collection, resource.id) != resource
        if not is_changed or resource in in_use or at(resource.body, "connectionSpec", "id") != KINESIS_SPEC:
            continue
        target = resource
        if resource.collection == "connections":
            region = at(resource.body, "auth", "params", "region") or _ANY_REGION
            body: Mapping[str, Json] = {
                "baseConnectionId": resource.id,
                "params": {"stream": "any", "region": region},
            }
            target = replace(resource, collection="targetConnections", id=_ANY_ID, body=body)
        flow = replace(
            resource,
            collection="flows",
            id=_ANY_ID,
            body={**_ANY_FLOW, "targetConnectionIds": [target.id]},
        )
        others = new.without(("flows", each.id) for each in new.of("flows"))
        yield others.with_(target, flow)
