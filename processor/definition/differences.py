"""What of a definition is another than before, object by object, in words that a person reads.

Values are told of members that are known, and are no secrets. Of all others it is told that they were changed, and no more: an
object may have members that nobody here knows.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from processor.definition.files import selectors_of
from processor.definition.model import ObjectChange
from processor.definition.sealing import SECRETS
from processor.flow_service.findings import pointer
from processor.flow_service.names import action_of_ref
from processor.governance.destination import PLATFORM_NAMESPACE
from processor.governance.document import CORE_MARKETING_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.definition.model import Definition, Resource
    from processor.flow_service.documents import Json

    Body: TypeAlias = Mapping[str, Json]

DETAILS_MAX: Final = 10
DETAIL_CHARACTERS_MAX: Final = 160
NAME_CHARACTERS_MAX: Final = 100


def differences(former: Definition, made: Definition) -> tuple[ObjectChange, ...]:
    """Return what became of each object: of those that are there first, in their order, then of those that are gone."""
    changes: list[ObjectChange] = []
    for key, new in made.resources.items():
        old = former.resources.get(key)
        if old is None:
            changes.append(_change(new, "made", _of_made(new)))
        elif old is not new and old != new:
            changes.append(_change(new, "changed", _of_changed(old, new)))
    changes.extend(
        _change(old, "deleted", iter(()))
        for key, old in former.resources.items()
        if key not in made.resources
    )
    return tuple(changes)


def _change(resource: Resource, what: str, details: Iterator[str]) -> ObjectChange:
    name = resource.body.get("name")
    told = [_cut(each, DETAIL_CHARACTERS_MAX) for each in islice(details, DETAILS_MAX)]
    further = sum(1 for _ in details)
    if further:
        told[-1] = f"and {further + 1} more"
    return ObjectChange(
        resource.collection,
        resource.id,
        _cut(name, NAME_CHARACTERS_MAX) if isinstance(name, str) else None,
        what,
        tuple(told),
    )


def _of_made(new: Resource) -> Iterator[str]:
    for path in _changed_members({}, new.body):
        if path in _TOLD and path != ("name",):
            yield f"{_TOLD[path]}: {_text(_at(new.body, path))}"
    yield from _of_lists(new, {}, new.body)


def _of_changed(old: Resource, new: Resource) -> Iterator[str]:
    credentials_told = False
    for path in _changed_members(old.body, new.body):
        if path[:2] == _PARAMS_OF_AUTH and path[2:3] and path[2] in SECRETS:
            if not credentials_told:
                # To be encrypted with another key is no change of an object: it keeps its etag.
                yield "credentials encrypted anew" if old.etag == new.etag else "credentials changed"
            credentials_told = True
        elif path in _TOLD:
            yield f"{_TOLD[path]}: {_text(_at(old.body, path))} → {_text(_at(new.body, path))}"
        elif new.collection != "labels" and path != _LISTS.get(new.collection):
            yield f"{pointer(*path)} changed"
    yield from _of_lists(new, old.body, new.body)


def _of_lists(new: Resource, old_body: Body, new_body: Body) -> Iterator[str]:
    """What came to the lists of an object, and what went from them."""
    if new.collection == "flows":
        segments = _segments(old_body), _segments(new_body)
        yield from _come_and_gone("segment", "mapped", "unmapped", *segments)
        attributes = _attributes(old_body), _attributes(new_body)
        yield from _come_and_gone("attribute", "mapped", "unmapped", *attributes)
        if old_body and segments[0] == segments[1] and attributes[0] == attributes[1]:
            steps = _at(old_body, _TRANSFORMATIONS), _at(new_body, _TRANSFORMATIONS)
            yield from () if steps[0] == steps[1] else ["what is mapped is written in another way"]
    elif new.collection == "targetConnections":
        actions = _actions(old_body), _actions(new_body)
        yield from _come_and_gone("marketing action", "added", "taken off", *actions)
    elif new.collection == "labels":
        yield from _labels(old_body, new_body)


def _come_and_gone(
    noun: str, come: str, gone: str, old: Mapping[str, tuple[str, Json]], new: Mapping[str, tuple[str, Json]]
) -> Iterator[str]:
    """Items by a key of their own, each with what it is called, and what else is said of it."""
    yield from (f"{noun} {come}: {text}" for key, (text, _) in new.items() if key not in old)
    yield from (f"{noun} {gone}: {text}" for key, (text, _) in old.items() if key not in new)
    yield from (
        f"{noun} changed: {text}" for key, (text, value) in new.items() if key in old and old[key][1] != value
    )


def _segments(body: Body) -> dict[str, tuple[str, Json]]:
    found: dict[str, tuple[str, Json]] = {}
    for value in _values(body, "segmentSelectors"):
        namespace = value.get("namespace") or PLATFORM_NAMESPACE
        name, key = value.get("name"), f"{namespace}/{value.get('id')}"
        found[key] = f"{name} ({key})" if isinstance(name, str) and name else key, value
    return found


def _attributes(body: Body) -> dict[str, tuple[str, Json]]:
    return {
        path: (path, value)
        for value in _values(body, "profileSelectors")
        if isinstance(path := value.get("path"), str)
    }


def _values(body: Body, member: str) -> Iterator[dict[str, Json]]:
    for _, selector in selectors_of(body, member):
        value = selector.get("value") if isinstance(selector, dict) else None
        if isinstance(value, dict):
            yield value


def _actions(body: Body) -> dict[str, tuple[str, Json]]:
    refs = _at(body, _MARKETING_ACTIONS)
    names = [_action(each) for each in refs if isinstance(each, str)] if isinstance(refs, list) else []
    return {name: (name, None) for name in names}


def _action(ref: str) -> str:
    try:
        return action_of_ref(ref, CORE_MARKETING_ACTIONS)
    except ValueError:
        return ref


def _labels(old_body: Body, new_body: Body) -> Iterator[str]:
    for path in _changed_members(old_body, new_body):
        value = _at(new_body, path)
        labels = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
        yield f"{' '.join(path)}: {', '.join(labels) or 'no label'}"


def _changed_members(old: Body, new: Body, within: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of members that differ, through objects; lists are compared whole."""
    for name in dict.fromkeys((*old, *new)):
        one, other, path = old.get(name), new.get(name), (*within, name)
        if one == other and (name in old) == (name in new):
            continue
        objects = [each for each in (one, other) if isinstance(each, dict)]
        if (
            objects
            and all(each is None or isinstance(each, dict) for each in (one, other))
            and len(path) < _DEPTH
        ):
            yield from _changed_members(
                one if isinstance(one, dict) else {}, other if isinstance(other, dict) else {}, path
            )
        else:
            yield path


