"""The state record: what was last exported for one profile, in bytes.

Byte 0 is the version, 1. The rest is a MessagePack array:

    [offset, attributes, identities, memberships]    a member of at least one mapped segment
    [offset]                                          a profile that left its last segment

* offset: the source offset of the event that made the record
* attributes: binary, 12 bytes an exported attribute: 4 that name its path, 8 of its value's digest
* identities: binary, the exported `identityMap` as JSON
* memberships: {segment key: lastQualificationTime}, where the key of a platform segment is its id, of another
  segment its namespace, a zero byte, and its id

A reader refuses a version that it does not know: an older release never guesses at a newer one's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

from processor.errors import InvalidStateRecord
from processor.governance.destination import PLATFORM_NAMESPACE
from processor.profile.structs import OffsetOnly, StateRecord

if TYPE_CHECKING:
    from processor.governance.destination import Segment

ATTRIBUTE_BYTES: Final = 12
_PATH_BYTES: Final = 4
_VERSION: Final = 1
_VERSION_BYTE: Final = bytes([_VERSION])
_ARRAY_OF_ONE: Final = 0x91


NOTHING_EXPORTED: Final = StateRecord(offset=-1)
"""The state of a profile that has none."""


_decode_offset = msgspec.msgpack.Decoder(OffsetOnly).decode
_decode = msgspec.msgpack.Decoder(StateRecord).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_record(record: StateRecord) -> bytes:
    """The record's bytes."""
    return _VERSION_BYTE + _encode(record)


def encode_departed(offset: int) -> bytes:
    """The bytes of the record that is kept, until its offset is committed, of a profile in no segment."""
    return _VERSION_BYTE + _encode((offset,))


def has_departed(state: bytes) -> bool:
    """Whether these bytes are `encode_departed`'s."""
    return len(state) > 1 and state[1] == _ARRAY_OF_ONE and state[0] == _VERSION


def decode_record(state: bytes) -> StateRecord:
    """Read a record's bytes.

    Raises:
        InvalidStateRecord: another version's record, or no record at all.

    """
    _check_version(state)
    try:
        return _decode(state[1:])
    except msgspec.MsgspecError as error:
        raise _damaged(error) from error


def record_offset(state: bytes) -> int:
    """The source offset of a record's bytes; the rest is not looked at.

    Raises:
        InvalidStateRecord: another version's record, or no record at all.

    """
    _check_version(state)
    try:
        return _decode_offset(state[1:]).offset
    except msgspec.MsgspecError as error:
        raise _damaged(error) from error


def segment_key(segment: Segment) -> str:
    """A segment's key in `memberships`."""
    if segment.namespace == PLATFORM_NAMESPACE:
        return segment.id
    return f"{segment.namespace}\0{segment.id}"


def path_digest(path: str) -> bytes:
    """The 4 bytes that name an attribute's path."""
    return xxhash.xxh3_64_digest(path.encode())[:_PATH_BYTES]


def have_same_paths(attributes: bytes, others: bytes) -> bool:
    """Whether both hold digests for the same paths, in the same order."""
    return len(attributes) == len(others) and all(
        attributes[i : i + _PATH_BYTES] == others[i : i + _PATH_BYTES]
        for i in range(0, len(attributes), ATTRIBUTE_BYTES)
    )


def split_attributes(attributes: bytes) -> dict[bytes, bytes]:
    """Value digests by path digest."""
    return {
        attributes[i : i + _PATH_BYTES]: attributes[i + _PATH_BYTES : i + ATTRIBUTE_BYTES]
        for i in range(0, len(attributes), ATTRIBUTE_BYTES)
    }


def _check_version(state: bytes) -> None:
    if not state or state[0] != _VERSION:
        raise InvalidStateRecord(
            f"a state record has version {state[0] if state else 'none'}, this release reads version 1: "
            "run the release that wrote it, or start a new consumer group"
        )


def _damaged(error: msgspec.MsgspecError) -> InvalidStateRecord:
    return InvalidStateRecord(f"a state record is damaged ({error}): rebuild the local state")
