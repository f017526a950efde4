"""One batch of one partition through the pure core: records in, exports and state changes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.errors import InvalidEvent, InvalidStateRecord, Reason
from processor.profile.dead_letter import DeadLetter
from processor.profile.source_record import size_bytes
from processor.profile.state_record import departed_among, record_offset
from processor.profile.unexpected import Failure, described, trace_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.governance.plan import Removal
    from processor.profile.core import Core
    from processor.profile.source_record import Record
    from processor.profile.structs import Export


class Batch:
    """What became of some consecutive records of a partition.

    `exports` and `exported` run side by side: each export and the record that caused it. `changes` holds the
    latest state record of each profile that changed. Each of `failures` has its dead letter. `next_offset` is what to commit once all is acknowledged,
    `timestamp_ms` the time of the first record.
    """

    __slots__ = (
        "changes",
        "dead_letters",
        "exported",
        "exports",
        "failures",
        "next_offset",
        "received",
        "removed",
        "size_bytes",
        "skipped",
        "timestamp_ms",
    )

    def __init__(self, next_offset: int, received: int, size_bytes: int, timestamp_ms: int = 0) -> None:
        self.next_offset = next_offset
        self.received = received
        self.size_bytes = size_bytes
        self.timestamp_ms = timestamp_ms
        self.exports: list[Export] = []
        self.exported: list[Record] = []
        self.dead_letters: list[DeadLetter] = []
        self.failures: list[Failure] = []
        self.changes: dict[bytes, bytes] = {}
        self.removed: list[Removal] = []
        self.skipped = 0

    @property
    def unchanged(self) -> int:
        """Records that changed nothing the destination may see."""
        return self.received - self.skipped - len(self.exports) - len(self.dead_letters)

    @property
    def has_departed(self) -> bool:
        """Whether a profile left its last segment: its record is kept only until the offset is committed."""
        return bool(departed_among(self.changes))

    def refuse(self, record: Record, error: Exception) -> None:
        """Give up an event: its own fault where that is what `error` says, the processor's otherwise."""
        if isinstance(error, InvalidEvent):
            self.dead_letters.append(DeadLetter(record, error.reason, error.detail))
            return
        self.dead_letters.append(DeadLetter(record, Reason.INTERNAL, described(error)))
        self.failures.append(Failure(record.offset, type(error).__name__, trace_of(error)))


def merged_changes(batches: Sequence[Batch]) -> dict[bytes, bytes]:
    """The latest state record of each profile that consecutive batches changed, those of live events in the order of their offsets.

    A backfill's all bear one offset. They stand before the others or behind them, so that the last record's offset is the highest.
    """
    if len(batches) == 1:
        return batches[0].changes
    changes: dict[bytes, bytes] = {}
    again: dict[bytes, bytes] = {}
    for batch in batches:
        own, other = (again, changes) if isinstance(batch, BatchAgain) else (changes, again)
        # By the keys that both have, which are few, as sets: less than half the time of going from change to change.
        for older in (own, other):
            for profile in older.keys() & batch.changes.keys():
                del older[profile]
        own.update(batch.changes)
    if again and (not changes or _last_offset(changes) <= _last_offset(again)):
        return changes | again
    return again | changes


class Again:
    """What the events that a backfill takes again are taken as: by backfill `number`, as if they came at `at_ms`.

    `offset` is the one that the state records bear, the last before its boundary.
    """

    __slots__ = ("at_ms", "number", "offset")

    def __init__(self, number: int, offset: int, at_ms: int) -> None:
        self.number = number
        self.offset = offset
        self.at_ms = at_ms


class BatchAgain(Batch):
    """What became of the latest events of some profiles, taken again by backfill `number`; it counts as no events that were received, and holds no bytes of theirs.

    `refused` counts, by reason, the profiles that stay as they are, for their latest event is refused now.
    """

    __slots__ = ("number", "profiles", "refused")

    def __init__(self, number: int, next_offset: int, profiles: int) -> None:
        super().__init__(next_offset, 0, 0)
        self.number = number
        self.profiles = profiles
        self.refused: dict[str, int] = {}

    def refuse(self, record: Record, error: Exception) -> None:
        """Leave a profile as it is; its event was dead-lettered when it came, or is what a former configuration took."""
        reason = error.reason if isinstance(error, InvalidEvent) else Reason.INTERNAL
        self._count(reason)
        if reason is Reason.INTERNAL:
            self.failures.append(Failure(record.offset, type(error).__name__, trace_of(error)))

    def leave(self, reason: Reason) -> None:
        """Leave a profile as it is, for what it would be is refused for `reason`."""
        self._count(reason)

    def _count(self, reason: Reason) -> None:
        self.refused[reason.value] = self.refused.get(reason.value, 0) + 1


