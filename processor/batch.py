"""One batch of one partition through the pure core: records in, exports and state changes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from processor.errors import InvalidEvent, Reason
from processor.kafka.dead_letters import DeadLetter
from processor.profile.record import has_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord

    from processor.governance.plan import Removal
    from processor.profile.core import Core
    from processor.profile.export import Export
    from processor.state.overlay import Overlay

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
"""aiokafka's record; its key and value may be None all the same."""

RECORD_OVERHEAD_BYTES: Final = 256
"""What a record costs in memory beside its key and value, about."""


@dataclass(slots=True)
class Batch:
    """What became of some consecutive records of a partition.

    `exports` and `exported` run side by side: each export and the record that caused it. `changes` holds the
    latest state record of each profile that changed. `next_offset` is what to commit once all is acknowledged.
    """

    next_offset: int
    received: int
    size_bytes: int
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

    def left(self) -> dict[bytes, bytes]:
        """The changes of profiles that left their last segment: kept only until the offset is committed."""
        return {profile: record for profile, record in self.changes.items() if has_left(record)}


def size_bytes(records: Sequence[Record]) -> int:
    """What `records` hold in memory, about."""
    return sum(
        RECORD_OVERHEAD_BYTES + max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0)
        for record in records
    )


def process(core: Core, state: Overlay, records: Sequence[Record], max_record_bytes: int) -> Batch:
    """Apply `records`, in order, to the state of their profiles.

    An event whose export is larger than the stream takes is dead-lettered and changes no state.

    Raises:
        InvalidStateRecord: the state was written by a release that this one does not understand.

    """
    batch = Batch(records[-1].offset + 1, len(records), size_bytes(records))
    states = state.get_many([record.key for record in records if record.key is not None])
    apply, changes = core.apply, batch.changes
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
            batch.letters.append(DeadLetter(record, error.reason, error.detail))
            continue
        export = transition.export
        if export is not None:
            export_bytes = len(export.data) + len(export.partition_key.encode())
            if export_bytes > max_record_bytes:
                batch.letters.append(_too_large(record, export_bytes, max_record_bytes))
                continue
            batch.exports.append(export)
            batch.exported.append(record)
        if transition.state is not None and key is not None:
            states[key] = changes[key] = transition.state
        if transition.skipped:
            batch.skipped += 1
        if transition.removed:
            batch.removed.extend(transition.removed)
    state.put(changes)
    return batch


def _too_large(record: Record, export_bytes: int, max_record_bytes: int) -> DeadLetter:
    return DeadLetter(
        record, Reason.TOO_LARGE, f"the export has {export_bytes} bytes, the stream takes {max_record_bytes}"
    )
