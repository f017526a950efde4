"""When segments were mapped to the destination, and when that last changed: told of each selector that does not say it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from processor.definition.files import selectors_of
from processor.governance.destination import PLATFORM_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.flow_service.documents import Json

_MEMBER: Final = "segmentSelectors"
_CREATED, _UPDATED = ("createTime", "mappingCreatedAt"), ("updateTime", "mappingUpdatedAt")


def with_mapping_times(
    body: Mapping[str, Json], former: Mapping[str, Json] | None, now_ms: int
) -> dict[str, Json]:
    """A flow's body whose segment selectors have both times; `former` is its body until now, None for a new one.

    A segment that was mapped already keeps when that was, and one that was not is mapped now: also one that was once.
    """
    timed = copy.deepcopy(dict(body))
    were = {} if former is None else _values_by_segment(former)
    for key, value in _values_by_segment(timed).items():
        was = were.get(key)
        for names in (_CREATED, _UPDATED):
            if _has_one(value, names):
                continue
            if was is None or (names is _UPDATED and _content(value) != _content(was)):
                value[names[0]] = str(now_ms)
            else:  # where it is not known, as of segments that come from files, it stays so
                value.update({name: was[name] for name in names if name in was})
    return timed


def _has_one(value: Mapping[str, Json], names: tuple[str, ...]) -> bool:
    return any(value.get(name) is not None for name in names)


def _content(value: Mapping[str, Json]) -> dict[str, Json]:
    return {name: each for name, each in value.items() if name not in _CREATED + _UPDATED}


def _values_by_segment(body: Mapping[str, Json]) -> dict[tuple[str, str], dict[str, Json]]:
    """The values of a flow's segment selectors, themselves; what cannot be read is told elsewhere."""
    found: dict[tuple[str, str], dict[str, Json]] = {}
    for _, selector in selectors_of(body, _MEMBER):
        value = selector.get("value") if isinstance(selector, dict) else None
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            namespace = value.get("namespace") or PLATFORM_NAMESPACE
            found[str(namespace), str(value["id"])] = value
    return found
