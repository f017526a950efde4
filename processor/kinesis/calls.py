"""PutRecords calls: each is begun in a task, ends in one of five ways, and may be cancelled.

It is answered; its content is rejected; it is refused until a person mends something; it fails, which waiting cures;
or it is cancelled. Whichever it is, each of its records is settled or sent again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.bisection import Verdict
from processor.kinesis.call_limit import InFlightLimit
from processor.kinesis.call_size import Size
from processor.kinesis.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.kinesis.bisection import Bisection, Sent
    from processor.kinesis.call import Call
    from processor.kinesis.call_size import CallSize
    from processor.kinesis.endpoint import Endpoint
    from processor.kinesis.figures import WriterFigures
    from processor.kinesis.kinesis_json import Answer
    from processor.kinesis.retries import Retries
    from processor.kinesis.settlement import Settlement
    from processor.kinesis.stream_watch import StreamWatch
    from processor.settings import KinesisSettings

log = structlog.get_logger(__name__)


class Calls:
    """The calls in flight.

    `following` is asked when one was answered, and what it gives goes in the same task: a profile's next record is sent as
    the answer to the last comes, without a new task or a turn of the loop: 20 µs of CPU a call of one record, not 30.
    `wake` is called when one has ended otherwise.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: KinesisSettings,
        *,
        size: CallSize,
        settlement: Settlement,
        retries: Retries,
        bisection: Bisection,
        watch: StreamWatch,
        figures: WriterFigures,
        wake: Callable[[], None],
        following: Callable[[], Call | None],
    ) -> None:
        self.outage = Outage()
        self.trouble: str | None = None
        """What a person must mend before anything can be written; None while all is well."""
        self._endpoint = endpoint
        self._settings = settings
        self._size = size
        self._settlement = settlement
        self._retries = retries
        self._bisection = bisection
        self._watch = watch
        self._figures = figures
        self._wake = wake
        self._following = following
        self._limit = InFlightLimit(settings.max_requests_in_flight, settings.request_timeout_ms / 1000)
        self._in_flight: dict[asyncio.Task[None], Call] = {}

    def __iter__(self) -> Iterator[Call]:
        """The calls that are in flight."""
        return iter(self._in_flight.values())

    @property
    def may_begin(self) -> bool:
        """Whether the limits, of calls and of their bytes together, leave room for another call."""
        # While calls fail, one alone finds out when they no longer do.
        limit = 1 if self._retries.is_failing else self._limit.limit
        figures = self._figures
        return figures.requests_in_flight < limit and (
            figures.request_bytes_in_flight < self._settings.max_in_flight_bytes
        )

    def begin(self, call: Call, tasks: asyncio.TaskGroup) -> None:
        """Send a call, and what follows it, in a new task."""
        task = tasks.create_task(self._send_on(call), name="put-records")
        self._begun(task, call)
        task.add_done_callback(self._end)

    async def cancel_abandoned(self) -> None:
        """Cancel the calls that carry anything of abandoned tickets, and wait until they have ended.

        What else they carry is sent again, and may come twice.
        """
        doomed = [
            task
            for task, call in self._in_flight.items()
            if any(item.ticket.is_abandoned for item in call.items)
        ]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)

    async def _send_on(self, call: Call) -> None:
        following = await self._send(call)
        while following is not None:
            if task := asyncio.current_task():
                self._begun(task, following)
            following = await self._send(following)

    async def _send(self, call: Call) -> Call | None:
        """Send one call; what may go at once after it, where it was answered."""
        began_s, sent = asyncio.get_running_loop().time(), self._bisection.begun()
        try:
            answer = await self._put(call)
        except KinesisRejected as error:
            self._rejected(call, sent, str(error))
        except KinesisRefused as error:
            self._notice(str(error))
            self._retries.whole_slowly(call, "refused")
        except KinesisUnavailable as error:
            self._failed(call, error, began_s)
        except asyncio.CancelledError:
            self._figures.count_possible_duplicates(len(call.items))
            self._cancelled(call)
            self._wake()
            raise
        else:
            self._answered(call, answer, sent, began_s)
            return self._following()
        self._wake()
        return None

    async def _put(self, call: Call) -> Answer:
        task = asyncio.current_task()
        try:
            with self.outage.watched():
                return await self._endpoint.put([item.export for item in call.items])
        finally:
            if task is not None:
                self._ended(task)

    def _begun(self, task: asyncio.Task[None], call: Call) -> None:
        self._figures.count_begun(call.size_bytes)
        self._in_flight[task] = call

    def _ended(self, task: asyncio.Task[None]) -> Call:
        call = self._in_flight.pop(task)
        self._figures.count_ended(call.size_bytes)
        return call

    def _end(self, task: asyncio.Task[None]) -> None:
        if task in self._in_flight:  # cancelled before it began
            self._cancelled(self._ended(task))
            self._wake()

    def _answered(self, call: Call, answer: Answer, sent: Sent, began_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        took_s = now_s - began_s
        self._figures.answer_s.observe(took_s)
        self._limit.answered(took_s, self._figures.requests_in_flight + 1)
        self._size.answered(call.size_bytes, took_s)
        self._settlement.answered(call, answer, now_s)
        for run in call.runs:
            self._watch.saw(run.lane, answer.results[run.start].shard_id)
        if answer.failed < len(call.items):
            self.trouble = None
            self._retries.succeeded()
            self._bisection.others_were_taken(sent)

    def _rejected(self, call: Call, sent: Sent, reason: str) -> None:
        call.end_probes()
        verdict = self._bisection.rejected(call.items, sent)
        if verdict is Verdict.CONFIRMED:
            self._settlement.give_up(call.items[0])
        elif verdict is Verdict.NONE_IS_TAKEN:
            self._notice(f"{reason}: no record is taken, so the records may not be the cause")

    def _failed(self, call: Call, error: KinesisUnavailable, began_s: float) -> None:
        self._figures.count_failed(error, len(call.items))
        size = self._size.failed(call, error, self, began_s)
        if size is Size.TOO_MUCH_TOGETHER:
            self._limit.cut()
        if size is Size.TOO_LARGE_ALONE:
            call.end_probes()
            self._retries.after(self._settings.slow_retry_ms / 1000, call.items, size)
            return
        if not self._retries.is_failing:
            log.warning("a call failed, sending again", reason=str(error), records=len(call.items))
        self._retries.whole(call, "unavailable")

    def _cancelled(self, call: Call) -> None:
        call.end_probes()
        self._retries.now(call.items, "cancelled")

    def _notice(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.error("nothing can be written until this is mended", reason=trouble)
        self.trouble = trouble
