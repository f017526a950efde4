"""State in memory: for a dry run, for tests, and for a service whose state may go with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MemoryStore:
    """A dictionary; it grows with the profiles that are in a mapped segment."""

    def __init__(self) -> None:
        self._records: dict[bytes, bytes] = {}

    def get_many(self, profiles: Sequence[bytes]) -> list[bytes | None]:
        """See `Store`."""
        return list(map(self._records.get, profiles))

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """See `Store`."""
        for profile, record in changes.items():
            if record is None:
                self._records.pop(profile, None)
            else:
                self._records[profile] = record

    def close(self) -> None:
        """See `Store`."""
        self._records.clear()

    def __len__(self) -> int:
        return len(self._records)
