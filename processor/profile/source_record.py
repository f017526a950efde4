"""A record of the source topic, as the core takes it, and what it holds in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD_OVERHEAD_BYTES: Final = 256
"""What a record costs in memory beside its key and value, about."""


def size_bytes(records: Sequence[Record]) -> int:
    """What `records` hold in memory, about."""
    if native is not None:
        held_bytes = native.size_bytes(records)
        if held_bytes is not None:
            return held_bytes + RECORD_OVERHEAD_BYTES * len(records)
    values = sum([len(record.value or b"") for record in records])
    return values + sum([len(record.key or b"") for record in records]) + RECORD_OVERHEAD_BYTES * len(records)


def keys_of(records: Sequence[Record]) -> list[bytes]:
    """The keys of `records`, in order, of those that have one."""
    if native is not None:
        keys = native.keys(records)
        if keys is not None:
            return keys
    return [record.key for record in records if record.key is not None]


def kept(record: Record) -> Record:
    """The record by itself, for who keeps it longer than those that were fetched with it: its value may lie within all of theirs."""
    if native is not None:
        by_itself = native.kept(record)
        if by_itself is not None:
            return by_itself
    return record


class Record(Protocol):
    """A record as aiokafka's parsers make it, for the old message formats and the new one."""

    @property
    def offset(self) -> int:
        """Its offset in the partition."""

    @property
    def timestamp(self) -> int:
        """The event's time, in ms since the epoch."""

    @property
    def key(self) -> bytes | None:
        """The key's bytes."""

    @property
    def value(self) -> bytes | None:
        """The value's bytes; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The headers, in order; a name may stand more than once."""
