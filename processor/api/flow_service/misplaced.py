"""Secrets in the wrong place: where none belongs, one would be kept in the clear, and shown to whoever may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.errors import Wrong
from processor.flow_service.findings import pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.definition.model import Collection
    from processor.flow_service.documents import Json

_NAMES: Final = frozenset(
    {
        "accesskeyid",
        "accesskey",
        "awsaccesskeyid",
        "awssecretaccesskey",
        "password",
        "saskey",
        "secretaccesskey",
        "secretkey",
        "sessiontoken",
    }
)
"""How members that hold secrets are called, in whatever spelling, less what is no letter."""


def misplaced_secrets(collection: Collection, body: Mapping[str, Json]) -> list[Wrong]:
    """Return the members of a body that may hold a secret, by their names; their values are not told.

    Base connections have no members but those that are known, and secrets among them are encrypted.
    """
    if collection == "connections":
        return []
    found: list[Wrong] = []
    left: list[tuple[tuple[str | int, ...], Json]] = [((), dict(body))]
    while left:
        place, value = left.pop()
        if isinstance(value, list):
            left.extend(((*place, index), each) for index, each in enumerate(value))
        elif isinstance(value, dict):
            for name, each in value.items():
                here = (*place, name)
                if _is_secret(name):
                    found.append(_misplaced(here))
                else:
                    left.append((here, each))
    return sorted(found, key=lambda each: each.pointer)


def _is_secret(name: str) -> bool:
    return "".join(filter(str.isalpha, name)).lower() in _NAMES


def _misplaced(place: tuple[str | int, ...]) -> Wrong:
    return Wrong(
        pointer(*place),
        "a secret here would be kept in the clear",
        "Give accessKeyId and secretKey under auth.params of a connection to Amazon Kinesis, where they are encrypted",
    )
