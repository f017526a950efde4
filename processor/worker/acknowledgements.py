"""The acknowledgements' way back, through one partition: batches settle, and those that have are kept together.

`settle` waits for Kinesis and for the dead letters, `keep` for changelog and store. So what settles while an append is
under way, or shortly after one began, shares the next.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from processor.profile.batch import merged_changes
from processor.worker.departed_profiles import Departures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from processor.worker.checkpoint import Checkpoint
    from processor.worker.dead_letter_stage import DeadLetterStage
    from processor.worker.in_flight import InFlight, Settled

_GATHERED_S: Final = 0.1
"""So far apart a partition's appends begin, where nothing makes one due before: one for each batch were 380 a second.

Measured at full load, in three rounds: 0.96 of the CPU an event, and 0.93 with the broker's. A crash repeats what was exported
in that time. It takes no room: what is settled holds its changes alone.
"""

_FLUSH_AFTER_S: Final = 10.0
"""Where nothing is acknowledged for so long, what was waits for the disk no longer."""

Wait: TypeAlias = Literal["Kinesis", "dead-letter limit", "dead letters", "changelog"]
"""What the oldest batch of a partition waits for; all but the first bear the name of their condition."""


class Acknowledgements:
    """Those of the batches `in_flight`. `settle` and `keep` run beside each other, until cancelled.

    `on_settled` is called with batches that have settled, and by how many bytes they hold less for it; `on_acknowledged` with
    those whose changes are kept, too. `next_offset` returns the offset before which all is acknowledged.
    """

    def __init__(
        self,
        in_flight: InFlight,
        dead_letters: DeadLetterStage,
        checkpoint: Checkpoint,
        *,
        on_settled: Callable[[Sequence[Settled], int], None],
        on_acknowledged: Callable[[Sequence[Settled]], None],
        next_offset: Callable[[], int | None],
    ) -> None:
        self.committed_offset: int | None = None
        """The offset that the group has; None before it is known."""
        self._in_flight = in_flight
        self._dead_letters = dead_letters
        self._checkpoint = checkpoint
        self._departures = Departures(checkpoint)
        self._on_settled = on_settled
        self._on_acknowledged = on_acknowledged
        self._next_offset = next_offset
        self._settling: Wait | None = None
        """What the oldest batch that is not settled waits for."""
        self._is_at_the_changelog = False
        self._to_keep = asyncio.Event()
        self._at_once = asyncio.Event()
        """Set while waiting brings nothing more into the next append."""
        self._gathers = True
        self._appended_s = -math.inf
        """When the last append of changes began."""

    @property
    def waits_for(self) -> Wait | None:
        """What the oldest batch waits for; None where none is under way, or it waits for others to be kept with."""
        if self._is_at_the_changelog:
            return "changelog"
        return None if self._in_flight.has_settled else self._settling

    def committed(self, offset: int) -> None:
        """Note that the group has this offset: the records of profiles that departed before it have had their use."""
        self.committed_offset = offset
        if self._departures.may_be_any:
            self._to_keep.set()

    def gather_no_more(self) -> None:
        """Keep what is settled as soon as it is, from now on: the partition is released, and its next owner waits."""
        self._gathers = False
        self._at_once.set()

    async def settle(self) -> None:
        """See batches settled as Kinesis and the dead-letter topic have what they made, until cancelled."""
        while True:
            ticket = await self._in_flight.next_ticket()
            self._settling = "Kinesis"
            await ticket.wait()
            await self._settle_answered()

    async def keep(self) -> None:
        """Keep the changes of what is settled, and acknowledge it, until cancelled.

        Raises:
            StateError: the state cannot be read or kept.

        """
        flush_after_s: float | None = _FLUSH_AFTER_S
        while True:
            try:
                async with asyncio.timeout(flush_after_s):
                    await self._to_keep.wait()
            except TimeoutError:
                with self._at_the_changelog():
                    await self._checkpoint.flush(self._next_offset())
                flush_after_s = None  # the disk has all; hundreds of idle partitions need not look again
                continue
            flush_after_s = _FLUSH_AFTER_S
            self._to_keep.clear()
            while self._in_flight.has_settled:
                await self._gather()
                await self._keep_settled()
            await self._purge_departed()

    async def _settle_answered(self) -> None:
        # In a method of its own: while nothing comes, nobody holds what was settled last.
        answered = self._in_flight.answered()
        self._settling = "dead-letter limit"
        await self._dead_letters.limited(answered)
        self._settling = "dead letters"
        await self._dead_letters.written(answered)
        self._settling = None
        settled, freed_bytes = self._in_flight.settle(len(answered))
        self._to_keep.set()
        if self._in_flight.is_full:
            self._at_once.set()
        self._on_settled(settled, freed_bytes)

    async def _gather(self) -> None:
        """Wait for more to settle, where there is anything to append; not long, and after a pause not at all."""
        if not any(each.batch.changes for each in self._in_flight.settled):
            return
        loop = asyncio.get_running_loop()
        until_s = self._appended_s + _GATHERED_S
        if until_s > loop.time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    await self._at_once.wait()
        self._appended_s = loop.time()

    async def _keep_settled(self) -> None:
        """Acknowledge what is settled, in one go."""
        settled = self._in_flight.settled
        changes = merged_changes([each.batch for each in settled])
        offset = settled[-1].batch.next_offset
        with self._at_the_changelog():
            if changes:
                await self._checkpoint.keep(changes, offset)
            else:
                await self._checkpoint.passed(offset)
        self._in_flight.acknowledge(len(settled))
        if self._gathers:
            self._at_once.clear()
        for each in settled:
            if each.batch.has_departed:
                self._departures.add(each.batch.next_offset)
        self._on_acknowledged(settled)

    async def _purge_departed(self) -> None:
        if self.committed_offset is None or not self._departures.may_be_any:
            return
        with self._at_the_changelog():
            if await self._departures.purge(self.committed_offset):
                self._to_keep.set()

    @contextmanager
    def _at_the_changelog(self) -> Iterator[None]:
        self._is_at_the_changelog = True
        try:
            yield
        finally:
            self._is_at_the_changelog = False
