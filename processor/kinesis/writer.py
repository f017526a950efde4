"""The writer: exports in, PutRecords calls out, each profile's order kept.

A profile has at most one record among those that are ready, in flight or waiting to be sent again; its later
ones queue behind it, and no other profile waits for them. Only what failed is sent again. A record that Kinesis
rejects even alone is given up, but not before that was proven of it: see `bisection`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.bisection import Bisection, Sent, Verdict
from processor.kinesis.call_limit import InFlightLimit
from processor.kinesis.call_size import CallSize, Size
from processor.kinesis.figures import WriterFigures
from processor.kinesis.lanes import Call, Lanes, call_of_each
from processor.kinesis.outage import Outage
from processor.kinesis.repeat_probe import Control
from processor.kinesis.retries import Delays
from processor.kinesis.stream_watch import StreamWatch
from processor.kinesis.ticket import Item, Rejection, Ticket

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from processor.kinesis.kinesis_json import Answer, Result
    from processor.kinesis.stream_watch import Endpoint
    from processor.settings import KinesisSettings
    from processor.waiting.fence import Fence

log = structlog.get_logger(__name__)

_GATHER_S: Final = 0.005
_HOT: Final = 8
"""So many records that wait behind one of their profile have it go at once."""
THROTTLED: Final = "ProvisionedThroughputExceededException"


class Writer:
    """Writes to one stream. `run` it in a task group; `submit` tickets, from any number of tasks."""

    def __init__(
        self, endpoint: Endpoint, settings: KinesisSettings, rng: random.Random, fence: Fence
    ) -> None:
        self.figures = WriterFigures()
        self.trouble: str | None = None
        """What a person must mend before anything can be written; None while all is well."""
        self._endpoint = endpoint
        self._settings = settings
        self._rng = rng
        self._fence = fence
        self.lanes = Lanes(0.0, settings.shard_buffer_bytes)
        self.watch = StreamWatch(endpoint, self.lanes, self._shards_changed)
        self._due_s = math.inf  # when what is ready goes, in company or not
        self._delays = Delays(self._rejoin)
        self._busy: dict[int, dict[bytes, deque[Item] | None]] = {}
        """By partition, then profile: what queues behind the one that is on its way."""
        self._control = Control(self.lanes, self.figures, self._busy)
        self._bisection = Bisection(settings.slow_retry_ms / 1000, self._control)
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._limit = InFlightLimit(settings.max_requests_in_flight, settings.request_timeout_ms / 1000)
        self.size = CallSize(settings)
        self._lingers_s = settings.linger_ms / 1000
        self._gathering_until_s = 0.0
        self.outage = Outage()
        self._outages = 0
        self._paused_until_s = 0.0
        self._stirred = self._bisection.stirred
        self._room = asyncio.Event()

    @property
    def max_record_bytes(self) -> int:
        """The largest export, data and partition key, that the stream takes."""
        return self.watch.max_record_bytes

    async def connect(self) -> None:
        """Look at the stream, and try what an empty call says: where writing is not allowed, it says so.

        Raises:
            KinesisRefused: the stream cannot be written to; a person must change something.
            KinesisUnavailable: Kinesis does not answer.

        """
        await self.watch.connect()
        with suppress(KinesisRejected, KinesisUnavailable):
            await self._endpoint.put([])

    async def submit(self, ticket: Ticket) -> None:
        """Take a ticket's exports, in order; waits while the buffer, or what one shard may hold of it, is full."""
        ticket.busy = self._busy.setdefault(ticket.partition, {})
        # A call costs as much as many records: where events wait for their turn, fuller calls are worth a delay.
        busy_ms = self._settings.busy_linger_ms if ticket.is_followed else 0
        self._lingers_s = max(self._settings.linger_ms, busy_ms) / 1000
        self._take(ticket)
        while ticket.taken < len(ticket.exports):
            self._room.clear()
            await self._room.wait()
            self._take(ticket)

    async def abandon(self, partition: int, tickets: Iterable[Ticket]) -> None:
        """Let go of a partition: forget what is not settled of `tickets`, which are all of it that are not settled.

        Calls that carry any of it are cancelled and awaited; cancel what still submits them before.
        """
        figures = self.figures
        for ticket in (*tickets, *self._control.let_go(partition)):
            ticket.abandoned = True
        for item in self._unsettled():
            if item.ticket.abandoned:
                item.lane.held_bytes -= item.size_bytes
                figures.abandoned += 1
                figures.buffered_bytes -= item.size_bytes
        self.lanes.drop_abandoned()
        self._bisection.drop_abandoned()
        self._delays.drop_abandoned()
        # Cleared, for what queues in it refers to its ticket, and that to it.
        self._busy.pop(partition, {}).clear()
        doomed = [
            task for task, call in self._calls.items() if any(item.ticket.abandoned for item in call.items)
        ]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        self._room.set()

    async def run(self) -> None:
        """Send until cancelled; what is in flight then is cancelled and awaited."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watch.run(), name="stream-watch")
            while True:
                self._stirred.clear()
                await self._fence.passed()
                wait_s = self._send_what_may_go(tasks)
                timer = None
                if wait_s < math.inf:
                    timer = asyncio.get_running_loop().call_later(wait_s, self._stirred.set)
                await self._stirred.wait()
                if timer is not None:
                    timer.cancel()

    def _take(self, ticket: Ticket) -> None:
        """Take as much of a ticket as there is room for."""
        figures, lanes, busy = self.figures, self.lanes, ticket.busy
        held_bytes, buffer_bytes, position = figures.buffered_bytes, self._settings.buffer_bytes, ticket.taken
        rest = ticket.exports[position:] if position else ticket.exports
        keys = [export.partition_key.encode() for export in rest]
        for export, key, lane in zip(rest, keys, lanes.of(keys), strict=True):
            size_bytes = len(export.data) + len(key)
            lane_bytes = lane.held_bytes
            if (held_bytes + size_bytes > buffer_bytes and held_bytes) or (
                lane_bytes + size_bytes > lane.held_bytes_max and lane_bytes
            ):
                break
            held_bytes += size_bytes
            lane.held_bytes = lane_bytes + size_bytes
            item = Item(export, ticket, position, lane, size_bytes)
            position += 1
            profile = export.profile
            if profile in busy:
                queue = busy[profile]
                if queue is None:
                    busy[profile] = queue = deque()
                queue.append(item)
            else:
                busy[profile] = None
                lane.ready.append(item)
                if not lane.queued:
                    lanes.queue(lane)
        figures.submitted += position - ticket.taken
        figures.buffered_bytes = held_bytes
        ticket.taken = position
        self._stir(self._lingers_s)

    def _unsettled(self) -> Iterator[Item]:
        for call in self._calls.values():
            yield from call.items
        for lane in self.lanes:
            yield from lane.ready
        yield from self._delays
        yield from self._bisection
        for busy in self._busy.values():
            for queue in busy.values():
                yield from queue or ()

    def _stir(self, linger_s: float) -> None:
        """Something is ready that may wait for so long."""
        self._due_s = min(self._due_s, asyncio.get_running_loop().time() + linger_s)
        self._stirred.set()

    def _send_what_may_go(self, tasks: asyncio.TaskGroup) -> float:
        """Begin calls; how long until there may be another, if nothing happens before."""
        loop = asyncio.get_running_loop()
        while True:
            now_s = loop.time()
            if now_s < self._paused_until_s:
                return self._paused_until_s - now_s
            if not self._may_begin():
                return math.inf
            if part := self._bisection.next_part():
                self._begin(call_of_each(part), tasks)
                continue
            wait_s = self._linger_s(now_s)
            if wait_s > 0:
                return wait_s
            call = self._packed(now_s)
            if not call.items:
                return self.lanes.wait_s(now_s)
            self._begin(call, tasks)

    def _linger_s(self, now_s: float) -> float:
        """How long what is ready waits for company yet."""
        if self._due_s == math.inf:
            return math.inf
        if now_s < self._gathering_until_s:
            return self._gathering_until_s - now_s
        return 0.0 if self._is_call_full() else self._due_s - now_s

    def _packed(self, now_s: float) -> Call:
        settings = self._settings
        call = self.lanes.packed(now_s, settings.max_records_per_request, self.size.limit_bytes)
        if call.items:
            self._due_s = now_s + self._lingers_s
            if self._is_call_full() and len(call.items) < settings.max_records_per_request // 2:
                # What is ready may not go yet: calls of a few records, as limits let them go, would cost more.
                self._gathering_until_s = now_s + _GATHER_S
        elif not self.lanes.ready_records:
            self._due_s = math.inf
        return call

    def _may_begin(self) -> bool:
        # While calls fail, one alone finds out when they no longer do.
        limit = 1 if self._outages else self._limit.limit
        figures = self.figures
        return figures.requests_in_flight < limit and (
            figures.request_bytes_in_flight < self._settings.max_in_flight_bytes
        )

    def _is_call_full(self) -> bool:
        settings = self._settings
        ready, figures = self.lanes.ready_records, self.figures
        mean_bytes = figures.buffered_bytes / max(figures.in_flight, 1)
        return ready >= settings.max_records_per_request or ready * mean_bytes >= self.size.limit_bytes

    def _begin(self, call: Call, tasks: asyncio.TaskGroup) -> None:
        self.figures.requests += 1
        self.figures.requests_in_flight += 1
        self.figures.request_bytes_in_flight += call.size_bytes
        task = tasks.create_task(self._send(call), name="put-records")
        self._calls[task] = call
        task.add_done_callback(self._end)

    def _landed(self, task: asyncio.Task[None]) -> Call:
        call = self._calls.pop(task)
        self.figures.requests_in_flight -= 1
        self.figures.request_bytes_in_flight -= call.size_bytes
        self._stirred.set()
        return call

    def _end(self, task: asyncio.Task[None]) -> None:
        if task in self._calls:  # cancelled before it began
            call = self._landed(task)
            self._release_probes(call)
            self._retry_now(call.items, "cancelled")

    async def _put(self, call: Call) -> Answer:
        task = asyncio.current_task()
        try:
            with self.outage.watched():
                return await self._endpoint.put([item.export for item in call.items])
        finally:
            if task is not None:
                self._landed(task)

    async def _send(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), self._bisection.begun()
        try:
            answer = await self._put(call)
        except KinesisRejected as error:
            self._release_probes(call)
            self._rejected(call, sent, str(error))
        except KinesisRefused as error:
            self._notice(str(error))
            slow_s = self._settings.slow_retry_ms / 1000
            self._send_whole_again(call, "refused", slow_s * self._rng.uniform(0.5, 1.0))
        except KinesisUnavailable as error:
            self._failed(call, error, began_s)
        except asyncio.CancelledError:
            self.figures.possible_duplicates += len(call.items)
            self._release_probes(call)
            self._retry_now(call.items, "cancelled")
            raise
        else:
            took_s = loop.time() - began_s
            self.figures.answer_s.observe(took_s)
            self._limit.answered(took_s, self.figures.requests_in_flight + 1)
            self.size.answered(call.size_bytes, took_s)
            self._settle(call, answer, loop.time())
            if answer.failed < len(call.items):
                self._bisection.others_were_taken(sent)

    def _failed(self, call: Call, error: KinesisUnavailable, began_s: float) -> None:
        self.figures.failed(error, len(call.items))
        size = self.size.failed(call, error, self._calls.values(), began_s)
        if size is Size.TOO_MUCH_TOGETHER:
            self._limit.cut()
        if size is Size.TOO_LARGE_ALONE:
            self._release_probes(call)
            self._send_later(call.items, size, self._settings.slow_retry_ms / 1000)
            return
        if not self._outages:
            log.warning("a call failed, sending again", reason=str(error), records=len(call.items))
        self._send_whole_again(call, "unavailable", self._backoff_s(self._outages + 1))

    def _settle(self, call: Call, answer: Answer, now_s: float) -> None:
        if answer.failed:
            self._settle_some(call, answer.results, now_s)
        else:
            self._stored(call.items, call.size_bytes)
            for run in call.runs:
                run.lane.held_bytes -= run.size_bytes
                run.lane.answered(now_s, run.end - run.start, 0, 0)
        for run in call.runs:
            self.watch.saw(run.lane, answer.results[run.start].shard_id)
        if answer.failed < len(call.items):
            self.trouble = None
            self._outages, self._paused_until_s = 0, 0.0
        self._room.set()

    def _settle_some(self, call: Call, results: Sequence[Result], now_s: float) -> None:
        for lane, start, end, _ in call.runs:
            failed: dict[str, list[Item]] = {}
            stored = []
            for item, result in zip(call.items[start:end], results[start:end], strict=True):
                if result.error_code is None:
                    stored.append(item)
                else:
                    failed.setdefault(result.error_code, []).append(item)
            stored_bytes = sum(item.size_bytes for item in stored)
            lane.held_bytes -= stored_bytes
            self._stored(stored, stored_bytes)
            lane.answered(now_s, len(stored), len(failed.get(THROTTLED, ())), end - start - len(stored))
            if lane.is_failing:
                lane.not_before_s = now_s + self._backoff_s(lane.failures)
            for code, again in failed.items():
                if lane.is_failing:
                    self._retry_now(again, code)
                else:
                    self._retry_later(again, code)

    def _stored(self, items: Sequence[Item], size_bytes: int) -> None:
        self._control.took(items)
        self.figures.stored += len(items)
        self.figures.stored_bytes += size_bytes
        self.figures.buffered_bytes -= size_bytes
        self._settled(items)

    def _settled(self, items: Iterable[Item]) -> None:
        for item in items:
            ticket = item.ticket
            queue = ticket.busy.pop(item.export.profile)
            if queue:
                self._next_of_profile(ticket, queue)
            ticket.unsettled -= 1
            if not ticket.unsettled:
                ticket.settle_last()

    def _next_of_profile(self, ticket: Ticket, queue: deque[Item]) -> None:
        item = queue.popleft()
        ticket.busy[item.export.profile] = queue
        self.lanes.add(item)
        self._stir(self._lingers_s if len(queue) < _HOT else 0.0)

    def _backoff_s(self, attempts: int) -> float:
        settings = self._settings
        most_ms = min(settings.retry_max_ms, settings.retry_base_ms * 2 ** min(attempts - 1, 30))
        return self._rng.uniform(0, most_ms) / 1000

    def _retry_later(self, items: list[Item], code: str) -> None:
        for item in items:
            item.attempts += 1
        self._send_later(items, code, self._backoff_s(max(item.attempts for item in items)))

    def _send_later(self, items: list[Item], code: str, wait_s: float) -> None:
        self.figures.retried[code] += len(items)
        self._delays.add(items, wait_s)

    def _retry_now(self, items: list[Item], code: str) -> None:
        again = [item for item in items if not item.ticket.abandoned]
        self.figures.retried[code] += len(again)
        self._rejoin(again)

    def _rejoin(self, items: list[Item]) -> None:
        for item in reversed(items):
            if not item.ticket.abandoned:
                item.case = None  # among others again, it is no suspect
                self.lanes.put_back(item)
        self._stir(self._settings.linger_ms / 1000)

    def _send_whole_again(self, call: Call, code: str, wait_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._paused_until_s:
            # Calls that were in flight together fail together; they count once.
            self._outages += 1
            self._paused_until_s = now_s + wait_s
        self._release_probes(call)
        self._retry_now(call.items, code)

    def _release_probes(self, call: Call) -> None:
        for run in call.runs:
            run.lane.probing = False

    def _rejected(self, call: Call, sent: Sent, reason: str) -> None:
        verdict = self._bisection.rejected(call.items, sent)
        if verdict is Verdict.CONVICTED:
            self._give_up(call.items[0])
        elif verdict is Verdict.NONE_IS_TAKEN:
            self._notice(f"{reason}: no record is taken, so the records may not be the cause")
        self._stirred.set()

    def _give_up(self, item: Item) -> None:
        item.ticket.rejections.append(Rejection(item.position, "ValidationException"))
        item.lane.held_bytes -= item.size_bytes
        self.figures.rejected += 1
        self.figures.buffered_bytes -= item.size_bytes
        self._settled([item])
        self._room.set()

    def _shards_changed(self) -> None:
        self._room.set()
        self._stir(self._settings.linger_ms / 1000)

    def _notice(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.error("nothing can be written until this is mended", reason=trouble)
        self.trouble = trouble
