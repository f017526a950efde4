"""State records looked for in, put into and dropped from dictionaries: a batch at once, natively where that is installed.

Plain Python takes a turn of the interpreter's loop for each record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from processor.native import native
from processor.profile.state_record import has_departed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Record = TypeVar("_Record", bytes, bytes | None)

ENTRY_OVERHEAD_BYTES: Final = 200
"""What a profile and its record cost in a dictionary beside their own bytes, about."""


def recalled(
    records: Mapping[bytes, _Record], profiles: Iterable[bytes], found: dict[bytes, bytes | None]
) -> list[bytes]:
    """Put the records of those of `profiles` that have one into `found`, and return the others."""
    if native is not None:
        unknown = native.recalled(records, profiles, found)
        if unknown is not None:
            return unknown
    return plain_recalled(records, profiles, found)


def put_changes(records: dict[bytes, bytes], changes: Mapping[bytes, bytes]) -> tuple[int, list[bytes]]:
    """Put `changes` into `records`; by how many bytes these grew, and the profiles that departed, in order."""
    if native is not None:
        told = native.put_changes(records, changes, ENTRY_OVERHEAD_BYTES)
        if told is not None:
            return told
    return plain_put_changes(records, changes)


def drop_same(pending: dict[bytes, bytes], changes: Mapping[bytes, bytes]) -> None:
    """Drop from `pending` the entries whose record is the very one that stands in `changes`."""
    if native is not None:
        is_done = native.drop_same(pending, changes)
        if is_done:
            return
    plain_drop_same(pending, changes)


def plain_recalled(
    records: Mapping[bytes, _Record], profiles: Iterable[bytes], found: dict[bytes, bytes | None]
) -> list[bytes]:
    """As `recalled`, in plain Python."""
    unknown: list[bytes] = []
    for profile in profiles:
        if profile in records:
            found[profile] = records[profile]
        else:
            unknown.append(profile)
    return unknown


def plain_put_changes(records: dict[bytes, bytes], changes: Mapping[bytes, bytes]) -> tuple[int, list[bytes]]:
    """As `put_changes`, in plain Python."""
    grown_bytes = 0
    departed: list[bytes] = []
    for profile, record in changes.items():
        before = records.get(profile)
        if before is None:
            grown_bytes += ENTRY_OVERHEAD_BYTES + len(profile) + len(record)
        else:
            grown_bytes += len(record) - len(before)
        if has_departed(record):
            departed.append(profile)
    records.update(changes)
    return grown_bytes, departed


def plain_drop_same(pending: dict[bytes, bytes], changes: Mapping[bytes, bytes]) -> None:
    """As `drop_same`, in plain Python."""
    for profile, record in changes.items():
        if pending.get(profile) is record:
            del pending[profile]
