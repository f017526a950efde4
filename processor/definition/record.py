"""Proposals of definitions, as records of the topic that the definition is kept in.

Each is a whole definition under a key of its own, so that compaction never takes one for another. Whatever else somebody has
written there is passed over, and so are members that this release does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from processor.definition.model import (
    COLLECTIONS,
    Collection,
    Definition,
    Entry,
    ObjectChange,
    Resource,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT: Final = 1
"""What this release writes. All formats have `format`, `version`, `from`, `id` and `lineage`: who folds needs no more."""
LINEAGE_MAX: Final = 100
"""So many changes may be accepted while a writer waits, and it still learns what became of its own."""
VALUE_BYTES_MAX: Final = 8 * 1024 * 1024 - 64 * 1024
"""What is written at most: some ten thousand segments."""
BY_CHARACTERS_MAX: Final = 200

_READ_BYTES_MAX: Final = 64 * 1024 * 1024
"""More than is written: a later release may write more, and all must read the same."""
_VERSION_DIGITS: Final = 12
_ID: Final = "[0-9a-z]{1,40}"
_KEY: Final = re.compile(rf"definition-([0-9]{{{_VERSION_DIGITS}}})-({_ID})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A definition that somebody proposes to be in force, made from the one of version `from_`.

    `id` is the change's own, and no other's. `lineage` has the ids of the accepted changes that led to it, the latest first, not
    all of them. `definition` is None where a later release wrote it: that there is one is all that is known.
    """

    id: str
    from_: int
    version: int
    lineage: Sequence[str]
    definition: Definition | None = field(repr=False)
    at_ms: int = 0
    by: str = ""

    @property
    def key(self) -> bytes:
        """Its record's key."""
        return f"definition-{self.version:0{_VERSION_DIGITS}}-{self.id}".encode()


class _Resource(msgspec.Struct, rename="camel", omit_defaults=True):
    collection: str
    id: str
    body: dict[str, Any]
    etag: str
    created_at_ms: int
    updated_at_ms: int
    created_by: str = ""
    updated_by: str = ""


class _Target(msgspec.Struct):
    stream: str
    region: str


class _ObjectChange(msgspec.Struct, omit_defaults=True):
    collection: str
    id: str
    what: str
    name: str | None = None
    details: list[str] = []


class _Entry(msgspec.Struct, rename="camel", omit_defaults=True):
    version: int
    at_ms: int
    by: str
    changes: list[_ObjectChange] = []
    further: int = 0


class _Envelope(msgspec.Struct, rename="camel"):
    format: int
    version: int
    from_: int = msgspec.field(name="from")
    id: str
    lineage: list[str] = []


class _Value(_Envelope, kw_only=True):
    at_ms: int = 0
    by: str = ""
    bound_to: _Target | None = None
    history: list[_Entry] = []
    resources: list[_Resource] = []


_encode = msgspec.json.Encoder().encode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_value = msgspec.json.Decoder(_Value).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def encoded(proposal: Proposal) -> bytes:
    """Return the value of a proposal's record, which must have a definition."""
    definition = proposal.definition
    if definition is None:
        raise ValueError("a definition that a later release wrote is not written by this one")
    bound_to = definition.bound_to
    return _encode(
        _Value(
            format=FORMAT,
            version=proposal.version,
            from_=proposal.from_,
            id=proposal.id,
            lineage=list(proposal.lineage[:LINEAGE_MAX]),
            at_ms=proposal.at_ms,
            by=proposal.by,
            bound_to=None if bound_to is None else _Target(bound_to.stream, bound_to.region),
            history=[_encoded_entry(each) for each in definition.history],
            resources=[
                _Resource(
                    each.collection,
                    each.id,
                    dict(each.body),
                    each.etag,
                    each.created_at_ms,
                    each.updated_at_ms,
                    each.created_by,
                    each.updated_by,
                )
                for each in definition.resources.values()
            ],
        )
    )


def _encoded_entry(entry: Entry) -> _Entry:
    changes = [
        _ObjectChange(each.collection, each.id, each.what, each.name, list(each.details))
        for each in entry.changes
    ]
    return _Entry(entry.version, entry.at_ms, entry.by, changes, entry.further)


def is_proposal_key(key: bytes) -> bool:
    """Whether a key is one that a proposal may have."""
    return _key_parts(key) is not None


def decoded(key: bytes, value: bytes) -> Proposal | None:
    """Return the proposal in a record; None where there is none of use."""
    parts = _key_parts(key)
    if parts is None or len(value) > _READ_BYTES_MAX:
        return None
    try:
        envelope = _decode_envelope(value)
        # That a version is the next one is what readers of a compacted log rely on: see `fold.py`.
        if parts != (envelope.version, envelope.id) or envelope.from_ != envelope.version - 1:
            return None
        if envelope.format != FORMAT:
            return None if envelope.format < FORMAT else _of_later_release(envelope)
        return _proposal(_decode_value(value))
    except _UNREADABLE:
        return None


def _key_parts(key: bytes) -> tuple[int, str] | None:
    try:
        found = _KEY.fullmatch(key.decode("ascii"))
    except UnicodeDecodeError:
        return None
    if found is None or not int(found[1]):
        return None
    return int(found[1]), found[2]


def _of_later_release(envelope: _Envelope) -> Proposal:
    return Proposal(envelope.id, envelope.from_, envelope.version, envelope.lineage, None)


def _proposal(value: _Value) -> Proposal | None:
    resources: dict[tuple[Collection, str], Resource] = {}
    for each in value.resources:
        collection = _COLLECTIONS.get(each.collection)
        if collection is None or (collection, each.id) in resources:
            return None
        resources[collection, each.id] = Resource(
            collection,
            each.id,
            each.body,
            each.etag,
            each.created_at_ms,
            each.updated_at_ms,
            each.created_by,
            each.updated_by,
        )
    target = value.bound_to
    definition = Definition(
        value.version,
        resources,
        None if target is None else Target(target.stream, target.region),
        tuple(_entry(each) for each in value.history),
    )
    return Proposal(
        value.id, value.from_, value.version, tuple(value.lineage), definition, value.at_ms, value.by
    )


def _entry(entry: _Entry) -> Entry:
    changes = tuple(
        ObjectChange(each.collection, each.id, each.name, each.what, tuple(each.details))
        for each in entry.changes
    )
    return Entry(entry.version, entry.at_ms, entry.by, changes, entry.further)


_COLLECTIONS: Final[dict[str, Collection]] = {each: each for each in COLLECTIONS}
