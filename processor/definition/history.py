"""The history of a definition: what each change of it came to, carried from version to version.

Compaction takes the records of former versions, so each definition brings the changes that led to it along: as many as are of
use to a person, and never so many that they would be what a record is full of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from processor.definition.differences import differences
from processor.definition.model import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.definition.model import Definition
    from processor.flow_service.documents import Json

ENTRIES_MAX: Final = 100
CHANGES_MAX: Final = 20
"""Of one entry: a definition that is replaced whole may change thousands of objects at once."""
CHARACTERS_MAX: Final = 64 * 1024
"""Of all entries together, but for the latest, which is always kept."""


def recorded(former: Definition, made: Definition, at_ms: int, by: str) -> Definition:
    """Return what was made of the former definition as the version after it, with this change in its history."""
    changes = differences(former, made)
    version = former.version + 1
    entry = Entry(version, at_ms, by, changes[:CHANGES_MAX], max(0, len(changes) - CHANGES_MAX))
    return replace(made, version=version, history=tuple(_latest((entry, *former.history))))


def is_whole(definition: Definition) -> bool:
    """Whether the history goes back to when nothing was defined."""
    if not definition.history:
        return definition.version == 0
    return definition.history[-1].version == 1


def shown(entry: Entry) -> dict[str, Json]:
    """An entry as JSON."""
    return {
        "version": entry.version,
        "atMs": entry.at_ms,
        "by": entry.by,
        "changes": [
            {
                "collection": each.collection,
                "id": each.id,
                "name": each.name,
                "what": each.what,
                "details": list(each.details),
            }
            for each in entry.changes
        ],
        "furtherChanges": entry.further,
    }


def _latest(entries: Iterable[Entry]) -> Iterable[Entry]:
    characters = 0
    for number, entry in enumerate(entries):
        characters += _characters(entry)
        if number and (number >= ENTRIES_MAX or characters > CHARACTERS_MAX):
            return
        yield entry


def _characters(entry: Entry) -> int:
    changes = sum(
        _MEMBERS + len(each.id) + len(each.name or "") + sum(map(len, each.details)) for each in entry.changes
    )
    return _MEMBERS + len(entry.by) + changes


_MEMBERS: Final = 80
"""About what the names of an entry's, or a change's, members take."""
