"""What profiles' latest events suggest to map: their segments and attributes, counted; no value leaves this module unmasked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import orjson

from processor.errors import Reason
from processor.profile.core import KEY_CHARACTERS_MAX
from processor.profile.event import IDENTITIES, MEMBERSHIP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_Value: TypeAlias = "bool | int | float | str | list[_Value] | dict[str, _Value] | None"

SUGGESTED_MAX: Final = 500
"""So many segments, and as many attributes, can be chosen by number; a file with many more is nobody's wish."""

_COUNTED_MAX: Final = 200_000
"""Of distinct segments, and of distinct paths: those that are met first."""
_DEPTH_MAX: Final = 32
_NAME_MAX: Final = 200
_EXAMPLE_MAX: Final = 24
_KEPT: Final = frozenset(" @.-_:/+,()")
_MEMBER: Final = frozenset({"realized", "existing"})


@dataclass(frozen=True, slots=True)
class SegmentSeen:
    """A segment that profiles have an entry for: `entries` of them have one, and `members` of these are in it."""

    namespace: str
    id: str
    name: str | None
    members: int
    entries: int


@dataclass(frozen=True, slots=True)
class AttributeSeen:
    """An attribute that `present` profiles have; `kinds` are its JSON types in words, `example` a value with its characters masked."""

    path: str
    kinds: str
    present: int
    example: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What there is to map, the most frequent first.

    `events` were looked at, of which `invalid` could not be used, by reason; the others are of `profiles` that are still
    there. `further_segments` and `further_attributes` were seen as well, and are left off; `unnameable` attributes have a dot
    in a member's name, or an empty one, so that no path can name them.
    """

    profiles: int = 0
    events: int = 0
    invalid: Mapping[Reason, int] = field(default_factory=dict)
    segments: tuple[SegmentSeen, ...] = ()
    attributes: tuple[AttributeSeen, ...] = ()
    further_segments: int = 0
    further_attributes: int = 0
    unnameable: int = 0


class SampledEvent(NamedTuple):
    """A profile's latest event of a sample; its time is in ms since the epoch."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int


class Sample:
    """Events of a topic, of which each profile's latest is kept until they are looked at."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self._latest: dict[bytes, SampledEvent] = {}
        self._bad_keys = 0

    @property
    def latest(self) -> tuple[SampledEvent, ...]:
        """Each profile's latest event, also a deletion."""
        return tuple(self._latest.values())

    def add(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int = 0,
    ) -> None:
        """Add an event; those of one profile come in their order."""
        self.events += 1
        self.bytes += len(key or b"") + len(value or b"")
        self.bytes += sum(len(name) + len(text or b"") for name, text in headers)
        if _is_key(key):
            own = bytes(key or b"")
            self._latest[own] = SampledEvent(
                own, None if value is None else bytes(value), tuple(headers), timestamp_ms
            )
        else:
            self._bad_keys += 1

    def suggestions(self) -> Suggestions:
        """Return what the profiles' latest events suggest; deleted profiles suggest nothing."""
        counts = _Counts(self._bad_keys)
        for event in self._latest.values():
            if event.value is not None:
                counts.add(event.value)
        return counts.suggestions(self.events)


