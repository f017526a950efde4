"""One partition's way through the stages.

Records are taken in order, batch by batch. A batch is acknowledged when the writer has all of its exports, the
dead-letter topic all of its dead letters, every batch before it is acknowledged, and its state changes are in the
changelog and the local store; then its offset may be committed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.kinesis.ticket import Ticket
from processor.profile.batch import BatchAgain, Limits
from processor.profile.processing import process, process_again
from processor.profile.source_record import RECORD_OVERHEAD_BYTES, keys_of, size_bytes
from processor.telemetry.traces import NoTraces
from processor.worker.acknowledgements import Acknowledgements
from processor.worker.dead_letter_stage import DeadLetterStage, log_failures
from processor.worker.in_flight import InFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.backfill.note import BackfillNote
    from processor.kinesis.writer import Writer
    from processor.profile.batch import Batch
    from processor.profile.core import Core
    from processor.profile.source_record import Record
    from processor.state.overlay import LookUp, Overlay
    from processor.telemetry.status import Status
    from processor.telemetry.traces import Span, Tracer
    from processor.worker.acknowledgements import Wait
    from processor.worker.checkpoint import Checkpoint
    from processor.worker.dead_letter_limit import DeadLetterLimit
    from processor.worker.dead_letter_stage import WriteDeadLetters
    from processor.worker.in_flight import Settled
    from processor.worker.partition_backfill import PartitionBackfill

log = structlog.get_logger(__name__)

_RECORDS_AT_ONCE: Final = 600
"""How many records the core works on before the loop turns, about: a few milliseconds' worth."""


class Stages(NamedTuple):
    """What a partition's records pass through, and its acknowledgements come back by."""

    core: Core
    state: Overlay
    writer: Writer
    write_dead_letters: WriteDeadLetters
    checkpoint: Checkpoint
    limit: DeadLetterLimit