class Limits:
    """What the two ends take of one record, its key included."""

    __slots__ = ("export_bytes", "state_bytes")

    def __init__(self, export_bytes: int, state_bytes: int) -> None:
        self.export_bytes = export_bytes
        self.state_bytes = state_bytes


def process(
    core: Core,
    states: dict[bytes, bytes | None],
    records: Sequence[Record],
    limits: Limits,
    number: int = 0,
) -> Batch:
    """Apply `records`, in order, to the states of their profiles, each of which must be there; `number` is that of the partition's note.

    An event whose export is larger than the stream takes, or whose state record is larger than the changelog
    takes, is dead-lettered and changes no state. So is one on which the core fails, however that may be: one event
    must not keep all that come after it from being exported.

    Raises:
        InvalidStateRecord: the state was written by a release that this one does not understand.

    """
    batch = Batch(records[-1].offset + 1, len(records), size_bytes(records), records[0].timestamp)

    def take(record: Record) -> None:
        _take(core, batch, states, record, limits, number=number)

    if core.compiled is None:
        for record in records:
            take(record)
    else:
        skipped = core.compiled.process(states, records, limits, batch, take, number=number)
        batch.skipped += skipped
    return batch


def process_again(
    core: Core,
    states: dict[bytes, bytes | None],
    records: Sequence[Record],
    limits: Limits,
    again: Again,
    *,
    next_offset: int,
) -> BatchAgain:
    """Apply the latest events of profiles once more, one each, to the states of their profiles, each of which must be there.

    All of the source before `next_offset` was processed. A profile whose event is refused, for what it is or for the size
    of its export or its state record, stays as it is.

    Raises:
        InvalidStateRecord: the state was written by a release that this one does not understand.

    """
    batch = BatchAgain(again.number, next_offset, len(records))

    def take(record: Record) -> None:
        _take_again(core, batch, states, record, limits, again=again)

    if core.compiled is None:
        for record in records:
            take(record)
    else:
        core.compiled.process(states, records, limits, batch, take, number=again.number, again=again)
    return batch


def _take(
    core: Core,
    batch: Batch,
    states: dict[bytes, bytes | None],
    record: Record,
    limits: Limits,
    *,
    number: int,
) -> None:
    key = record.key
    try:
        transition = core.apply(
            key,
            record.value,
            record.headers,
            timestamp_ms=record.timestamp,
            offset=record.offset,
            state=None if key is None else states[key],
            backfill=number,
        )
        export = transition.export
        export_bytes = 0 if export is None else len(export.data) + len(export.partition_key.encode())
    except InvalidStateRecord:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it is reported, and kept with its event
        batch.refuse(record, error)
        return
    if export_bytes > limits.export_bytes:
        batch.dead_letters.append(_too_large(record, "export", export_bytes, "stream", limits.export_bytes))
        return
    new_state = transition.state
    if new_state is not None and key is not None:
        state_bytes = len(new_state) + len(key)
        if state_bytes > limits.state_bytes:
            batch.dead_letters.append(
                _too_large(record, "state", state_bytes, "changelog", limits.state_bytes)
            )
            return
        # Changes stand in the order of their offsets, which a restore relies on.
        batch.changes.pop(key, None)
        states[key] = batch.changes[key] = new_state
    if export is not None:
        batch.exports.append(export)
        batch.exported.append(record)
    if transition.skipped:
        batch.skipped += 1
    batch.removed += transition.removed


def _take_again(
    core: Core,
    batch: BatchAgain,
    states: dict[bytes, bytes | None],
    record: Record,
    limits: Limits,
    *,
    again: Again,
) -> None:
    key = record.key or b""
    try:
        transition = core.apply_again(
            key,
            record.value,
            record.headers,
            timestamp_ms=again.at_ms,
            offset=again.offset,
            state=states[key],
            backfill=again.number,
        )
        export = transition.export
        export_bytes = 0 if export is None else len(export.data) + len(export.partition_key.encode())
    except InvalidStateRecord:
        raise
    except Exception as error:  # noqa: BLE001  as in `_take`
        batch.refuse(record, error)
        return
    new_state = transition.state
    state_bytes = 0 if new_state is None else len(new_state) + len(key)
    if export_bytes > limits.export_bytes or state_bytes > limits.state_bytes:
        batch.leave(Reason.TOO_LARGE)
        return
    if new_state is not None:
        batch.changes[key] = new_state
    if export is not None:
        batch.exports.append(export)
        batch.exported.append(record)
    batch.removed += transition.removed


def _last_offset(changes: dict[bytes, bytes]) -> int:
    return record_offset(changes[next(reversed(changes))])


def _too_large(record: Record, what: str, size_bytes: int, where: str, max_bytes: int) -> DeadLetter:
    detail = f"the {what} has {size_bytes} bytes, the {where} takes {max_bytes}"
    return DeadLetter(record, Reason.TOO_LARGE, detail)
