"""One backfill under way in one partition: latest events are found, handed over as the partition asks for some, and counted until all are acknowledged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.backfill.latest_events import LatestEvents
from processor.errors import KafkaError
from processor.kafka.offsets import Bounds
from processor.profile.batch import Again
from processor.telemetry.backfills import Begun
from processor.waiting.retry import Delays, retried

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager

    from processor.backfill.latest_events import Read
    from processor.backfill.note import BackfillNote
    from processor.backfill.share import Share
    from processor.errors import ProcessorError
    from processor.kafka.source_history import SourceHistory
    from processor.profile.source_record import Record
    from processor.state.store import Store
    from processor.telemetry.backfills import Backfills

log = structlog.get_logger(__name__)

SLICE_EVENTS: Final = 64
"""How many events are looked at again before live ones have their turn: a millisecond's worth."""
_SLICE_ALONE_EVENTS: Final = 256
"""As many where no live ones come: measured, a sixth less of CPU an event where all are exported."""
_EXPORTS_MAX: Final = 1_000
"""What is on its way to Kinesis: live exports may have to wait behind it."""
_UNSETTLED_MAX: Final = 8_000
"""Profiles, most of them with nothing to export: those that come after an export wait for it, as all of a partition do."""
_DELAYS: Final = Delays(1.0, 30.0)


class BackfillRun:
    """A backfill of partition number `partition`, of all that stands before `boundary`. From its making on live events strike profiles out.

    `on_ready` is called whenever there is something to `take`.
    """

    def __init__(
        self,
        partition: int,
        boundary: int,
        store: Store,
        *,
        is_at_home: Callable[[bytes], bool] | None,
        share: Share,
        backfills: Backfills,
        on_ready: Callable[[], None],
    ) -> None:
        self.again: Again | None = None
        """What the events that are handed over are to be taken as; None before it has begun."""
        self.boundary = boundary
        self._partition = partition
        self._search = LatestEvents(store, self._count, is_at_home)
        self._share = share
        self._backfills = backfills
        self._on_ready = on_ready
        self._begin: int | None = None
        self._down_to = boundary
        self._first_offset = boundary
        self._may_take = 0
        self._taken = 0
        self._in_flight = 0
        """Profiles that were taken, and what was made of them is not acknowledged."""
        self._unsettled = 0
        """Those of them whose batch is not settled: what is waits for the changelog alone, and in nobody's way."""
        self._exports = 0
        """Of those that are not settled."""
        self._is_broken_off = False
        self.lacks_some = False
        """Whether the source has lost its first events."""
        self._news = asyncio.Event()
        """Something has changed that `run` may wait for."""

    def break_off(self) -> None:
        """Hand over nothing any more."""
        self._is_broken_off = True
        self._may_take = 0
        self._news.set()

    def strike_out(self, profiles: Collection[bytes]) -> None:
        """Hand over no event of these profiles any more: live ones of them are worked on."""
        self._search.strike_out(profiles)
        if self._search.has_struck_many:
            self._news.set()

    @property
    def has_struck_too_many(self) -> bool:
        """Whether more profiles were struck out than may wait to be marked."""
        return self._search.has_struck_too_many

    async def mark_struck(self) -> None:
        """Mark those that were struck out.

        Raises:
            StateError: the store cannot be read or written.

        """
        await self._search.mark_struck()

    def take(self) -> list[Record]:
        """Take the latest events of some profiles, one each; none where none are ready."""
        if not self._may_take:
            return []
        taken = self._search.take(self._may_take)
        self._may_take = 0
        self._taken = len(taken)
        self._in_flight += len(taken)
        self._unsettled += len(taken)
        self._news.set()
        return taken

    def submitted(self, exports: int) -> None:
        """Note that so many exports came of the events that were taken last."""
        self._exports += exports

    def settled(self, profiles: int, exports: int) -> None:
        """Note that what was made of so many events is settled, so many exports."""
        self._unsettled -= profiles
        self._exports -= exports
        self._news.set()

    def acknowledged(self, profiles: int) -> None:
        """Note that what was made of so many events has gone all its way."""
        self._in_flight -= profiles
        self._news.set()

    async def run(
        self,
        note: BackfillNote,
        at_ms: int,
        open_history: Callable[[], AbstractAsyncContextManager[SourceHistory]],
    ) -> bool:
        """Look at all there is, as the backfill that `note` says has begun; True once all of it is acknowledged, False where it is broken off.

        Kafka is waited for as long as it takes.

        Raises:
            StateError: the store cannot be read or written.

        """
        self.again = Again(note.number, self.boundary - 1, at_ms)

        async def look() -> None:
            async with open_history() as history:
                await self._look(history, note, at_ms)

        try:
            await retried(look, errors=(KafkaError,), delays=_DELAYS, on_failure=self._failed)
        finally:
            self._backfills.hold(0)
        await self._until(lambda: not self._in_flight)
        await self._search.mark_struck()
        return not self._is_broken_off

    async def _look(self, history: SourceHistory, note: BackfillNote, at_ms: int) -> None:
        begin = (await history.bounds(self._partition)).begin
        self.lacks_some = begin > 0
        if self._begin is None:
            begun = Begun(note.number, self.boundary, at_ms, begin, self.boundary)
            self._backfills.begin(self._partition, begun)
        self._begin = begin
        while not self._is_broken_off:
            reading = None
            # The next chunk is read while what was found of this one is handed over.
            async with asyncio.TaskGroup() as tasks:
                if self._down_to > begin:
                    reading = tasks.create_task(self._read_on(history, begin), name="history")
                await self._hand_over()
            failure = None if reading is None else reading.result()
            if failure is not None:
                raise failure
            if not self._search.advance() and self._down_to <= begin:
                return

    async def _read_on(self, history: SourceHistory, begin: int) -> KafkaError | None:
        """Read the next chunk; Kafka's error where it fails.

        Raised, it would break the handing over off; and where the group of both is cancelled at once, an error takes the place of
        the cancellation: to be retried, it must not.
        """
        try:
            self._down_to = await self._search.read(history, self._partition, Bounds(begin, self._down_to))
        except KafkaError as error:
            return error
        self._backfills.read(self._partition, self._down_to, 0, 0)
        self._backfills.hold(self._search.held_bytes)
        return None

    async def _hand_over(self) -> None:
        """Have all that is found taken, as fast as it may be."""
        while self._search.found and not self._is_broken_off:
            most = self._share.most(_SLICE_ALONE_EVENTS if self._share.is_alone else SLICE_EVENTS)
            await self._share.passed(self._taken)
            await self._until(lambda: self._unsettled < _UNSETTLED_MAX and self._exports < _EXPORTS_MAX)
            self._taken, self._may_take = 0, most
            self._on_ready()
            await self._until(lambda: not self._may_take or not self._search.found)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so, or the backfill is broken off; meanwhile what is struck out is marked, where it is much."""
        while True:
            self._news.clear()
            if self._search.has_struck_many:
                await self._search.mark_struck()
                continue
            if self._is_broken_off or condition():
                return
            await self._news.wait()

    def _count(self, read: Read) -> None:
        self._backfills.read(self._partition, self._down_to, read.events, read.size_bytes)
        if read.first_offset <= self._first_offset:
            self._first_offset = read.first_offset
            self._backfills.source_begins(self._partition, read.first_timestamp_ms)

    def _failed(self, error: ProcessorError, wait_s: float) -> None:
        log.warning(
            "the source cannot be read for a backfill, trying again",
            partition=self._partition,
            reason=str(error),
            again_in_s=wait_s,
        )
