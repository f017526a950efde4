"""The latest record of each of many profiles: asked for and put by the batch.

Compiled where the build is (native/src/state/table.rs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from processor.native import native
from processor.state.records import drop_same, find, put

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class LatestRecords(Protocol):
    """State records by profile, of which none is None."""

    def __len__(self) -> int:
        """How many profiles have one."""

    def __contains__(self, profile: object) -> bool:
        """Whether a profile has one."""

    def find(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """Put the records of `profiles` into `found`; the profiles that have none, in order."""

    def put(self, changes: Mapping[bytes, bytes], entry_overhead_bytes: int) -> tuple[int, list[bytes]]:
        """Put `changes` in: by how many bytes that grows it, and the profiles that are new, in order.

        An entry that is new counts `entry_overhead_bytes` more than its own.
        """

    def drop_same(self, changes: Mapping[bytes, bytes]) -> None:
        """Drop the profiles whose record is the very one that stands in `changes`."""

    def in_order(self) -> tuple[list[bytes], list[bytes]]:
        """All profiles, in the order of their bytes, and beside them their records."""


def latest_records() -> LatestRecords:
    """Make an empty one, of the kind that this process has."""
    return PlainRecords() if native is None else CompiledRecords()  # type: ignore[redundant-expr]  # see `processor.native`


class PlainRecords:
    """`LatestRecords` in a dictionary."""

    def __init__(self) -> None:
        self._records: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """See `LatestRecords`."""
        return len(self._records)

    def __contains__(self, profile: object) -> bool:
        """See `LatestRecords`."""
        return profile in self._records

    def find(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """See `LatestRecords`."""
        return find(self._records, profiles, found)

    def put(self, changes: Mapping[bytes, bytes], entry_overhead_bytes: int) -> tuple[int, list[bytes]]:
        """See `LatestRecords`."""
        return put(self._records, changes, entry_overhead_bytes)

    def drop_same(self, changes: Mapping[bytes, bytes]) -> None:
        """See `LatestRecords`."""
        drop_same(self._records, changes)

    def in_order(self) -> tuple[list[bytes], list[bytes]]:
        """See `LatestRecords`."""
        profiles = sorted(self._records)
        return profiles, [self._records[profile] for profile in profiles]


class CompiledRecords:
    """`LatestRecords` in a table of the compiled core's."""

    def __init__(self) -> None:
        self._table = native.new_table()

    def __len__(self) -> int:
        """See `LatestRecords`."""
        return native.table_len(self._table)

    def __contains__(self, profile: object) -> bool:
        """See `LatestRecords`."""
        return isinstance(profile, bytes) and not native.table_find(self._table, [profile], {})

    def find(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """See `LatestRecords`."""
        return native.table_find(self._table, [*profiles], found)

    def put(self, changes: Mapping[bytes, bytes], entry_overhead_bytes: int) -> tuple[int, list[bytes]]:
        """See `LatestRecords`."""
        return native.table_put(self._table, _as_dict(changes), entry_overhead_bytes)

    def drop_same(self, changes: Mapping[bytes, bytes]) -> None:
        """See `LatestRecords`."""
        native.table_drop_same(self._table, _as_dict(changes))

    def in_order(self) -> tuple[list[bytes], list[bytes]]:
        """See `LatestRecords`."""
        return native.table_entries(self._table)


def _as_dict(changes: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    return changes if isinstance(changes, dict) else dict(changes)
