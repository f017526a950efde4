"""How many dead letters are too many: a broken release of a producer must not drain a topic into them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.errors import KafkaError
from processor.waiting.retry import Delays, retried

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from processor.errors import ProcessorError
    from processor.settings import ServiceSettings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

CONDITION: Final = "dead-letter limit"

NEAR: Final = 0.5
"""From which part of the limit on it is warned of."""
_FAR: Final = 0.25
"""Below which part it is far again."""
_DELAYS: Final = Delays(1.0, 1.0)
_PARTS: Final = 32
_PART_S: Final = 1.0
"""Counts that are smaller than a part of the window, and younger, are kept as one."""

_WAY_ON: Final = (
    "Mend their producer. Then send SIGHUP to every process of the group: bad events that the topic has by then are let "
    "through to the dead letters, once, and those that come later count again"
)


class Passing(NamedTuple):
    """A batch on its way: the offsets of its events that are dead letters, of how many, and the offset after it."""

    dead_letters: Sequence[int]
    received: int
    next_offset: int


@dataclass(slots=True)
class _Counted:
    """Events and dead letters of consecutive batches of a worker, counted together."""

    since_s: float
    dead_letters: int
    processed: int


class DeadLetterLimit:
    """Holds a worker's dead letters back where there are too many: bad events in a row, of one partition; or a count of them that is more than a share of the last.

    The share is of as many events as make the count: more than 1,000 and a half is more than 1,000 of the last 2,000,
    none of them older than the window. Where either is passed it holds: no further dead letter is written, and a
    partition whose next batch has one stands still, unready, with nothing of that batch committed. A person decides:
    `lift`, or a new start, begins to count anew.
    """

    def __init__(self, settings: ServiceSettings, status: Status) -> None:
        self._max_run = settings.dead_letter_limit_run
        self._max_count = settings.dead_letter_limit_count
        self._max_share = settings.dead_letter_limit_share
        self._window_s = settings.dead_letter_limit_window_ms / 1000
        self._last = self._max_count / self._max_share if self._max_share else float("inf")
        self._status = status
        self._counts: deque[_Counted] = deque()
        self._dead_letters = 0
        self._processed = 0
        self._runs: dict[int, int] = {}
        """Of each partition: how many events in a row were bad, up to now."""
        self._let_through_to: dict[int, int] = {}
        """Of each partition: up to which offset dead letters do not count."""
        self._let_through: dict[int, int] = {}
        """How many were let through for that."""
        self._is_near = False
        self._why: str | None = None
        self._lifted = asyncio.Event()
        self._lifted.set()

    async def passed(self, partition: int, batches: Sequence[Passing]) -> None:
        """Count consecutive batches of a partition, and wait where their dead letters may not be written."""
        if not self._max_count:
            return
        for batch in batches:
            counted = self._counted_of(partition, batch)
            if counted is not None:
                self._count(partition, counted)
                self._look(partition)
        if self.is_held and any(batch.dead_letters for batch in batches):
            await self._lifted.wait()
            for batch in batches:
                # They were counted before it was lifted, and are let through now.
                self._counted_of(partition, batch)

    def lift(self, to: Mapping[int, int]) -> None:
        """Write dead letters again, and count anew; of each partition those before an offset are not counted."""
        self._let_through_to = dict(to)
        self._let_through = dict.fromkeys(to, 0)
        self._counts.clear()
        self._runs.clear()
        self._dead_letters = self._processed = 0
        self._is_near = False
        self._why = None
        log.info("dead letters of what the topic has by now are let through, once", partitions=len(to))
        if not self._lifted.is_set():
            self._lifted.set()
            self._status.healthy(CONDITION)

    def released(self, partition: int) -> None:
        """Drop the run of a partition that was given up: what is not committed is counted anew by whoever reads it."""
        self._runs.pop(partition, None)

    @property
    def is_held(self) -> bool:
        """Whether no more dead letters are written."""
        return not self._lifted.is_set()

    @property
    def ratio(self) -> float:
        """How near the limit is: 1 where it holds."""
        if self.is_held:
            return 1.0
        run_ratio = self._longest_run / self._max_run if self._max_run else 0.0
        return min(max(self._counted_ratio, run_ratio), 1.0)

    @property
    def notice(self) -> str | None:
        """What an operator should know of it now, as a sentence; None where there is nothing."""
        return self._why or (self._near() if self._is_near else None)

    @property
    def _counted_ratio(self) -> float:
        if not self._max_count or self._dead_letters <= NEAR * self._max_share * self._processed:
            return 0.0
        return self._dead_letters / self._max_count

    @property
    def _longest_run(self) -> int:
        return max(self._runs.values(), default=0)

    def _counted_of(self, partition: int, batch: Passing) -> Passing | None:
        """What of a batch counts: all, what comes after that which is let through, or nothing."""
        to = self._let_through_to.get(partition)
        if to is None:
            return batch
        later = [offset for offset in batch.dead_letters if offset >= to]
        self._let_through[partition] += len(batch.dead_letters) - len(later)
        if batch.next_offset >= to:
            self._end_letting_through(partition)
        if batch.next_offset <= to:
            return None
        return Passing(later, min(batch.received, batch.next_offset - to), batch.next_offset)

    def _end_letting_through(self, partition: int) -> None:
        offset, dead_letters = self._let_through_to.pop(partition), self._let_through.pop(partition)
        if dead_letters:
            log.info(
                "what was let through is done, dead letters count again",
                partition=partition,
                offset=offset,
                dead_letters=dead_letters,
            )

    def _count(self, partition: int, batch: Passing) -> None:
        # Where in a batch its bad events stand is not looked at: a run is of batches that have nothing else.
        dead_letters = len(batch.dead_letters)
        is_run = dead_letters == batch.received and self._max_run
        self._runs[partition] = self._runs.get(partition, 0) + dead_letters if is_run else 0
        now_s, counts = asyncio.get_running_loop().time(), self._counts
        if (
            counts
            and now_s < counts[-1].since_s + _PART_S
            and counts[-1].processed + batch.received <= self._last / _PARTS
        ):
            counts[-1].dead_letters += dead_letters
            counts[-1].processed += batch.received
        else:
            counts.append(_Counted(now_s, dead_letters, batch.received))
        self._dead_letters += dead_letters
        self._processed += batch.received
        while (
            counts[0].since_s < now_s - self._window_s or self._processed - counts[0].processed >= self._last
        ):
            gone = counts.popleft()
            self._dead_letters -= gone.dead_letters
            self._processed -= gone.processed

    def _look(self, partition: int) -> None:
        """Hold where there are too many; warn where there soon will be."""
        if self.is_held:
            return
        ratio = self.ratio
        if ratio >= NEAR and not self._is_near:
            self._is_near = True
            log.warning("many dead letters, the limit is near", reason=self._near())
        elif ratio < _FAR:
            self._is_near = False
        run = self._runs[partition]
        if self._max_run and run >= self._max_run:
            self._hold(
                f"{run} events in a row of partition {partition} were bad (PROCESSOR_DEAD_LETTER_LIMIT_RUN: {self._max_run})"
            )
        elif self._dead_letters > max(self._max_count, self._max_share * self._processed):
            self._hold(
                f"{self._dead_letters} of the last {self._processed} events were bad (PROCESSOR_DEAD_LETTER_LIMIT_COUNT: "
                f"{self._max_count}, _SHARE: {self._max_share:.0%})"
            )

    def _hold(self, why: str) -> None:
        self._lifted.clear()
        self._why = f"{why}: no more dead letters are written. {_WAY_ON}"
        log.error("too many dead letters, no more are written", reason=self._why)
        self._status.unhealthy(CONDITION, self._why)

    def _near(self) -> str:
        run = f", or {self._max_run} in a row" if self._max_run else ""
        return (
            f"{self._dead_letters} of the last {self._processed} events were bad, and {self._longest_run} in a row of one "
            f"partition: where they are more than {self._max_count} and {self._max_share:.0%}{run}, no more dead letters "
            "are written. Look at their producer"
        )


async def let_through(limit: DeadLetterLimit, ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
    """Lift the limit for what the topic has by now, as `ends` says of all its partitions, as soon as Kafka answers.

    Of all: those that are another member's now may be this one's soon.
    """

    def report(error: ProcessorError, _: float) -> None:
        log.warning("dead letters are not let through yet, trying again", reason=str(error))

    limit.lift(await retried(ends, errors=(KafkaError,), delays=_DELAYS, on_failure=report))
