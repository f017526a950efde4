"""What a backfill would come to, counted profile by profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from processor.backfill.note import BackfillNote
    from processor.profile.batch import BatchAgain


@dataclass(slots=True)
class DryRunFigures:
    """What a backfill would come to, by now. Counters with `by_policy` count what governance and consent remove of what is looked at."""

    partitions: int
    partitions_done: int = 0
    complete_for_these_files: int = 0
    """Partitions whose state is complete for the very configuration that is tried."""
    without_note: int = 0
    """Partitions whose state an earlier release made: a start takes it to be complete for the files that it finds."""
    read: int = 0
    """Events of the source that were read."""
    profiles: int = 0
    """Those whose latest event was looked at again."""
    exports: int = 0
    export_bytes: int = 0
    by_segment: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Profiles whose export has this segment, `<namespace>/<id>`, with this status."""
    items_by_policy: Counter[str] = field(default_factory=Counter)
    profiles_by_policy: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Profiles that would stay as they are, by the reason for which their latest event is refused under this configuration."""
    unmet: int = 0
    """Profiles that have state, and no event in the source any more."""
    untaken: int = 0
    """Offsets of the source that the group has not taken: live events, for all that is known, which come before any backfill."""
    source_from_ms: int | None = None
    """The time from which on every partition is there, of those that have lost their first events; None where none has."""

    def note(self, note: BackfillNote | None, fingerprint: str) -> None:
        """Count a partition that has a note, or none, and may be complete for the configuration of `fingerprint`."""
        self.without_note += note is None
        self.complete_for_these_files += (
            note is not None and note.is_complete and note.fingerprint == fingerprint
        )

    def done(self) -> None:
        """Count a partition that was looked at to its end."""
        self.partitions_done += 1

    def add_read(self, events: int) -> None:
        """Count events that were read."""
        self.read += events

    def add_left(self, *, untaken: int, unmet: int) -> None:
        """Count what of a partition was not looked at: offsets that are not taken, and profiles without an event."""
        self.untaken += untaken
        self.unmet += unmet

    def add(self, batch: BatchAgain) -> None:
        """Count what came of the latest event of one profile."""
        self.profiles += 1
        self.refused += Counter(batch.refused)
        policies = [removal.policy for removal in batch.removed]
        self.items_by_policy.update(policies)
        self.profiles_by_policy.update(set(policies))
        for export in batch.exports:
            self.exports += 1
            self.export_bytes += len(export.data)
            for namespace, segments in _decode(export.data).segment_membership.items():
                self.by_segment.update(
                    [(f"{namespace}/{name}", entry.status) for name, entry in segments.items()]
                )

    def lacks_before(self, timestamp_ms: int) -> None:
        """Note that a partition has lost what came before this time."""
        self.source_from_ms = max(self.source_from_ms or 0, timestamp_ms)


class _Membership(msgspec.Struct):
    status: str


class _Exported(msgspec.Struct, rename="camel"):
    segment_membership: dict[str, dict[str, _Membership]]


_decode = msgspec.json.Decoder(_Exported).decode
