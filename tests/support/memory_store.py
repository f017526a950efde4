"""State in memory, in the place of a store on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.state_record import has_departed, record_offset
from processor.state.store import Departed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class MemoryStore:
    """A dictionary; see `Store`."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.position = 0
        self.highest_offset = -1
        self.stream: str | None = None
        self.changelog: str | None = None
        self.consumed: int | None = None
        self.trouble: str | None = None
        self._departed: dict[bytes, int] = {}

    def note(self, *, changelog: str | None = None, consumed: int | None = None) -> None:
        """See `Store`."""
        self.changelog = self.changelog if changelog is None else changelog
        self.consumed = self.consumed if consumed is None else consumed

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """See `Store`."""
        found.update({profile: self.records.get(profile) for profile in profiles})
        return []

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """See `Store`."""
        return dict(zip(profiles, map(self.records.get, profiles), strict=True))

    async def apply(self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None) -> None:
        """See `Store`."""
        for profile, record in changes.items():
            self.records[profile] = record
            self._departed.pop(profile, None)
            offset = record_offset(record)
            self.highest_offset = max(self.highest_offset, offset)
            if has_departed(record):
                self._departed[profile] = offset
        self.position = position
        self.stream = stream or self.stream

    async def flush(self) -> None:
        """See `Store`."""

    async def departed_before(self, offset: int, limit: int) -> list[Departed]:
        """See `Store`."""
        found = [
            Departed(profile, departed_at)
            for profile, departed_at in self._departed.items()
            if departed_at < offset
        ]
        return found[:limit]

    async def purge(self, departed: Sequence[Departed], position: int) -> None:
        """See `Store`."""
        for profile, offset in departed:
            if self._departed.get(profile) == offset:
                del self._departed[profile], self.records[profile]
        self.position = position

    async def clear(self) -> None:
        """See `Store`."""
        self.records.clear()
        self._departed.clear()
        self.position, self.highest_offset, self.stream = 0, -1, None
        self.changelog = self.consumed = None

    async def close(self) -> None:
        """See `Store`."""
        self.records.clear()
