"""One batch of one partition through the pure core: records in, exports and state changes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from processor.errors import InvalidEvent, Reason
from processor.kafka.dead_letters import DeadLetter
from processor.profile.record import has_left

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from aiokafka import ConsumerRecord

    from processor.governance.plan import Removal
    from processor.profile.core import Core
    from processor.profile.export import Export

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
"""aiokafka's record; its key and value may be None all the same."""

RECORD_OVERHEAD_BYTES: Final = 256
"""What a record costs in memory beside its key and value, about."""


@dataclass(slots=True)
class Batch:
    """What became of some consecutive records of a partition.

    `exports` and `exported` run side by side: each export and the record that caused it. `changes` holds the
    latest state record of each profile that changed. `next_offset` is what to commit once all is acknowledged,
    `timestamp_ms` the time of the first record.
    """

    next_offset: int
    received: int
    size_bytes: int
    timestamp_ms: int = 0
    exports: list[Export] = field(default_factory=list)
    exported: list[Record] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    changes: dict[bytes, bytes] = field(default_factory=dict)
    removed: list[Removal] = field(default_factory=list)
    skipped: int = 0

    @property
    def unchanged(self) -> int:
        """Records that changed nothing the destination may see."""
        return self.received - self.skipped - len(self.exports) - len(self.letters)

    @property
    def has_left(self) -> bool:
        """Whether a profile left its last segment: its record is kept only until the offset is committed."""
        return any(map(has_left, self.changes.values()))


def size_bytes(records: Sequence[Record]) -> int:
    """What `records` hold in memory, about."""
    return sum(
        RECORD_OVERHEAD_BYTES + max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0)
        for record in records
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What the two ends take of one record, its key included."""

    export_bytes: int
    state_bytes: int


def process(
    core: Core, states: MutableMapping[bytes, bytes | None], records: Sequence[Record], limits: Limits
) -> Batch:
    """Apply `records`, in order, to the states of their profiles, each of which must be there.

    An event whose export is larger than the stream takes, or whose state record is larger than the changelog
    takes, is dead-lettered and changes no state.

    Raises:
        InvalidStateRecord: the state was written by a release that this one does not understand.

    """
    batch = Batch(records[-1].offset + 1, len(records), size_bytes(records), records[0].timestamp)
    apply, changes, letters = core.apply, batch.changes, batch.letters
    for record in records:
        key = record.key
        try:
            transition = apply(
                key,
                record.value,
                record.headers,
                timestamp_ms=record.timestamp,
                offset=record.offset,
                state=None if key is None else states[key],
            )
        except InvalidEvent as error:
            letters.append(DeadLetter(record, error.reason, error.detail))
            continue
        export = transition.export
        if export is not None:
            export_bytes = len(export.data) + len(export.partition_key.encode())
            if export_bytes > limits.export_bytes:
                letters.append(_too_large(record, "export", export_bytes, "stream", limits.export_bytes))
                continue
        new_state = transition.state
        if new_state is not None and key is not None:
            state_bytes = len(new_state) + len(key)
            if state_bytes > limits.state_bytes:
                letters.append(_too_large(record, "state", state_bytes, "changelog", limits.state_bytes))
                continue
            # Changes stand in the order of their offsets, which a restore relies on.
            changes.pop(key, None)
            states[key] = changes[key] = new_state
        if export is not None:
            batch.exports.append(export)
            batch.exported.append(record)
        if transition.skipped:
            batch.skipped += 1
        if transition.removed:
            batch.removed.extend(transition.removed)
    return batch


def _too_large(record: Record, what: str, size_bytes: int, where: str, max_bytes: int) -> DeadLetter:
    detail = f"the {what} has {size_bytes} bytes, the {where} takes {max_bytes}"
    return DeadLetter(record, Reason.TOO_LARGE, detail)
