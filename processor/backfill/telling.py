"""When a worker tells how far the backfills of its partitions are, and what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from processor.backfill.messages import Told, told_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.backfill.note import BackfillNote
    from processor.telemetry.backfills import Backfills, Progress

TOLD_EVERY_S: Final = 10.0
"""How often it is told how far a backfill is that runs."""


class _Said(NamedTuple):
    """What this worker told last of a partition, and when."""

    message: Told
    at_s: float


class Telling:
    """Tells in the name of `worker`: at once where a stage is another, and every 10 s while one is under way.

    `notes` returns the notes of the partitions that are the worker's now; of one that nothing was due of since it came, it is told
    once that its state is complete, where nobody has told that yet.
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
        self._said: dict[int, _Said] = {}

    def due(self, before: Mapping[int, Told]) -> dict[int, Told]:
        """Return what is to be told now, by partition; `before` is what was told last of each, by whomever, as far as it was read."""
        progress, notes, found = self._backfills.progress, self._notes(), dict[int, Told]()
        for partition in self._said.keys() - progress.keys() - notes.keys():
            del self._said[partition]  # another's by now
        for partition in progress.keys() | notes.keys():
            note, last = notes.get(partition), before.get(partition)
            if partition in progress:
                message = self._of_progress(partition, progress[partition], note, last)
            else:
                message = self._of_note(partition, notes[partition], last)
            if message is not None:
                found[partition] = message
        return found

    def told(self, messages: Mapping[int, Told]) -> None:
        """Note that messages of `due` were told, by partition."""
        now_s = self._backfills.now_s
        self._said.update({partition: _Said(message, now_s) for partition, message in messages.items()})

    def _of_progress(
        self, partition: int, progress: Progress, note: BackfillNote | None, last: Told | None
    ) -> Told | None:
        said, now_s = self._said.get(partition), self._backfills.now_s
        number = None if progress.begun is None else progress.begun.number
        is_same = said is not None and (said.message.stage, said.message.number) == (progress.stage, number)
        if is_same and self._was_just_told(partition):
            return None
        message = told_of(
            progress,
            now_s=now_s,
            at_ms=self._now_ms,
            worker=self._worker,
            heeded=None if note is None else note.request,
        )
        if last is not None and message.is_older_than(last):
            return None  # the partition is another's by now, and this member does not know it yet
        if said is None or not is_same or progress.stage == "running":
            return message
        # What a member that had lost the partition told late must not stay the last word.
        is_last_word = last == said.message
        is_unchanged = replace(message, at_ms=said.message.at_ms) == said.message
        return None if is_last_word and is_unchanged else message

    def _of_note(self, partition: int, note: BackfillNote, last: Told | None) -> Told | None:
        if not note.is_complete or self._was_just_told(partition):
            return None
        known = None if last is None else (last.stage, last.fingerprint, last.request)
        if known == ("complete", note.fingerprint, note.request):
            return None
        return Told(
            "complete",
            note.fingerprint,
            self._now_ms,
            self._worker,
            former=note.former,
            request=note.request,
            share=1.0,
        )

    def _was_just_told(self, partition: int) -> bool:
        said = self._said.get(partition)
        return said is not None and self._backfills.now_s - said.at_s < TOLD_EVERY_S

    @property
    def _now_ms(self) -> int:
        return round(self._wall_s() * 1000)
