"""Mapped segments and attributes: a flow's selectors, and what the destination file has in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.flow_service.findings import pointer
from processor.flow_service.members import AttributeSelector, SegmentSelector, TransformationParams, fit
from processor.flow_service.names import TRANSFORMATION
from processor.governance.destination import PLATFORM_NAMESPACE
from processor.profile.event import IDENTITIES, MEMBERSHIP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from processor.configuration.destination_file import DestinationForm, SegmentForm
    from processor.flow_service.documents import Document, Json
    from processor.flow_service.file_text import Tree
    from processor.flow_service.findings import Findings
    from processor.flow_service.members import AttributeValue, Flow, SegmentValue
    from processor.flow_service.origins import Origins

SEGMENT: Final = "PLATFORM_SEGMENT"
ATTRIBUTE: Final = "JSON_PATH"
_EXISTS: Final = "EXISTS"
MS_FROM: Final = 10**11
"""As seconds this is in the year 5138, as milliseconds in 1973: a time below it is in seconds."""
_DIGITS_MAX: Final = 16
_ADDED_AT = re.compile(r"/transformations/0/params/(segment|profile)Selectors/selectors/-")


@dataclass(frozen=True, slots=True)
class Placed:
    """A selector, and where it stands."""

    value: JsonValue
    source: str
    place: str


def placed_selectors(
    flow: Flow, document: Document, additions: Sequence[Document], member: str, found: Findings
) -> Iterator[Placed]:
    """A flow's selectors under `member`, then those that JSON Patches add at the end of the list, as the tutorial does."""
    for index, each in enumerate(flow.transformations):
        params = each.params or TransformationParams()
        selectors = params.segment_selectors if member == "segmentSelectors" else params.profile_selectors
        place = document.place + pointer("transformations", index, "params", member, "selectors")
        for position, value in enumerate([] if selectors is None else selectors.selectors):
            yield Placed(value, document.source, place + pointer(position))
    for addition in additions:
        path = str(addition.tree.get("path"))
        if path.endswith(f"/{member}/selectors/-"):
            yield Placed(addition.tree.get("value"), addition.source, addition.place + "/value")
            for name in addition.tree.keys() - {"op", "path", "value"}:
                found.leave_out(
                    addition.source, addition.place + pointer(name), "it is no part of a JSON Patch"
                )


def is_addition(patch: Document) -> bool:
    """Whether a JSON Patch adds a selector at the end of a list."""
    path = patch.tree.get("path")
    return patch.tree.get("op") == "add" and isinstance(path, str) and _ADDED_AT.fullmatch(path) is not None


def mapped_segments(selectors: Iterable[Placed], found: Findings, origins: Origins) -> list[Tree]:
    """The destination file's `segments`, in the order of the selectors."""
    segments: list[Tree] = []
    for each in _of_type(selectors, SEGMENT, found):
        selector = fit(SegmentSelector, each.value, each.source, each.place, found)
        if selector is not None:
            origins.note(f"segments[{len(segments)}]", each.source, each.place)
            segments.append(_segment(selector.value, each.source, each.place + "/value", found))
    return segments


def mapped_attributes(selectors: Iterable[Placed], found: Findings, origins: Origins) -> list[Tree]:
    """The destination file's `attributes`, in the order of the selectors."""
    attributes: list[Tree] = []
    for each in _of_type(selectors, ATTRIBUTE, found):
        selector = fit(AttributeSelector, each.value, each.source, each.place, found)
        if selector is None:
            continue
        value, source = selector.value, each.source
        if value.path.partition(".")[0] in {MEMBERSHIP, IDENTITIES}:
            found.put_aside(source, each.place, f"{value.path}: it is exported by itself")
        elif value.operator not in {None, _EXISTS}:
            why = f"{value.path} is not mapped: the operator {value.operator} is not known here"
            found.leave_out(source, each.place, why)
        else:
            origins.note(f"attributes[{len(attributes)}]", source, f"{each.place}/value/path")
            attributes.append(value.path)
            _check_mapping(value, source, f"{each.place}/value/mapping", found)
    return attributes


