"""An export as it will look, without what it says of a person: for a preview before anything is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from processor.operations.suggestions import masked
from processor.profile.event import MEMBERSHIP

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_VALUES_MAX: Final = 500
"""Of a record: a page shows no more."""
_ELEMENTS_MAX: Final = 3
_DEPTH_MAX: Final = 32
_MORE: Final = "…"


def masked_record(data: bytes) -> dict[str, Json]:
    """Return an export's members with every value of attributes and identities masked.

    Memberships stay: ids of segments, statuses and times are what the destination is asked for, and the same for many. Names of
    members stay, as in what a sample suggests. Of a list the first elements are there, of a large record the first values.
    """
    record: dict[str, Json] = orjson.loads(data)
    masking = _Masking()
    return {name: value if name == MEMBERSHIP else masking.of(value) for name, value in record.items()}


class _Masking:
    """Masks values, so many of them."""

    def __init__(self) -> None:
        self._left = _VALUES_MAX

    def of(self, value: Json, depth: int = 1) -> Json:
        if isinstance(value, dict) and value and depth < _DEPTH_MAX:
            return self._of_members(value, depth)
        if isinstance(value, list) and value and depth < _DEPTH_MAX:
            shown = [self.of(each, depth + 1) for each in value[:_ELEMENTS_MAX]]
            return [*shown, _MORE] if len(value) > _ELEMENTS_MAX else shown
        self._left -= 1
        if value is None or value in ([], {}):
            return value
        return masked(value) or _MORE

    def _of_members(self, members: Mapping[str, Json], depth: int) -> dict[str, Json]:
        shown: dict[str, Json] = {}
        for name, value in members.items():
            if self._left <= 0:
                shown[_MORE] = _MORE
                break
            shown[name] = self.of(value, depth + 1)
        return shown