class Partition:
    """An assigned partition, restored, from `start_offset` on. `run` it; to release it, `drain` it, end `run`, and `abandon` it.

    `state_bytes_max` bounds the record of a profile's state; `on_room` is called whenever it holds less than before. Without a
    `backfill` a change of what it follows is seen with each profile's next event alone.
    """

    def __init__(
        self,
        number: int,
        stages: Stages,
        status: Status,
        *,
        start_offset: int = 0,
        state_bytes_max: int,
        on_room: Callable[[], None],
        tracer: Tracer | None = None,
        backfill: PartitionBackfill | None = None,
    ) -> None:
        self.number = number
        self.next_offset: int | None = None
        """The offset to commit: all before it is acknowledged, or is no event. None before the first."""
        self.start_offset = start_offset
        self.reached_timestamp_ms: int | None = None
        """The time of the event that was acknowledged last, about."""
        self.held_bytes = 0
        """Of records taken, until what came of them is stored, and of state changes, until they are kept."""
        self._stages = stages
        self._followed: Core | None = None
        """The core that the next batch is worked on by; None before it was noted which one that is."""
        self._worked_offset = start_offset
        """The offset before which every event was worked on."""
        self._backfill = backfill
        self._state_bytes_max = state_bytes_max
        self._status = status
        self._on_room = on_room
        self._tracer = tracer or NoTraces()
        self._taken: deque[Sequence[Record]] = deque()
        self._end_offset = 0
        self._in_flight = InFlight()
        self._live_in_flight = 0
        """Batches in flight that no backfill has made."""
        self._acknowledgements = Acknowledgements(
            self._in_flight,
            DeadLetterStage(number, stages.limit, stages.write_dead_letters, status),
            stages.checkpoint,
            on_settled=self._settled,
            on_acknowledged=self._acknowledged,
            next_offset=lambda: self.next_offset,
        )
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_released = False
        if backfill is not None:
            backfill.attach(self._untaken_offset, self._wake.set)

    def follow(self, core: Core) -> None:
        """Have the next batch, and all after it, worked on by another core, once it is noted that they are."""
        self._stages = self._stages._replace(core=core)
        self._wake.set()

    def request_backfill(self, request: str) -> None:
        """Have all profiles looked at again, unless that was done for this request before."""
        if self._backfill is not None:
            self._backfill.request(request)

    def offer(self, records: Sequence[Record], end_offset: int | None) -> None:
        """Take records, in order; how much fits is the caller's to decide, by `held_bytes`.

        The partition ends at `end_offset`, as far as is known.
        """
        # In parts of much the same size: a rest of some records would cost nearly what a whole part does.
        parts = math.ceil(len(records) / _RECORDS_AT_ONCE)
        self._taken.extend(
            records[len(records) * part // parts : len(records) * (part + 1) // parts]
            for part in range(parts)
        )
        self._end_offset = end_offset or 0
        held_bytes = size_bytes(records)
        self.held_bytes += held_bytes
        self._status.received(len(records), held_bytes - RECORD_OVERHEAD_BYTES * len(records))
        self._idle.clear()
        self._wake.set()

    @property
    def waits_for(self) -> Wait | None:
        """What the oldest batch waits for; None where none is under way, or it waits for others to be kept with."""
        return self._acknowledgements.waits_for

    @property
    def committed_offset(self) -> int | None:
        """The offset that the group has; None before it is known."""
        return self._acknowledgements.committed_offset

    @property
    def reached_offset(self) -> int:
        """The offset before which all is acknowledged, or is no event: where it began, before the first."""
        return self.start_offset if self.next_offset is None else self.next_offset

    @property
    def changelog_position(self) -> int:
        """The changelog's offset before which all is that `next_offset` relies on."""
        return self._stages.state.store.position

    @property
    def backfill_note(self) -> BackfillNote | None:
        """Which configuration its state is complete for; None before that is noted."""
        return None if self._backfill is None else self._backfill.note

    @property
    def disk_trouble(self) -> str | None:
        """Why its store brings nothing to disk any more; None while it does."""
        return self._stages.state.store.trouble

    @property
    def is_idle(self) -> bool:
        """Whether all that was offered is acknowledged."""
        return self._idle.is_set()

    def pass_to(self, position: int) -> None:
        """Note that all before offset `position` was read and offered; once that is acknowledged, it is the next offset.

        What was read and not offered is no event: a transaction's marker, what it aborted, what compaction took.
        """
        is_passive = not self._taken and not self._live_in_flight
        if is_passive and not self._is_released and position > (self.next_offset or self.start_offset):
            self.next_offset = position
            if self._backfill is not None:
                self._backfill.passed_on()

    @property
    def progress_mark(self) -> tuple[object, ...]:
        """What changes whenever the partition goes on; what is taken does not count until it is acknowledged."""
        return self.next_offset, self.waits_for, self._in_flight.exports_of_the_oldest

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """The time of the oldest event that is taken and not acknowledged; None where there is none."""
        for batch in self._in_flight:
            if not isinstance(batch, BatchAgain):
                return batch.timestamp_ms
        return self._taken[0][0].timestamp if self._taken else None

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            StateError, InvalidStateRecord: the state cannot be read or kept; the service cannot go on with it.

        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work(tasks), name=f"work-{self.number}")
            tasks.create_task(self._acknowledgements.settle(), name=f"settle-{self.number}")
            tasks.create_task(self._acknowledgements.keep(), name=f"keep-{self.number}")
            if self._backfill is not None:
                tasks.create_task(self._backfill.run(), name=f"backfill-{self.number}")

    async def drain(self) -> None:
        """Take no more, and wait until all that was begun is acknowledged; what was not begun is given back."""
        self._give_back()
        await self._idle.wait()

    async def abandon(self) -> None:
        """Give up what is not acknowledged; it will be read again, by whoever owns the partition then.

        Nothing works on it any more: `run` was cancelled.
        """
        self._give_back()
        await self._stages.writer.abandon(self.number, self._in_flight.tickets)
        records = sum(batch.received for batch in self._in_flight)
        for span in self._in_flight.spans:
            span.abandoned()
        self._status.abandoned(records)
        if records:
            log.warning("abandoned what was not acknowledged", partition=self.number, records=records)

    def committed(self, offset: int) -> None:
        """Note that the group has this offset: the records of profiles that departed before it have had their use."""
        self._acknowledgements.committed(offset)

    def _give_back(self) -> None:
        self._is_released = True
        self._acknowledgements.gather_no_more()
        if self._backfill is not None:
            self._backfill.stop()
        records = sum(len(batch) for batch in self._taken)
        self.held_bytes -= sum(size_bytes(batch) for batch in self._taken)
        self._taken.clear()
        self._status.abandoned(records)
        self._note_if_idle()

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            await self._follow()
            if self._taken:
                await self._work_on_taken(tasks)
            elif not await self._work_on_latest(tasks):
                await self._wake.wait()
                self._wake.clear()

    async def _follow(self) -> None:
        """See that it is noted which configuration the next batch is worked on under: that must not be known later than what it does."""
        while self._followed is not self._stages.core:
            core = self._stages.core
            if self._backfill is not None and not self._is_released:
                # Behind the note stands nothing that was made before it: a restore knows by that what came late.
                await self._in_flight.none()
                await self._backfill.work_under(core.fingerprint)
            self._followed = core

    async def _work_on_taken(self, tasks: asyncio.TaskGroup) -> None:
        """Work on what was taken, until there is nothing of it or another core is to be followed."""
        ahead: tuple[Sequence[Record], LookUp] | None = None
        while self._taken and self._followed is self._stages.core:
            records, look_up = ahead or self._looked_up(0, tasks)
            # The next records' states are read while these are worked on.
            ahead = self._looked_up(1, tasks) if len(self._taken) > 1 else None
            states = await self._stages.state.finish(look_up)
            if not self._taken:  # given back meanwhile
                break
            self._taken.popleft()
            await self._begin(records, states)
            await asyncio.sleep(0)
        if ahead is not None:
            await self._stages.state.finish(ahead[1])

    async def _work_on_latest(self, tasks: asyncio.TaskGroup) -> bool:
        """Work on some latest events of a backfill; False where there are none to be worked on now."""
        backfill = self._backfill
        records = [] if backfill is None else backfill.take()
        if not records:
            return False
        states = await self._stages.state.finish(self._look_up(records, tasks))
        again = None if backfill is None else backfill.again
        if backfill is not None and again is not None:  # else it was broken off meanwhile
            span = self._tracer.begin(self.number, records)
            batch = process_again(
                self._core, states, records, self._limits, again, next_offset=self._untaken_offset()
            )
            backfill.submitted(batch)
            # Calls may fill where nobody waits: live batches are acknowledged behind this one.
            await self._submit(batch, span, is_followed=backfill.is_alone)
        await asyncio.sleep(0)
        return True

    def _looked_up(self, position: int, tasks: asyncio.TaskGroup) -> tuple[Sequence[Record], LookUp]:
        records = self._taken[position]
        return records, self._look_up(records, tasks)

    def _look_up(self, records: Sequence[Record], tasks: asyncio.TaskGroup) -> LookUp:
        return self._stages.state.begin(keys_of(records), tasks)

    @property
    def _core(self) -> Core:
        if self._followed is None:
            raise RuntimeError("events are worked on before it is noted under which configuration")
        return self._followed

    @property
    def _limits(self) -> Limits:
        return Limits(self._stages.writer.max_record_bytes, self._state_bytes_max)

    def _untaken_offset(self) -> int:
        return max(self._worked_offset, self.reached_offset)

    async def _begin(self, records: Sequence[Record], states: dict[bytes, bytes | None]) -> None:
        span = self._tracer.begin(self.number, records)
        began_s = time.perf_counter()
        number = 0 if self._backfill is None else self._backfill.number
        batch = process(self._core, states, records, self._limits, number)
        self._status.processed(batch, time.perf_counter() - began_s)
        self._worked_offset = batch.next_offset
        self._live_in_flight += 1
        if self._backfill is not None:
            # Without a turn of the loop since the events were worked on: a backfill begins before them, or behind.
            self._backfill.worked_on(states.keys())
        # More than a batch: at the end of a topic, markers of transactions may stand that are no events.
        is_followed = self._end_offset - batch.next_offset > _RECORDS_AT_ONCE
        await self._submit(batch, span, is_followed=is_followed)
        if self._backfill is not None:
            await self._backfill.keep_up()

    async def _submit(self, batch: Batch, span: Span, *, is_followed: bool) -> None:
        if batch.failures:
            log_failures(self.number, batch)
        self._stages.state.put(batch.changes)
        ticket = Ticket(batch.exports, self.number, is_followed=is_followed)
        self._in_flight.add(batch, ticket, span)
        self._idle.clear()
        await self._stages.writer.submit(ticket)

    def _settled(self, settled: Sequence[Settled], freed_bytes: int) -> None:
        for each in settled:
            if not isinstance(each.batch, BatchAgain):
                self._status.settled(each.batch)
            elif self._backfill is not None:
                self._backfill.settled(each.batch)
        if freed_bytes:
            self.held_bytes -= freed_bytes
            self._on_room()

    def _acknowledged(self, acknowledged: Sequence[Settled]) -> None:
        for batch, rejected, span in acknowledged:
            span.acknowledged(batch, rejected)
            if isinstance(batch, BatchAgain):
                if self._backfill is not None:
                    self._backfill.acknowledged(batch, rejected)
                continue
            self._live_in_flight -= 1
            self.next_offset = batch.next_offset
            self.reached_timestamp_ms = batch.timestamp_ms
            self.held_bytes -= batch.size_bytes
            self._status.acknowledged(batch, rejected)
        self._note_if_idle()
        self._on_room()

    def _note_if_idle(self) -> None:
        if not self._taken and not self._in_flight:
            self._idle.set()
