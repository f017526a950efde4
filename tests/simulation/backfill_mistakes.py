"""Mistakes that somebody could make in backfills, each of which the simulation must find."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import msgspec

from processor.backfill.latest_events import LatestEvents
from processor.kafka.changelog import BACKFILL_KEY
from processor.kafka.changelog_batches import Deletion
from processor.kafka.source_history import SourceHistory
from processor.profile.batch import Again, BatchAgain
from processor.state.overlay import Overlay
from processor.worker import checkpoint, partition
from processor.worker.backfill_run import BackfillRun
from processor.worker.checkpoint import Checkpoint
from processor.worker.completeness import Completeness
from processor.worker.partition import Partition
from processor.worker.partition_backfill import PartitionBackfill
from processor.worker.partition_factory import PartitionFactory
from processor.worker.takeover import Takeover
from tests.simulation.disk import Store
from tests.simulation.mistakes import instead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


def _moved_boundary(by: int) -> Callable[[Any], Any]:
    def made(begin: Any) -> Any:
        def mistaken(self: BackfillRun, partition: int, boundary: int, *rest: Any, **named: Any) -> None:
            begin(self, partition, boundary + by, *rest, **named)

        return mistaken

    return made


def _backwards(read: Any) -> Any:
    async def mistaken(self: SourceHistory, partition: int, span: Any) -> Any:
        async for records in read(self, partition, span):
            yield records[::-1]

    return mistaken


def _without_headers(read: Any) -> Any:
    async def mistaken(self: SourceHistory, partition: int, span: Any) -> Any:
        async for records in read(self, partition, span):
            for record in records:
                yield [_bare(record)]

    return mistaken


def _bare(record: Any) -> Any:
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return type(record)(**{**values, "headers": ()})


def _to_the_end(look: Any) -> Any:
    async def mistaken(self: BackfillRun, history: SourceHistory, *rest: Any) -> None:
        if self._begin is None:
            self._down_to = (await history.bounds(self._partition)).end
        await look(self, history, *rest)

    return mistaken


def _never_struck_out(_: Any) -> Any:
    def mistaken(_self: BackfillRun, _profiles: Any) -> None:
        """What was found is the latest."""

    return mistaken


def _struck_out_where_found(_: Any) -> Any:
    def mistaken(self: LatestEvents, profiles: Any) -> None:
        for profile in profiles:
            self._found.pop(profile, None)

    return mistaken


def _struck_out_where_sought(_: Any) -> Any:
    def mistaken(self: LatestEvents, profiles: Any) -> None:
        for profile in profiles:
            self._reading.pop(profile, None)
        self._struck.update(profiles)

    return mistaken


def _not_waited_for(hand_over: Any) -> Any:
    async def mistaken(self: BackfillRun) -> None:
        await hand_over(self)
        self._in_flight = 0

    return mistaken


def _at_least_none(_: Any) -> Any:
    def mistaken(self: BackfillRun, profiles: int) -> None:
        self._in_flight = max(self._in_flight - profiles, 0)
        self._news.set()

    return mistaken


@contextmanager
def _complete_too_early() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(instead(BackfillRun, "_hand_over", _not_waited_for)())
        stack.enter_context(instead(BackfillRun, "acknowledged", _at_least_none)())
        yield


def _noted_later(follow: Any) -> Any:
    async def mistaken(self: Partition) -> None:
        former = self._followed
        if former in (None, self._stages.core):
            await follow(self)
            return
        self._followed = self._stages.core
        while self._taken and self._followed is self._stages.core:
            await self._work_on_taken(self._tasks)  # type: ignore[attr-defined]  # see below
        self._followed = former
        await follow(self)

    return mistaken


def _with_tasks(work: Any) -> Any:
    async def mistaken(self: Partition, tasks: Any) -> None:
        self._tasks = tasks  # type: ignore[attr-defined]  # for `_noted_later`
        await work(self, tasks)

    return mistaken


@contextmanager
def _followed_before_it_is_noted() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(instead(Partition, "_follow", _noted_later)())
        stack.enter_context(instead(Partition, "_work", _with_tasks)())
        yield


def _note_overlooked(take_over: Any) -> Any:
    async def mistaken(self: Takeover, partition: int, store: Any) -> Any:
        start = await take_over(self, partition, store)
        store.backfill = None
        return start

    return mistaken


def _without_number(process_again: Any) -> Any:
    def mistaken(*batch: Any, next_offset: int) -> BatchAgain:
        *given, again = batch
        made: BatchAgain = process_again(*given, Again(0, again.offset, again.at_ms), next_offset=next_offset)
        made.number = again.number
        return made

    return mistaken


def _deleted_without_number(_: Any) -> Any:
    def mistaken(offset: int, _backfill: int = 0) -> Deletion:
        return Deletion(offset)

    return mistaken


def _marks_stay(_: Any) -> Any:
    async def mistaken(_self: Store) -> None:
        """They were of what was found."""

    return mistaken


def _one_skipped_between_chunks(read: Any) -> Any:
    async def mistaken(self: LatestEvents, *rest: Any) -> int:
        begin: int = await read(self, *rest)
        return begin - 1

    return mistaken


def _forgotten_by_later_partitions(_: Any) -> Any:
    def mistaken(_self: PartitionFactory, _request: str) -> None:
        """It was heeded by those that there are."""

    return mistaken


def _not_broken_off(_: Any) -> Any:
    def mistaken(_self: PartitionBackfill) -> None:
        """It is all one backfill."""

    return mistaken


def _whatever_is_noted_is_complete(_: Any) -> Any:
    async def mistaken(self: Completeness, _begun: Any) -> bool:
        async with self._one_at_a_time:
            assert self.note is not None
            await self._write(msgspec.structs.replace(self.note, is_complete=True, boundary=None, at_ms=None))
            return True

    return mistaken


@contextmanager
def _completes_another() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(instead(PartitionBackfill, "break_off", _not_broken_off)())
        stack.enter_context(instead(Completeness, "complete", _whatever_is_noted_is_complete)())
        yield


def _note_not_appended_again(own_state: Any) -> Any:
    async def mistaken(self: Checkpoint, keys: Any, next_note: Any) -> Any:
        return await own_state(self, [key for key in keys if key != BACKFILL_KEY], next_note)

    return mistaken


def _no_overlay(submit: Any) -> Any:
    async def mistaken(self: Partition, batch: Any, *rest: Any, **named: Any) -> None:
        if isinstance(batch, BatchAgain):
            with mock.patch.object(Overlay, "put"):
                # Up to where it first waits, which is behind that.
                submitting = submit(self, batch, *rest, **named)
                await submitting
        else:
            await submit(self, batch, *rest, **named)

    return mistaken


def _at_its_own_time(begin: Any) -> Any:
    def mistaken(self: Again, number: int, offset: int, _at_ms: int) -> None:
        begin(self, number, offset, 0)

    return mistaken


def _before_it_has_caught_up(begin: Any) -> Any:
    def mistaken(self: PartitionBackfill, *parts: Any, caught_up_at: int) -> None:
        begin(self, *parts, caught_up_at=0)

    return mistaken


BACKFILL_MISTAKES: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "a backfill's boundary is one too high": instead(BackfillRun, "__init__", _moved_boundary(1)),
    "a backfill's boundary is one too low": instead(BackfillRun, "__init__", _moved_boundary(-1)),
    "an older event of a chunk is taken for the latest": instead(SourceHistory, "read", _backwards),
    "the source is read to its end, and not to the boundary": instead(BackfillRun, "_look", _to_the_end),
    "an event is taken again without its headers": instead(SourceHistory, "read", _without_headers),
    "an event is taken again at its own time": instead(Again, "__init__", _at_its_own_time),
    "chunks leave out an event between them": instead(LatestEvents, "read", _one_skipped_between_chunks),
    "live events strike nothing out": instead(BackfillRun, "strike_out", _never_struck_out),
    "live events strike out only what is found": instead(LatestEvents, "strike_out", _struck_out_where_found),
    "live events strike out only what is sought": instead(
        LatestEvents, "strike_out", _struck_out_where_sought
    ),
    "marks of a former backfill stay": instead(Store, "clear_marks", _marks_stay),
    "a backfill is complete before its last acknowledgement": _complete_too_early,
    "a configuration is noted after it is followed": _followed_before_it_is_noted,
    "the note is overlooked when a partition is taken over": instead(Takeover, "take_over", _note_overlooked),
    "a backfill's records bear no number": instead(partition, "process_again", _without_number),
    "a backfill's deletions bear no number": instead(checkpoint, "Deletion", _deleted_without_number),
    "a request is not heeded after a hand-over": instead(
        PartitionFactory, "request_backfill", _forgotten_by_later_partitions
    ),
    "another configuration does not break a backfill off": _completes_another,
    "a late note of another member is left to compaction": instead(
        Checkpoint, "_own_state", _note_not_appended_again
    ),
    "live events do not see what a backfill has under way": instead(Partition, "_submit", _no_overlay),
    "a backfill begins before its partition has caught up": instead(
        PartitionBackfill, "__init__", _before_it_has_caught_up
    ),
}
