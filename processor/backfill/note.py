"""The note of a partition, in its changelog and its store: which configuration the partition's state is complete for.

It is written before the first event is worked on under another configuration, and said to be complete after the last
acknowledgement of a backfill. So whoever reads it as complete knows that every profile was looked at under that configuration.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from processor.errors import InvalidStateRecord

if TYPE_CHECKING:
    from collections.abc import Iterable


class BackfillNote(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is known of a partition's backfills.

    `number` counts the notes that were begun with: each backfill has one of its own, and of two notes the one with the
    higher number is the newer. `fingerprint` is that of the configuration which events are worked on under since, and
    `former` the one before it; `since` is the number of the note that began with it. `request` is the last request that was heeded. `boundary` and `at_ms` are those of the
    backfill that is under way, or was when the configuration changed; None where none has begun. `partitions` is how many Kafka's default partitioner spreads
    profiles over, where state was moved to new ones: events that came before that may be of profiles whose state is elsewhere.
    """

    number: int
    fingerprint: str
    is_complete: bool
    former: str | None = None
    request: str | None = None
    boundary: int | None = None
    at_ms: int | None = None
    partitions: int | None = None
    since: int = 0


_decode = msgspec.json.Decoder(BackfillNote).decode
_encode = msgspec.json.Encoder().encode


def encode_note(note: BackfillNote) -> bytes:
    """Return the note's bytes."""
    return _encode(note)


@lru_cache(maxsize=256)  # asked of the same few bytes with every batch
def decode_note(data: bytes) -> BackfillNote:
    """Return the note of these bytes; members that this release does not know are passed over.

    Raises:
        InvalidStateRecord: they are no note.

    """
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise InvalidStateRecord(
            f"a backfill's note is damaged ({error}): rebuild the local state"
        ) from error


def newest(notes: Iterable[bytes]) -> bytes | None:
    """Return the newest of a partition's notes, in the order in which they stand; None where there is none.

    A member that has lost the partition may have written its last note late. It had read what it counts on from the note that
    this partition's owner read as well, so its number is at most the owner's first; and what is complete stays so.
    """
    found: bytes | None = None
    order = (-1, False)
    for data in notes:
        note = decode_note(data)
        if (note.number, note.is_complete) >= order:
            found, order = data, (note.number, note.is_complete)
    return found