def transformations(form: DestinationForm, source: str, found: Findings) -> Json:
    """A flow's `transformations` that map what the destination file does."""
    return [
        {
            "name": TRANSFORMATION,
            "params": {
                "profileSelectors": {
                    "selectors": [
                        {"type": ATTRIBUTE, "value": {"path": path, "operator": _EXISTS}}
                        for path in form.attributes
                    ]
                },
                "segmentSelectors": {"selectors": list(_segment_selectors(form, source, found))},
            },
        }
    ]


def _of_type(selectors: Iterable[Placed], wanted: str, found: Findings) -> Iterator[Placed]:
    """The selectors of the type that is known; others are noted."""
    for each in selectors:
        value = each.value
        if not isinstance(value, dict):
            found.complain(each.source, each.place, "it is no selector", "Give an object with type and value")
        elif value.get("type", wanted) != wanted:
            found.leave_out(
                each.source, each.place, f"selectors of type {value['type']!r} are not known here"
            )
        else:
            yield Placed({"type": wanted, **value}, each.source, each.place)


def _segment(value: SegmentValue, source: str, at: str, found: Findings) -> Tree:
    segment: dict[str, Tree] = {"id": value.id}
    if value.namespace not in {None, PLATFORM_NAMESPACE}:
        segment["namespace"] = value.namespace
    if value.name:
        segment["name"] = value.name
    times = {
        "createTime": ("mappingCreatedAt", value.create_time),
        "updateTime": ("mappingUpdatedAt", value.update_time),
    }
    for theirs, (ours, time) in times.items():
        if time is not None:
            segment[ours] = _ms(time, source, at + pointer(theirs), found)
    in_ms = {
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "mappingCreatedAt": value.mapping_created_at,
        "mappingUpdatedAt": value.mapping_updated_at,
    }
    return segment | {name: ms for name, ms in in_ms.items() if ms is not None}


def _ms(time: str | int, source: str, at: str, found: Findings) -> int:
    text = str(time)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        found.complain(
            source,
            at,
            f"{text[:40]!r} is no time",
            "Give seconds or milliseconds since the epoch, or remove it",
        )
        return 0
    return int(text) if int(text) >= MS_FROM else int(text) * 1000


def _check_mapping(attribute: AttributeValue, source: str, place: str, found: Findings) -> None:
    """Note what of a mapping is more than that the attribute goes out under its own path."""
    path = attribute.path
    plain: Mapping[str, JsonValue] = {
        "sourceType": "text/x.schema-path", "source": path, "destination": path, "identity": False,
        "primaryIdentity": False, "functionVersion": 0, "copyModeMapping": False, "sourceAttribute": path,
        "destinationXdmPath": path,
    }  # fmt: skip
    for name, value in (attribute.mapping or {}).items():
        if name not in plain or plain[name] != value:
            found.leave_out(source, place + pointer(name), f"{path} is exported as it is, under its own path")


def _segment_selectors(form: DestinationForm, source: str, found: Findings) -> Iterator[Json]:
    for index, segment in enumerate(form.segments):
        place = f"segments[{index}]"
        if segment.namespace != PLATFORM_NAMESPACE:
            found.leave_out(
                source, place, f"{segment.namespace}/{segment.id}: selectors name segments of `ups` alone"
            )
            continue
        value: dict[str, Json] = {"id": segment.id}
        if segment.name is not None:
            value["name"] = segment.name
        value |= _selector_times(segment, source, place, found)
        for member, time in (("createdAt", segment.created_at), ("updatedAt", segment.updated_at)):
            if time is not None:
                found.leave_out(source, f"{place}.{member}", "a selector has the mapping's times alone")
        yield {"type": SEGMENT, "value": value}


def _selector_times(segment: SegmentForm, source: str, place: str, found: Findings) -> dict[str, Json]:
    times: dict[str, Json] = {}
    for theirs, ours, time in (
        ("createTime", "mappingCreatedAt", segment.mapping_created_at),
        ("updateTime", "mappingUpdatedAt", segment.mapping_updated_at),
    ):
        if time is None:
            continue
        if time // 1000 >= MS_FROM:
            found.leave_out(source, f"{place}.{ours}", "it is beyond the times that a selector can have")
            continue
        times[theirs] = str(time // 1000)
        if time % 1000:
            found.leave_out(source, f"{place}.{ours}", "a selector's times are in whole seconds")
    return times
