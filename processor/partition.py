"""One partition's way through the stages, and its acknowledgements' way back.

Records are taken in order, batch by batch. A batch is acknowledged when the writer has all of its exports, the
dead-letter topic all of its letters, and every batch before it is acknowledged; then its state changes reach
the store and its offset may be committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from processor.batch import Batch, process, size_bytes
from processor.errors import KafkaError, KafkaUnavailable, Reason
from processor.kafka.dead_letters import DeadLetter
from processor.kinesis.writer import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.batch import Record
    from processor.kafka.dead_letters import DeadLetters
    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.state.overlay import Overlay
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

_RECORDS_AT_ONCE: Final = 200
"""How many records the core works on before the loop turns: a few milliseconds' worth."""

_LETTERS_RETRY_S: Final = 2.0


class Partition:
    """An assigned partition. Create it, `run` it in a task group, `drain` it, then `close` it."""

    def __init__(
        self,
        number: int,
        *,
        core: Core,
        state: Overlay,
        writer: Writer,
        dead_letters: DeadLetters,
        status: Status,
        on_room: Callable[[], None],
    ) -> None:
        self.number = number
        self.next_offset: int | None = None
        """The offset to commit: all before it is acknowledged. None before the first."""
        self.committed_offset: int | None = None
        self.held_bytes = 0
        """Of records taken and not yet acknowledged."""
        self._core = core
        self._state = state
        self._writer = writer
        self._dead_letters = dead_letters
        self._status = status
        self._on_room = on_room
        self._taken: deque[Sequence[Record]] = deque()
        self._in_flight: deque[tuple[Batch, Ticket]] = deque()
        self._left: deque[tuple[int, dict[bytes, bytes]]] = deque()
        self._stirred = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = False

    def offer(self, records: Sequence[Record]) -> None:
        """Take records, in order; how much fits is the caller's to decide, by `held_bytes`."""
        self._taken.append(records)
        self.held_bytes += size_bytes(records)
        self._status.received(len(records))
        self._idle.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            settling = asyncio.Event()
            tasks.create_task(self._work(settling), name=f"work-{self.number}")
            tasks.create_task(self._settle(settling), name=f"settle-{self.number}")

    async def drain(self) -> None:
        """Take no more, and wait until all that was begun is acknowledged; what was not begun is given back."""
        self._stopped = True
        self._give_back()
        await self._idle.wait()

    async def abandon(self) -> None:
        """Give up what is not acknowledged; it will be read again, by whoever owns the partition then."""
        self._stopped = True
        self._give_back()
        given_up = list(self._in_flight)
        await self._writer.abandon([ticket for _, ticket in given_up])
        records = sum(batch.received for batch, _ in given_up)
        self._status.abandoned(records)
        if records:
            log.warning("abandoned what was not acknowledged", partition=self.number, records=records)

    def committed(self, offset: int) -> None:
        """Kafka has this partition's offset: the records of profiles that left before it have had their use."""
        self.committed_offset = offset
        while self._left and self._left[0][0] <= offset:
            self._state.forget(self._left.popleft()[1])

    def close(self) -> None:
        """Let go of the state."""
        self._state.close()

    def _give_back(self) -> None:
        records = sum(len(batch) for batch in self._taken)
        self.held_bytes -= sum(size_bytes(batch) for batch in self._taken)
        self._taken.clear()
        self._status.abandoned(records)
        self._rest_if_idle()

    async def _work(self, settling: asyncio.Event) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while self._taken:
                records = self._taken[0][:_RECORDS_AT_ONCE]
                rest = self._taken[0][_RECORDS_AT_ONCE:]
                self._taken.popleft()
                if rest:
                    self._taken.appendleft(rest)
                await self._begin(records, settling)
                await asyncio.sleep(0)

    async def _begin(self, records: Sequence[Record], settling: asyncio.Event) -> None:
        batch = process(self._core, self._state, records, self._writer.max_record_bytes)
        ticket = Ticket(batch.exports, self.number)
        self._in_flight.append((batch, ticket))
        settling.set()
        await self._writer.submit(ticket)

    async def _settle(self, settling: asyncio.Event) -> None:
        while True:
            await settling.wait()
            settling.clear()
            while self._in_flight:
                batch, ticket = self._in_flight[0]
                rejections = await ticket.wait()
                rejected = [
                    DeadLetter(batch.exported[r.position], Reason.REJECTED, f"Kinesis: {r.code}")
                    for r in rejections
                ]
                await self._write_letters([*batch.letters, *rejected])
                self._acknowledge(batch, len(rejected))

    def _acknowledge(self, batch: Batch, rejected: int) -> None:
        self._in_flight.popleft()
        self._state.acknowledge(batch.changes)
        self.next_offset = batch.next_offset
        left = batch.left()
        if left:
            self._left.append((batch.next_offset, left))
        self.held_bytes -= batch.size_bytes
        self._status.acknowledged(batch, rejected)
        self._rest_if_idle()
        self._on_room()

    async def _write_letters(self, letters: Sequence[DeadLetter]) -> None:
        while letters:
            try:
                await self._dead_letters.write(letters)
            except KafkaError as error:
                self._status.unhealthy("dead letters", str(error))
                wait_s = _LETTERS_RETRY_S if isinstance(error, KafkaUnavailable) else 5 * _LETTERS_RETRY_S
                await asyncio.sleep(wait_s)
            else:
                self._status.healthy("dead letters")
                return

    def _rest_if_idle(self) -> None:
        if not self._taken and not self._in_flight:
            self._idle.set()
