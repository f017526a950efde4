"""The records of the hottest profiles, in front of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.state.records import find, put

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

ENTRY_OVERHEAD_BYTES: Final = 200
"""What a profile and its record cost in a dictionary beside their own bytes, about."""


class HotRecords:
    """Two generations: what is asked for or changed is young; when the young fill half the bound, the old go.

    Nearly as good as least-recently-used, without a link to turn for every look-up. None is a record too: that
    a profile is unknown is worth remembering.
    """

    def __init__(self, max_bytes: int) -> None:
        self._generation_bytes = max_bytes // 2
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._young_bytes = 0
        self._old_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What both generations hold, about; a record that is in both counts twice."""
        return self._young_bytes + self._old_bytes

    def find(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """Put what is known into `found`; the profiles, each once, that are not known."""
        unknown = find(self._young, profiles, found)
        if not unknown:
            return unknown
        old: dict[bytes, bytes | None] = {}
        unknown = find(self._old, unknown, old)
        if old:
            found.update(old)
            self._young_bytes += put(self._young, old, ENTRY_OVERHEAD_BYTES)[0]
            self._turn_if_full()
        return list(dict.fromkeys(unknown))

    def remember(self, records: Mapping[bytes, bytes | None]) -> None:
        """Remember what was looked up, none of which was known."""
        self._young.update(records)
        self._young_bytes += ENTRY_OVERHEAD_BYTES * len(records) + sum(map(len, records))
        self._young_bytes += sum(map(len, filter(None, records.values())))
        self._turn_if_full()

    def outdate(self, profiles: Collection[bytes]) -> None:
        """Hold no more what is remembered of profiles that have changed: that they are remembered is kept, until it is corrected.

        Nobody is to ask for them before. Else what was and what is would be in memory both.
        """
        self._young_bytes -= _emptied(self._young, profiles)
        self._old_bytes -= _emptied(self._old, profiles)

    def correct(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put changed records, beside their profiles, in the place of what is remembered of their profiles; a restore remembers nothing."""
        young, old = self._young, self._old
        grown_bytes = 0
        for profile, record in records:
            if profile in young:
                grown_bytes += len(record or b"") - len(young[profile] or b"")
                young[profile] = record
            elif profile in old:
                grown_bytes += ENTRY_OVERHEAD_BYTES + len(profile) + len(record or b"")
                young[profile] = record
        self._young_bytes += grown_bytes
        self._turn_if_full()

    def _turn_if_full(self) -> None:
        if self._young_bytes > self._generation_bytes:
            self._old, self._old_bytes = self._young, self._young_bytes
            self._young, self._young_bytes = {}, 0


def _emptied(generation: dict[bytes, bytes | None], profiles: Collection[bytes]) -> int:
    freed_bytes = 0
    for profile in generation.keys() & profiles:
        freed_bytes += len(generation[profile] or b"")
        generation[profile] = None
    return freed_bytes
