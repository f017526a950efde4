"""Identities: checked, compared as a set, and copied whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import orjson
from msgspec import Raw

from processor.errors import InvalidEvent, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

IdentityTree: TypeAlias = dict[str, list[dict[str, Any]]]  # checked by `check_identities`

NO_IDENTITIES = b"{}"

_decode_namespaces = msgspec.json.Decoder(dict[str, Raw]).decode


def parse_identities(raw: bytes) -> object:
    """The tree of an `identityMap`, not yet checked to be one.

    Raises:
        InvalidEvent: `bad-json`, for a lone surrogate or a number beyond a double.

    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent(Reason.BAD_JSON, "identityMap cannot be read") from error


def check_identities(tree: object) -> IdentityTree:
    """The same tree, known to be `{namespace: [{id, …}]}` with non-empty strings for ids.

    Raises:
        InvalidEvent: `bad-identity`.

    """
    if not isinstance(tree, dict):
        raise InvalidEvent(Reason.BAD_IDENTITY, "identityMap is not an object")
    for identities in tree.values():
        if not isinstance(identities, list):
            raise InvalidEvent(Reason.BAD_IDENTITY, "a namespace of identityMap is not an array")
        for identity in identities:
            if not isinstance(identity, dict):
                raise InvalidEvent(Reason.BAD_IDENTITY, "an identity is not an object")
            id_ = identity.get("id")
            if not isinstance(id_, str) or not id_:
                raise InvalidEvent(Reason.BAD_IDENTITY, "an identity has no id, or one that is not a text")
    return tree


def identity_set(raw: bytes) -> set[tuple[str, str]]:
    """The (namespace, id) pairs of a checked `identityMap`."""
    tree: IdentityTree = orjson.loads(raw)
    return {(namespace, identity["id"]) for namespace in tree for identity in tree[namespace]}


def first_id(raw: bytes, namespace: str) -> str | None:
    """The first identity of a namespace in a checked `identityMap`."""
    tree: IdentityTree = orjson.loads(raw)
    identities = tree.get(namespace)
    return identities[0]["id"] if identities else None


class Permitted:
    """What is left of an `identityMap`, and the namespaces that were removed from it."""

    __slots__ = ("removed", "text")

    def __init__(self, text: bytes, removed: Sequence[str]) -> None:
        self.text = text
        self.removed = removed


def without_namespaces(raw: bytes, forbidden: Collection[str]) -> Permitted:
    """A checked `identityMap` less some namespaces; what stays is copied."""
    namespaces = _decode_namespaces(raw)
    removed = [name for name in namespaces if name in forbidden]
    if not removed:
        return Permitted(raw, removed)
    kept = [
        orjson.dumps(name) + b":" + bytes(text) for name, text in namespaces.items() if name not in forbidden
    ]
    return Permitted(b"{" + b",".join(kept) + b"}", removed)
