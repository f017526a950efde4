"""The members that are known of each object of the two services; those that are not are collected, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from processor.flow_service.findings import pointer
from processor.flow_service.names import BOOKKEEPING

if TYPE_CHECKING:
    from processor.flow_service.documents import Json
    from processor.flow_service.findings import Findings

_BATCH = "it is of destinations that write files; each change is exported at once here"


class ApiObject(BaseModel):
    """An object of either service; `no_counterpart` says of members why our files have none like it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, alias_generator=to_camel)
    no_counterpart: ClassVar[Mapping[str, str]] = {}


class Spec(ApiObject):
    """The kind of a connection or a flow."""

    id: str
    version: str | None = None


class AuthParams(ApiObject):
    """What Amazon Kinesis is reached with; the texts of the two keys go no further than the question what they are."""

    access_key_id: str | None = None
    secret_key: str | None = None
    region: str | None = None
    connection_url: str | None = None


class Auth(ApiObject):
    """How a base connection authenticates."""

    spec_name: str | None = None
    params: AuthParams | None = None


class BaseConnection(ApiObject):
    """What a `POST /connections` for Amazon Kinesis makes."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    state: str | None = None
    connection_spec: Spec | None = None
    auth: Auth | None = None


class DataFormat(ApiObject):
    """How exports are written."""

    format: str | None = None


class TargetParams(ApiObject):
    """Where exports go, and, in members that no published object has, what for and how."""

    stream: str | None = None
    region: str | None = None
    marketing_actions: list[str] = []
    partition_key: str | None = None
    include_segment_names: bool | None = None
    include_segment_timestamps: bool | None = None


class TargetConnection(ApiObject):
    """What a `POST /targetConnections` for Amazon Kinesis makes."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    state: str | None = None
    base_connection_id: str | None = None
    connection_spec: Spec | None = None
    data: DataFormat | None = None
    params: TargetParams


class Selectors(ApiObject):
    """A list of selectors, each read by its type."""

    no_counterpart = {
        "mandatoryFields": _BATCH,
        "primaryFields": "profiles are told apart by Kafka's key alone",
    }
    selectors: list[JsonValue] = []


class TransformationParams(ApiObject):
    """What a flow exports."""

    segment_selectors: Selectors | None = None
    profile_selectors: Selectors | None = None


class Transformation(ApiObject):
    """A step of a flow."""

    name: str | None = None
    params: TransformationParams | None = None


class Flow(ApiObject):
    """A dataflow."""

    no_counterpart = {"scheduleParams": _BATCH}
    id: str | None = None
    name: str | None = None
    description: str | None = None
    state: str | None = None
    flow_spec: Spec | None = None
    source_connection_ids: list[str] = []
    target_connection_ids: list[str] = []
    transformations: list[Transformation] = []


class SegmentValue(ApiObject):
    """A mapped segment; times are in ms, but for `createTime` and `updateTime`, which alone a published object has."""

    no_counterpart = {
        "description": "a segment has no description here",
        "filenameTemplate": _BATCH,
        "exportMode": _BATCH,
        "schedule": _BATCH,
    }
    id: str
    name: str | None = None
    namespace: str | None = None
    create_time: str | int | None = None
    update_time: str | int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    mapping_created_at: int | None = None
    mapping_updated_at: int | None = None


class SegmentSelector(ApiObject):
    """The selector of a segment."""

    type: str
    value: SegmentValue


class AttributeValue(ApiObject):
    """A mapped attribute."""

    no_counterpart = {"identity": "every identity of a profile is exported by itself"}
    path: str
    operator: str | None = None
    mapping: dict[str, JsonValue] | None = None


class AttributeSelector(ApiObject):
    """The selector of an attribute."""

    type: str
    value: AttributeValue


class MarketingAction(ApiObject):
    """A marketing action."""

    name: str
    description: str | None = None


class Policy(ApiObject):
    """A policy; `deny` is a data usage policy's and `requires` a consent policy's, whose form our loader checks."""

    name: str
    description: str | None = None
    status: str
    marketing_action_refs: list[str]
    deny: JsonValue = None
    requires: JsonValue = None


AnyObject = TypeVar("AnyObject", bound=ApiObject)


_TOLD: Final = {
    "missing": ("it is missing", "Add it"),
    "extra_forbidden": ("there is no such member here", "Leave it out"),
}


def fit(
    model: type[AnyObject], tree: Json | Mapping[str, Json], source: str, place: str, found: Findings
) -> AnyObject | None:
    """The tree as `model`, with what is not known of it noted; None, with problems noted, where it does not fit."""
    try:
        fitted = model.model_validate(tree)
    except ValidationError as error:
        # A member that may be a text or a number is wrong in two ways, at one place.
        told = {
            detail["loc"][: _depth(tree, detail["loc"])]: detail for detail in error.errors(include_url=False)
        }
        for loc, detail in told.items():
            message, remedy = _TOLD.get(
                detail["type"],
                (
                    str(detail["msg"]).removeprefix("Value error, "),
                    "Give it as the API does: see docs/flow-service.md",
                ),
            )
            found.complain(source, place + pointer(*loc), message, remedy)
        return None
    collect_unknown(fitted, source, place, found)
    return fitted


def collect_unknown(fitted: ApiObject, source: str, place: str, found: Findings) -> None:
    """Note every member of an object, and of those in it, that its model does not know."""
    extra = list(fitted.model_extra or {})
    kept_by_the_platform = [name for name in extra if name in BOOKKEEPING]
    if kept_by_the_platform:
        found.put_aside(source, place, f"{', '.join(kept_by_the_platform)}: the platform's own bookkeeping")
    for name in (name for name in extra if name not in BOOKKEEPING):
        if (fitted.model_extra or {})[name] in (None, "", [], {}):
            found.put_aside(source, place + pointer(name), "it is empty")
        else:
            why = fitted.no_counterpart.get(name, "no member of our files is like it")
            found.leave_out(source, place + pointer(name), why)
    for name, info in type(fitted).model_fields.items():
        value = getattr(fitted, name)
        inner_place = place + pointer(info.alias or name)
        if isinstance(value, ApiObject):
            collect_unknown(value, source, inner_place, found)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                if isinstance(inner, ApiObject):
                    collect_unknown(inner, source, inner_place + pointer(index), found)


def _depth(tree: object, loc: tuple[str | int, ...]) -> int:
    """How many steps of an error's place lead through the tree: pydantic adds the name of a union's member."""
    for depth, step in enumerate(loc):
        if isinstance(tree, dict) and isinstance(step, str):
            if step not in tree:
                return depth + 1
            tree = tree[step]
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return depth
    return len(loc)
