"""When a worker tells how far the backfills of its partitions are, and what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from processor.backfill.messages import told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.backfill.messages import Told
    from processor.telemetry.backfills import Backfills, Progress

TOLD_EVERY_S: Final = 10.0
"""How often it is told how far a backfill is that runs."""


class _Said(NamedTuple):
    """What this worker told last of a partition, and when."""

    message: Told
    at_s: float


class Telling:
    """Tells of what `backfills` has in the name of `worker`: at once where a stage is another, and every 10 s while one is under way."""

    def __init__(self, backfills: Backfills, worker: str, wall_s: Callable[[], float] = time.time) -> None:
        self._backfills = backfills
        self._worker = worker
        self._wall_s = wall_s
        self._said: dict[int, _Said] = {}

    def due(self, before: Mapping[int, Told]) -> dict[int, Told]:
        """Return what is to be told now, by partition; `before` is what was told last of each, by whomever, as far as it was read."""
        progress = self._backfills.progress
        for partition in self._said.keys() - progress.keys():
            del self._said[partition]  # another's by now
        found = {each: self._due(each, progress[each], before.get(each)) for each in progress}
        return {partition: message for partition, message in found.items() if message is not None}

    def told(self, messages: Mapping[int, Told]) -> None:
        """Note that messages of `due` were told, by partition."""
        now_s = self._backfills.now_s
        self._said.update({partition: _Said(message, now_s) for partition, message in messages.items()})

    def _due(self, partition: int, progress: Progress, before: Told | None) -> Told | None:
        said, now_s = self._said.get(partition), self._backfills.now_s
        number = None if progress.begun is None else progress.begun.number
        is_same = said is not None and (said.message.stage, said.message.number) == (progress.stage, number)
        if said is not None and is_same and now_s - said.at_s < TOLD_EVERY_S:
            return None
        message = told(
            progress,
            now_s=now_s,
            at_ms=round(self._wall_s() * 1000),
            worker=self._worker,
            heeded=None if before is None else before.request,
        )
        if before is not None and message.is_older_than(before):
            return None  # the partition is another's by now, and this member does not know it yet
        if said is None or not is_same or progress.stage == "running":
            return message
        # What a member that had lost the partition told late must not stay the last word.
        is_last_word = before == said.message
        return (
            None if is_last_word and replace(message, at_ms=said.message.at_ms) == said.message else message
        )
