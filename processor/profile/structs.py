"""What msgspec decodes into and encodes from; apart from the code that does it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A profile's entry for one segment; a null `validUntil` is none."""

    status: Literal["realized", "existing", "exited"]
    lastQualificationTime: str  # noqa: N815  the event's own member
    validUntil: str | None = None  # noqa: N815  the event's own member


class StateRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A state record, decoded; without memberships it only remembers its offset, and the backfill that made it."""

    offset: int
    attributes: bytes = b""
    identities: bytes = b"{}"
    memberships: dict[str, str] = {}
    backfill: int = 0


class OffsetOnly(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of a state record that an event made, what a restore looks at."""

    offset: int


class OffsetAndBackfill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of a state record that a backfill made, what a restore looks at."""

    offset: int
    attributes: msgspec.Raw
    identities: msgspec.Raw
    memberships: msgspec.Raw
    backfill: int


class DepartedInBackfill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state record of a profile that a backfill took out of its last segment."""

    offset: int
    backfill: int


class Export(msgspec.Struct, frozen=True, gc=False):
    """One JSON record for Kinesis.

    `profile` is the Kafka key, by which order is kept; `partition_key` has 1 to 256 characters; `data` is the
    record's JSON in UTF-8, one line, final to the byte.
    """

    profile: bytes
    partition_key: str
    data: bytes
