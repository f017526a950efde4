"""What became of a batch of one partition in the core: exports, state changes, and what is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.errors import InvalidEvent, Reason
from processor.profile.dead_letter import DeadLetter
from processor.profile.state_record import departed_among, last_offset
from processor.profile.unexpected import Failure, described, trace_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.governance.plan import Removal
    from processor.profile.source_record import Record
    from processor.profile.structs import Export


class Batch:
    """What became of some consecutive records of a partition.

    `exports` and `exported` run side by side: each export and the record that caused it. `changes` holds the
    latest state record of each profile that changed. Each of `failures` has its dead letter. `next_offset` is what to commit once all is acknowledged,
    `timestamp_ms` the time of the first record.
    """

    __slots__ = (
        "_let_go",
        "changes",
        "changes_bytes",
        "dead_letters",
        "exported",
        "exports",
        "failures",
        "has_departed",
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
        self.changes_bytes = 0
        self.has_departed = False
        """Whether a profile left its last segment: its record is kept only until the offset is committed."""
        self.removed: list[Removal] = []
        self.skipped = 0
        self._let_go = 0

    @property
    def unchanged(self) -> int:
        """Records that changed nothing the destination may see."""
        return self.received - self.skipped - self.exports_made - len(self.dead_letters)

    @property
    def exports_made(self) -> int:
        """How many exports it has, or had before it let them go."""
        return self._let_go + len(self.exports)

    def let_go(self) -> int:
        """Hold its changes alone, and no record or export any more, for none is on its way; by how many bytes it holds less.

        A ticket of the exports has them still.
        """
        freed_bytes = max(self.size_bytes - self.changes_bytes, 0)
        self._let_go += len(self.exports)
        self.exports, self.exported = [], []
        self.size_bytes -= freed_bytes
        return freed_bytes

    def complete(self) -> None:
        """Note that it has all its changes. What is asked of them later is found out now, while the CPU's caches have them."""
        self.changes_bytes = sum(map(len, self.changes.values()))
        self.has_departed = bool(departed_among(self.changes))

    def change(self, profile: bytes, record: bytes) -> None:
        """Note a profile's next state record: changes stand in the order of their offsets, which a restore relies on."""
        self.changes.pop(profile, None)
        self.changes[profile] = record

    def skip(self, records: int) -> None:
        """Count records that the states of their profiles reflect already."""
        self.skipped += records

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
    if again and (not changes or last_offset(changes) <= last_offset(again)):
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
