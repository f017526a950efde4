"""A batch of records through the core: in with the states of their profiles, out with exports and state changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.errors import InvalidStateRecord, Reason
from processor.profile.batch import Batch, BatchAgain
from processor.profile.dead_letter import DeadLetter
from processor.profile.source_record import size_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.profile.batch import Again, Limits
    from processor.profile.core import Core
    from processor.profile.source_record import Record


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
        batch.skip(core.compiled.process(states, records, limits, batch, take, number=number))
    batch.complete()
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
    batch.complete()
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
        batch.change(key, new_state)
        states[key] = new_state
    if export is not None:
        batch.exports.append(export)
        batch.exported.append(record)
    if transition.skipped:
        batch.skip(1)
    batch.removed.extend(transition.removed)


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
        batch.change(key, new_state)
    if export is not None:
        batch.exports.append(export)
        batch.exported.append(record)
    batch.removed.extend(transition.removed)


def _too_large(record: Record, what: str, size_bytes: int, where: str, max_bytes: int) -> DeadLetter:
    detail = f"the {what} has {size_bytes} bytes, the {where} takes {max_bytes}"
    return DeadLetter(record, Reason.TOO_LARGE, detail)