def masked(value: _Value) -> str:
    """Return a value's form without what it says: letters are `x`, digits `9`; where that would be the value itself, an ellipsis."""
    if isinstance(value, list):
        return f"[{len(value)}]"
    if isinstance(value, dict):
        return "{…}"
    if value is None or isinstance(value, bool):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    shown = "".join(map(_masked_character, text[:_EXAMPLE_MAX]))
    if len(text) > _EXAMPLE_MAX:
        return shown + "…"
    return "…" if shown == text else shown


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths, in their order, without those that lie in another of them."""
    found = list(dict.fromkeys(paths))
    there = set(found)
    return [path for path in found if not there.intersection(_above(path))]


def _above(path: str) -> Iterator[str]:
    at = path.find(".")
    while at >= 0:
        yield path[:at]
        at = path.find(".", at + 1)


def _masked_character(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character if character in _KEPT else "?"


def _is_key(key: bytes | None) -> bool:
    try:
        return 0 < len((key or b"").decode()) <= KEY_CHARACTERS_MAX
    except UnicodeDecodeError:
        return False


class _Counts:
    """Counts over profiles."""

    def __init__(self, bad_keys: int) -> None:
        self._invalid: Counter[Reason] = Counter({Reason.BAD_KEY: bad_keys} if bad_keys else {})
        self._profiles = 0
        self._entries: Counter[tuple[str, str]] = Counter()
        self._members: Counter[tuple[str, str]] = Counter()
        self._names: dict[tuple[str, str], str] = {}
        self._present: Counter[str] = Counter()
        self._kinds: dict[str, dict[str, None]] = {}
        self._examples: dict[str, str] = {}
        self._unnameable: set[str] = set()

    def add(self, value: bytes) -> None:
        try:
            profile = orjson.loads(value)
        except orjson.JSONDecodeError:
            self._invalid[Reason.BAD_JSON] += 1
            return
        if not isinstance(profile, dict):
            self._invalid[Reason.BAD_JSON] += 1
            return
        namespaces = profile.get(MEMBERSHIP)
        if not isinstance(namespaces, dict) or not all(
            isinstance(each, dict) for each in namespaces.values()
        ):
            self._invalid[Reason.BAD_MEMBERSHIP] += 1
            return
        self._profiles += 1
        for namespace, segments in namespaces.items():
            for id_, entry in segments.items():
                self._add_entry(namespace, id_, entry)
        for name, inner in profile.items():
            if name not in {MEMBERSHIP, IDENTITIES}:
                self._add_attribute(name, name, inner, 1)

    def suggestions(self, events: int) -> Suggestions:
        segments = sorted(self._entries, key=lambda each: (-self._members[each], -self._entries[each], each))
        paths = sorted(self._present, key=lambda each: (-self._present[each], each))
        return Suggestions(
            profiles=self._profiles,
            events=events,
            invalid=dict(self._invalid),
            segments=tuple(
                SegmentSeen(*each, self._names.get(each), self._members[each], self._entries[each])
                for each in segments[:SUGGESTED_MAX]
            ),
            attributes=tuple(
                AttributeSeen(
                    each, " or ".join(self._kinds[each]), self._present[each], self._examples.get(each, "")
                )
                for each in paths[:SUGGESTED_MAX]
            ),
            further_segments=max(len(segments) - SUGGESTED_MAX, 0),
            further_attributes=max(len(paths) - SUGGESTED_MAX, 0),
            unnameable=len(self._unnameable),
        )

    def _add_entry(self, namespace: str, id_: str, entry: _Value) -> None:
        segment = namespace, id_
        # What no destination file takes as a segment.
        if not namespace or not id_ or "\0" in namespace + id_ or not isinstance(entry, dict):
            return
        if segment not in self._entries and len(self._entries) >= _COUNTED_MAX:
            return
        self._entries[segment] += 1
        if entry.get("status") in _MEMBER:
            self._members[segment] += 1
        name = entry.get("name")
        if isinstance(name, str) and 0 < len(name) <= _NAME_MAX:
            self._names[segment] = name

    def _add_attribute(self, name: str, path: str, value: _Value, depth: int) -> None:
        if not name or "." in name:
            if len(self._unnameable) < _COUNTED_MAX:
                self._unnameable.add(path)
            return
        if isinstance(value, dict) and value and depth < _DEPTH_MAX:
            for inner_name, inner in value.items():
                self._add_attribute(inner_name, f"{path}.{inner_name}", inner, depth + 1)
            return
        if path not in self._present and len(self._present) >= _COUNTED_MAX:
            return
        self._present[path] += 1
        self._kinds.setdefault(path, {})[_kind(value)] = None
        if path not in self._examples and (example := masked(value)):
            self._examples[path] = example


def _kind(value: _Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "number"
