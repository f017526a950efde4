"""The dead letters of one partition: held back by the limit where they are too many, then written until the topic has them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from processor.errors import KafkaError, KafkaUnavailable, Reason
from processor.profile.batch import BatchAgain
from processor.profile.dead_letter import DeadLetter
from processor.waiting.retry import Delays, retried
from processor.worker.dead_letter_limit import Passing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from processor.errors import ProcessorError
    from processor.kinesis.ticket import Ticket
    from processor.profile.batch import Batch
    from processor.telemetry.status import Status
    from processor.worker.dead_letter_limit import DeadLetterLimit
    from processor.worker.in_flight import OnItsWay

    Answered: TypeAlias = Sequence[OnItsWay]
    """Consecutive batches of whose exports none is on its way any more."""
    WriteDeadLetters: TypeAlias = Callable[[int, Sequence[DeadLetter]], Awaitable[None]]
    """Writes dead letters of a partition, in order, and returns once all of them are kept."""

log = structlog.get_logger(__name__)

CONDITION: Final = "dead letters"

_UNAVAILABLE_DELAYS: Final = Delays(2.0, 2.0)
_REFUSED_DELAYS: Final = Delays(10.0, 10.0)
"""Where Kafka refuses, a person must mend something first: it is asked less often."""


class DeadLetterStage:
    """Takes the dead letters of one partition's batches to their topic, once none of the batches' exports is on its way."""

    def __init__(
        self, partition: int, limit: DeadLetterLimit, write: WriteDeadLetters, status: Status
    ) -> None:
        self._partition = partition
        self._limit = limit
        self._write = write
        self._status = status

    async def limited(self, answered: Answered) -> None:
        """Count the batches, and wait where their dead letters may not be written; a backfill's events were counted when they came."""
        await self._limit.passed(
            self._partition,
            [_passing(batch, ticket) for batch, ticket, _ in answered if not isinstance(batch, BatchAgain)],
        )

    async def written(self, answered: Answered) -> None:
        """Write the dead letters of the batches, in order, as often as it takes."""
        dead_letters = [each for batch, ticket, _ in answered for each in _dead_letters(batch, ticket)]
        if not dead_letters:
            return
        available = partial(
            retried,
            partial(self._write, self._partition, dead_letters),
            errors=(KafkaUnavailable,),
            delays=_UNAVAILABLE_DELAYS,
            on_failure=self._failed,
        )
        await retried(available, errors=(KafkaError,), delays=_REFUSED_DELAYS, on_failure=self._failed)
        self._status.healthy(CONDITION, self._partition)

    def _failed(self, error: ProcessorError, _: float) -> None:
        self._status.unhealthy(CONDITION, str(error), self._partition)


def log_failures(partition: int, batch: Batch) -> None:
    """Log events that the core failed on, a line for each kind of failure: a fault that strikes one event strikes many."""
    event = (
        "events failed unexpectedly in a backfill, and their profiles stay as they are"
        if isinstance(batch, BatchAgain)
        else "events failed unexpectedly and become dead letters"
    )
    offsets: dict[tuple[str, str], list[int]] = {}
    for failure in batch.failures:
        offsets.setdefault((failure.error, failure.trace), []).append(failure.offset)
    for (error, trace), at in offsets.items():
        log.error(
            event,
            partition=partition,
            offsets=at,
            error=error,
            trace=trace,
        )


def _passing(batch: Batch, ticket: Ticket) -> Passing:
    offsets = [each.record.offset for each in _dead_letters(batch, ticket)]
    return Passing(offsets, batch.received, batch.next_offset)


def _dead_letters(batch: Batch, ticket: Ticket) -> list[DeadLetter]:
    rejected = [
        DeadLetter(batch.exported[r.position], Reason.REJECTED, f"Kinesis: {r.code}")
        for r in ticket.rejections
    ]
    return [*batch.dead_letters, *rejected]