def _at(body: Body, path: tuple[str, ...]) -> Json:
    value: Json = dict(body)
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Json) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return _cut(str(value), _VALUE_CHARACTERS_MAX)
    return "another"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


_DEPTH: Final = 4
"""Of paths: the deepest that are told apart are `auth.params` and the fields of labels."""
_VALUE_CHARACTERS_MAX: Final = 60
_PARAMS_OF_AUTH: Final = ("auth", "params")
_TRANSFORMATIONS: Final = ("transformations",)
_MARKETING_ACTIONS: Final = ("params", "marketingActions")
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "flows": _TRANSFORMATIONS,
    "targetConnections": _MARKETING_ACTIONS,
}
"""By collection: the list whose items are told, not that it was changed."""
_TOLD: Final[Mapping[tuple[str, ...], str]] = {
    ("name",): "name",
    ("description",): "description",
    ("state",): "state",
    ("status",): "status",
    ("enforcement",): "enforcement",
    ("params", "stream"): "stream",
    ("params", "region"): "region",
    ("params", "partitionKey"): "partition key",
    ("params", "includeSegmentNames"): "names of segments",
    ("params", "includeSegmentTimestamps"): "times of segments",
    (*_PARAMS_OF_AUTH, "region"): "region",
}
"""Members whose values are told, and what they are called."""
