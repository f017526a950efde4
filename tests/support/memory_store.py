"""State in memory, in the place of a store on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.state_record import has_departed, record_offset, record_origin
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
        self.backfill: bytes | None = None
        self.trouble: str | None = None
        self._departed: dict[bytes, int] = {}
        self._marked: set[bytes] = set()

    def note(
        self, *, changelog: str | None = None, consumed: int | None = None, backfill: bytes | None = None
    ) -> None:
        """See `Store`."""
        self.backfill = self.backfill if backfill is None else backfill
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
            Departed(profile, *record_origin(self.records[profile]))
            for profile, departed_at in self._departed.items()
            if departed_at < offset
        ]
        return found[:limit]

    async def purge(self, departed: Sequence[Departed], position: int) -> None:
        """See `Store`."""
        for profile, offset, _ in departed:
            if self._departed.get(profile) == offset:
                del self._departed[profile], self.records[profile]
        self.position = position

    async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        """See `Store`."""
        new = set(profiles) - self._marked
        self._marked |= new
        return new

    async def clear_marks(self) -> None:
        """See `Store`."""
        self._marked.clear()

    async def unmarked(self, after: bytes, limit: int) -> tuple[int, bytes | None]:
        """See `Store`."""
        behind = sorted(profile for profile in self.records if profile > after)
        found = behind[:limit]
        members = {profile for profile in found if not has_departed(self.records[profile])}
        return len(members - self._marked), found[-1] if len(behind) > limit else None

    async def clear(self) -> None:
        """See `Store`."""
        self.records.clear()
        self._departed.clear()
        self._marked.clear()
        self.position, self.highest_offset, self.stream = 0, -1, None
        self.changelog = self.consumed = self.backfill = None

    async def close(self) -> None:
        """See `Store`."""
        self.records.clear()
