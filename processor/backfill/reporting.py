"""When a worker reports how far the backfills of its partitions are, and what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from processor.backfill.messages import Reported, report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.backfill.note import BackfillNote
    from processor.telemetry.backfills import Backfills, Progress

REPORTED_EVERY_S: Final = 10.0
"""How often it is reported how far a backfill is that runs."""


class _Sent(NamedTuple):
    """What this worker reported last of a partition, and when."""

    message: Reported
    at_s: float


class Reporting:
    """Reports in the name of `worker`: at once where a stage is another, and every 10 s while one is under way.

    `notes` returns the notes of the partitions that are the worker's now; of one that nothing was due of since it came, it is reported
    once that its state is complete, where nobody has reported that yet.
    """

    def __init__(
        self,
        backfills: Backfills,
        notes: Callable[[], Mapping[int, BackfillNote]],
        worker: str,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._backfills = backfills
        self._notes = notes
        self._worker = worker
        self._wall_s = wall_s
        self._sent: dict[int, _Sent] = {}

    def due(self, before: Mapping[int, Reported]) -> dict[int, Reported]:
        """Return what is to be reported now, by partition; `before` is what was reported last of each, by whomever, as far as it was read."""
        progress, notes, found = self._backfills.progress, self._notes(), dict[int, Reported]()
        for partition in self._sent.keys() - progress.keys() - notes.keys():
            del self._sent[partition]  # another's by now
        for partition in progress.keys() | notes.keys():
            note, last = notes.get(partition), before.get(partition)
            if partition in progress:
                message = self._of_progress(partition, progress[partition], note, last)
            else:
                message = self._of_note(partition, notes[partition], last)
            if message is not None:
                found[partition] = message
        return found

    def reported(self, messages: Mapping[int, Reported]) -> None:
        """Note that messages of `due` were reported, by partition."""
        now_s = self._backfills.now_s
        self._sent.update({partition: _Sent(message, now_s) for partition, message in messages.items()})

    def _of_progress(
        self, partition: int, progress: Progress, note: BackfillNote | None, last: Reported | None
    ) -> Reported | None:
        sent, now_s = self._sent.get(partition), self._backfills.now_s
        number = None if progress.begun is None else progress.begun.number
        is_same = sent is not None and (sent.message.stage, sent.message.number) == (progress.stage, number)
        if is_same and self._was_just_reported(partition):
            return None
        message = report_of(
            progress,
            now_s=now_s,
            at_ms=self._now_ms,
            worker=self._worker,
            heeded=None if note is None else note.request,
        )
        if last is not None and message.is_older_than(last):
            return None  # the partition is another's by now, and this member does not know it yet
        if sent is None or not is_same or progress.stage == "running":
            return message
        # What a member that had lost the partition reported late must not stay the last word.
        is_last_word = last == sent.message
        is_unchanged = replace(message, at_ms=sent.message.at_ms) == sent.message
        return None if is_last_word and is_unchanged else message

    def _of_note(self, partition: int, note: BackfillNote, last: Reported | None) -> Reported | None:
        if not note.is_complete or self._was_just_reported(partition):
            return None
        known = None if last is None else (last.stage, last.fingerprint, last.request)
        if known == ("complete", note.fingerprint, note.request):
            return None
        return Reported(
            "complete",
            note.fingerprint,
            self._now_ms,
            self._worker,
            former=note.former,
            request=note.request,
            share=1.0,
        )

    def _was_just_reported(self, partition: int) -> bool:
        sent = self._sent.get(partition)
        return sent is not None and self._backfills.now_s - sent.at_s < REPORTED_EVERY_S

    @property
    def _now_ms(self) -> int:
        return round(self._wall_s() * 1000)
