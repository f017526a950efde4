"""What workers and operators write to each other about backfills, as records of a small compacted topic.

The key `request` holds the newest request, and `partition-N` how far the backfill of partition N is. All are JSON. Whatever
else somebody has written there is passed over, and so are members that this release does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from processor.telemetry.backfills import Stage  # noqa: TC001  msgspec reads the annotations

if TYPE_CHECKING:
    from processor.telemetry.backfills import Progress

REQUEST_KEY: Final = b"request"
ID_CHARACTERS_MAX: Final = 64
BY_CHARACTERS_MAX: Final = 200
VALUE_BYTES_MAX: Final = 4 * 1024
"""What is read of a value at all: ours are far smaller."""
STAGES: Final[tuple[Stage, ...]] = ("off", "waiting", "running", "complete")
"""In the order in which a backfill passes through them."""

_PARTITION_KEY: Final = b"partition-"
_DIGITS_MAX: Final = 9


class Request(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A request for a backfill of every partition. `at_ms` is when it was made, in ms since the epoch; `by` whatever its maker says."""

    id: str
    at_ms: int
    by: str = ""


class Reported(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How far the backfill of a partition is, as its owner reported it at `at_ms`, in ms since the epoch.

    `request` is the last request that the partition has heeded. `number`, `boundary` and `begun_at_ms` are there once it
    has begun: of two records with a number the one with the higher number is the newer. `share` is how much of the source was
    read, from 0 to 1; `left_s` how many seconds it will take yet, where that is known. The other members are those of
    `Progress`.
    """

    stage: Stage
    fingerprint: str
    at_ms: int
    worker: str = ""
    former: str | None = None
    request: str | None = None
    number: int | None = None
    boundary: int | None = None
    begun_at_ms: int | None = None
    share: float = 0.0
    profiles: int = 0
    exported: int = 0
    refused: dict[str, int] = {}
    source_from_ms: int | None = None
    unmet: int | None = None
    left_s: float | None = None

    def is_older_than(self, other: Reported) -> bool:
        """Whether a member wrote this late that had lost the partition: another backfill, or a later stage of it, was reported before.

        Numbers begin anew where a changelog does; what began later is not older, whatever its number.
        """
        if self.number is None or other.number is None:
            return False
        place = self.number, STAGES.index(self.stage)
        began_later = (self.begun_at_ms or 0) > (other.begun_at_ms or 0)
        return place < (other.number, STAGES.index(other.stage)) and not began_later


def report_of(
    progress: Progress, *, now_s: float, at_ms: int, worker: str = "", heeded: str | None = None
) -> Reported:
    """Return what is to be reported of a partition's progress.

    `now_s` is the time of the progress' own clock. `heeded` is the request that the partition has heeded by its note,
    which holds where a change of the files, and no request, made this backfill due.
    """
    begun, left_s = progress.begun, progress.left_s(now_s)
    return Reported(
        stage=progress.stage,
        fingerprint=progress.cause.fingerprint,
        at_ms=at_ms,
        worker=worker,
        former=progress.cause.former,
        request=progress.cause.request or heeded,
        number=None if begun is None else begun.number,
        boundary=None if begun is None else begun.boundary,
        begun_at_ms=None if begun is None else begun.at_ms,
        share=round(progress.share, 4),
        profiles=progress.profiles,
        exported=progress.exported,
        refused=dict(progress.refused),
        source_from_ms=progress.source_from_ms,
        unmet=progress.unmet,
        left_s=None if left_s is None else round(left_s, 1),
    )


def partition_key(partition: int) -> bytes:
    """Return the key of what is reported of a partition."""
    return _PARTITION_KEY + str(partition).encode()


def partition_in(key: bytes) -> int | None:
    """Return the partition that a key is of; None where it is of none."""
    digits = key.removeprefix(_PARTITION_KEY)
    if digits == key or not digits.isdigit() or len(digits) > _DIGITS_MAX:
        return None
    partition = int(digits)
    return partition if partition_key(partition) == key else None


_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(Request).decode
_decode_report = msgspec.json.Decoder(Reported).decode


def encoded(message: Request | Reported) -> bytes:
    """Return the value of a message's record."""
    return _encode(message)


def decoded_request(value: bytes) -> Request | None:
    """Return the request in a record's value; None where there is none of use."""
    if len(value) > VALUE_BYTES_MAX:
        return None
    try:
        request = _decode_request(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return request if 0 < len(request.id) <= ID_CHARACTERS_MAX else None


def decoded_report(value: bytes) -> Reported | None:
    """Return what a record's value reports of a partition; None where that is nothing of use."""
    if len(value) > VALUE_BYTES_MAX:
        return None
    try:
        return _decode_report(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
