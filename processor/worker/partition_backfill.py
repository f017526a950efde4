"""The backfills of one partition: whether one is due, and its beginning, its end, and what breaks it off.

What it finds, the partition takes while no live events wait, and brings on the same way as what it makes of live ones.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from processor.backfill.latest_events import count_unmet
from processor.errors import Reason
from processor.telemetry.backfills import Cause
from processor.worker.added_partitions import partition_of
from processor.worker.backfill_run import BackfillRun
from processor.worker.completeness import Completeness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager

    from processor.backfill.note import BackfillNote
    from processor.backfill.share import Share
    from processor.kafka.source_history import SourceHistory
    from processor.profile.batch import Again, BatchAgain
    from processor.profile.source_record import Record
    from processor.state.store import Store
    from processor.telemetry.backfills import Backfills
    from processor.worker.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Backfilling:
    """What the backfills of a worker's partitions share.

    `is_off` has one begin on request alone. `source_may_lack` says that the source is compacted: it may have lost a profile's latest event,
    a tombstone. `clock_ms` is the time in ms since the epoch.
    """

    open_history: Callable[[], AbstractAsyncContextManager[SourceHistory]]
    share: Share
    backfills: Backfills
    is_off: bool
    source_may_lack: bool
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


class PartitionBackfill:
    """Those of partition number `partition`; `attach` it to the partition, and `run` it beside.

    None begins before the partition has reached `caught_up_at`, the source's end when it was taken over: a member that had it
    before, and does not know that it lost it, has taken nothing behind that.
    """

    def __init__(
        self, partition: int, store: Store, checkpoint: Checkpoint, shared: Backfilling, *, caught_up_at: int
    ) -> None:
        self._partition = partition
        self._store = store
        self._completeness = Completeness(partition, store, checkpoint)
        self._shared = shared
        self._caught_up_at = caught_up_at
        self._request: str | None = None
        self._news = asyncio.Event()
        """Something has changed that may make a backfill due, or let it begin."""
        self._is_waiting_for_offset = False
        self._worked_offset: Callable[[], int] = lambda: 0
        self._on_ready: Callable[[], None] = lambda: None
        self._under_way: BackfillRun | None = None
        self._is_stopped = False

    def attach(self, worked_offset: Callable[[], int], on_ready: Callable[[], None]) -> None:
        """Work for a partition: `worked_offset` returns the offset before which it has worked on every event, `on_ready` wakes it."""
        self._worked_offset, self._on_ready = worked_offset, on_ready

    @property
    def number(self) -> int:
        """The number of the partition's note, which the state records bear that live events make; 0 before there is one."""
        note = self._completeness.note
        return 0 if note is None else note.number

    @property
    def again(self) -> Again | None:
        """What the events that may be taken are to be taken as; None where no backfill is under way."""
        return None if self._under_way is None else self._under_way.again

    @property
    def note(self) -> BackfillNote | None:
        """The partition's note; None before there is one."""
        return self._completeness.note

    def request(self, request: str | None) -> None:
        """Have a backfill be due, unless this request was heeded before."""
        if request != self._request:
            self._request = request
            self._news.set()

    def passed_on(self) -> None:
        """Note that the partition has passed what is no event."""
        if self._is_waiting_for_offset:
            self._news.set()

    async def work_under(self, fingerprint: str) -> None:
        """Note which configuration events are worked on under from now on; a backfill for another one is broken off.

        Raises:
            StateError, StateRefused: the note cannot be kept.

        """
        note = self._completeness.note
        if note is not None and note.fingerprint != fingerprint:
            self.break_off()
        await self._completeness.work_under(fingerprint, self._request)
        self._news.set()

    def break_off(self) -> None:
        """Hand over nothing any more."""
        if self._under_way is not None:
            self._under_way.break_off()
            self._under_way = None

    def worked_on(self, profiles: Collection[bytes]) -> None:
        """Note that live events of these profiles were worked on: what came before is not looked at any more."""
        if self._is_waiting_for_offset:
            self._news.set()
        if self._under_way is not None:
            self._under_way.strike_out(profiles)

    async def keep_up(self) -> None:
        """Have what live events have struck out marked, where it is too much to wait for that.

        Raises:
            StateError: the store cannot be read or written.

        """
        run = self._under_way
        if run is not None and run.has_struck_too_many:
            await run.mark_struck()

    def stop(self) -> None:
        """Break off what is under way, and begin none any more: the partition is released."""
        self._is_stopped = True
        self.break_off()

    @property
    def is_alone(self) -> bool:
        """Whether it has the worker for itself: no live events come."""
        return self._shared.share.is_alone

    def submitted(self, batch: BatchAgain) -> None:
        """Note what was made of events that were taken."""
        if self._under_way is not None:
            self._under_way.submitted(len(batch.exports))

    def take(self) -> list[Record]:
        """Take the latest events of some profiles, one each; none where none are ready."""
        return [] if self._under_way is None else self._under_way.take()

    def settled(self, batch: BatchAgain) -> None:
        """Note that what was made of events has come where it was to come; its changes are not kept yet."""
        if self._under_way is not None and self._is_of_it(batch):
            self._under_way.settled(batch.profiles, batch.exports_made)

    def acknowledged(self, batch: BatchAgain, rejected: int) -> None:
        """Note that what was made of events has gone all its way."""
        removed = Counter([removal.policy for removal in batch.removed])
        exported = batch.exports_made - rejected
        refused = Counter(batch.refused) + Counter({Reason.REJECTED.value: rejected})
        self._shared.backfills.looked_at(self._partition, batch.profiles, exported, refused, removed)
        if self._under_way is not None and self._is_of_it(batch):
            self._under_way.acknowledged(batch.profiles)

    async def run(self) -> None:
        """Run backfills as they are due, one after the other, until cancelled.

        Raises:
            StateError, StateRefused: the state cannot be read or kept.

        """
        # Where the partition was begun anew, what was reported of its former life is over.
        self._shared.backfills.released(self._partition)
        while True:
            note = await self._due()
            async with self._shared.share.turn():
                await self._backfill(note)

    async def _due(self) -> BackfillNote:
        """Wait until a backfill is due and may begin; the note that makes it so."""
        reported: tuple[BackfillNote, str | None] | None = None
        while True:
            self._news.clear()
            note = self._completeness.note
            request = self._request if note is None or self._request != note.request else None
            if note is not None and (not note.is_complete or request is not None):
                # One that has begun was wanted: whoever takes the partition over goes on with it.
                is_held = self._shared.is_off and request is None and note.boundary is None
                if reported != (note, request):
                    reported = note, request
                    cause = Cause(note.fingerprint, note.former, request)
                    self._shared.backfills.due(self._partition, cause, is_off=is_held)
                if not is_held and not self._is_stopped:
                    if self._worked_offset() >= self._caught_up_at:
                        return note
                    self._is_waiting_for_offset = True
            await self._news.wait()
            self._is_waiting_for_offset = False

    async def _backfill(self, due: BackfillNote) -> None:
        shared, request = self._shared, self._request
        await self._store.clear_marks()
        if self._is_stopped:
            return  # released, while it waited for its turn or for the disk
        # Without a turn of the loop between them: what is worked on from this offset on strikes profiles out.
        run = BackfillRun(
            self._partition,
            self._worked_offset(),
            self._store,
            is_at_home=None if due.partitions is None else partial(self._is_at_home, due.partitions),
            share=shared.share,
            backfills=shared.backfills,
            on_ready=self._on_ready,
        )
        self._under_way = run
        at_ms = shared.clock_ms()
        begun = await self._completeness.begin(due, run.boundary, at_ms, request)
        if begun is None:
            self.break_off()
            return
        if not await run.run(begun, at_ms, shared.open_history):
            return
        if run.lacks_some or shared.source_may_lack or due.partitions is not None:
            shared.backfills.unmet(self._partition, await count_unmet(self._store))
        if await self._completeness.complete(begun):
            self._under_way = None
            shared.backfills.complete(self._partition)
            await self._store.clear_marks()

    def _is_of_it(self, batch: BatchAgain) -> bool:
        """Whether the backfill that is under way has made `batch`."""
        return self.again is not None and self.again.number == batch.number

    def _is_at_home(self, partitions: int, profile: bytes) -> bool:
        return partition_of(profile, partitions) == self._partition
