"""The writer: exports in, PutRecords calls out, each profile's order kept.

A profile has at most one record among those that are ready, in flight or waiting to be sent again; its later
ones queue behind it, and no other profile waits for them. Only what failed is sent again. A record that Kinesis
refuses even alone is given up, but not before Kinesis has taken another: where it takes none, the records are
not the cause.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.in_flight import InFlightLimit
from processor.kinesis.lanes import Call, Lane, Lanes
from processor.kinesis.ticket import Item, Rejection, Ticket
from processor.kinesis.watch import Described, StreamWatch

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from processor.fence import Fence
    from processor.kinesis.wire import Answer, Result
    from processor.profile.export import Export
    from processor.settings import KinesisSettings

log = structlog.get_logger(__name__)

_GATHER_S: Final = 0.005
THROTTLED: Final = "ProvisionedThroughputExceededException"


class Endpoint(Described, Protocol):
    """What the writer needs of Kinesis: the real stream, or the scripted one of the tests."""

    async def put(self, records: Sequence[Export]) -> Answer:
        """See `connection.Stream.put`."""


@dataclass(slots=True)
class WriterFigures:
    """Counters since the start, and gauges: `submitted = stored + rejected + abandoned + in_flight`."""

    submitted: int = 0
    stored: int = 0
    stored_bytes: int = 0
    rejected: int = 0
    abandoned: int = 0
    in_flight: int = 0
    buffered_bytes: int = 0
    requests: int = 0
    requests_in_flight: int = 0
    request_bytes_in_flight: int = 0
    possible_duplicates: int = 0
    retried: Counter[str] = field(default_factory=Counter)


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
        self._ready_since_s: float | None = None
        self._alone: deque[list[Item]] = deque()
        """Parts of a call that was rejected, to be sent by themselves."""
        self._busy: dict[int, dict[bytes, deque[Item] | None]] = {}
        """By partition, then profile: what queues behind the one that is on its way."""
        self._suspects: list[Item] = []
        self._successes = 0
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._limit = InFlightLimit(settings.max_requests_in_flight)
        self._gathering_until_s = 0.0
        self._outages = 0
        self._paused_until_s = 0.0
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def max_record_bytes(self) -> int:
        """The largest export, data and partition key, that the stream takes."""
        return self.watch.max_record_bytes

    async def connect(self) -> None:
        """See `StreamWatch.connect`."""
        await self.watch.connect()

    async def submit(self, ticket: Ticket) -> None:
        """Take a ticket's exports, in order; waits while the buffer, or what one shard may hold of it, is full."""
        figures, lanes, buffer_bytes = self.figures, self.lanes, self._settings.buffer_bytes
        busy = ticket.busy = self._busy.setdefault(ticket.partition, {})
        taken, lane_of, held_bytes, counted = ticket.items.append, lanes.lane_of, figures.buffered_bytes, 0
        for position, export in enumerate(ticket.exports):
            key = export.partition_key.encode()
            size_bytes = len(export.data) + len(key)
            lane = lane_of(key)
            while (held_bytes and held_bytes + size_bytes > buffer_bytes) or (
                lane.held_bytes and lane.held_bytes + size_bytes > lane.held_bytes_max
            ):
                self._count(position - counted, held_bytes)
                counted = position
                await self._wait_for_room()
                held_bytes, lane = figures.buffered_bytes, lane_of(key)
            held_bytes += size_bytes
            lane.held_bytes += size_bytes
            item = Item(export, ticket, position, lane, size_bytes)
            taken(item)
            profile = export.profile
            if profile in busy:
                behind = busy[profile]
                if behind is None:
                    busy[profile] = behind = deque()
                behind.append(item)
            else:
                busy[profile] = None
                lane.ready.append(item)
                if not lane.queued:
                    lanes.queue(lane)
        self._count(len(ticket.exports) - counted, held_bytes)
        self._stir()

    async def abandon(self, tickets: Iterable[Ticket]) -> None:
        """Forget what is not settled of `tickets`, which are all of their partition that are not settled.

        Calls that carry any of it are cancelled and awaited; cancel what still submits them before.
        """
        figures = self.figures
        for ticket in tickets:
            ticket.abandoned = True
            self._busy.pop(ticket.partition, None)
            for item in ticket.items:
                if item.lane is not None:
                    item.lane.held_bytes -= item.size_bytes
                    item.lane = None
                    figures.abandoned += 1
                    figures.in_flight -= 1
                    figures.buffered_bytes -= item.size_bytes
            ticket.items.clear()
        self.lanes.drop_abandoned()
        self._suspects = [item for item in self._suspects if not item.ticket.abandoned]
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

    def _count(self, taken: int, held_bytes: int) -> None:
        self.figures.submitted += taken
        self.figures.in_flight += taken
        self.figures.buffered_bytes = held_bytes

    async def _wait_for_room(self) -> None:
        self._stir()
        self._room.clear()
        await self._room.wait()

    def _stir(self) -> None:
        if self._ready_since_s is None:
            self._ready_since_s = asyncio.get_running_loop().time()
        self._stirred.set()

    def _send_what_may_go(self, tasks: asyncio.TaskGroup) -> float:
        """Begin calls; how long until there may be another, if nothing happens before."""
        loop, settings = asyncio.get_running_loop(), self._settings
        while True:
            now_s = loop.time()
            if now_s < self._paused_until_s:
                return self._paused_until_s - now_s
            if not self._may_begin():
                return math.inf
            if self._alone:
                items = [item for item in self._alone.popleft() if not item.ticket.abandoned]
                if items:
                    self._begin(Call(items, [], sum(item.size_bytes for item in items)), tasks)
                continue
            if self._ready_since_s is None:
                return math.inf
            linger_s = self._ready_since_s + settings.linger_ms / 1000 - now_s
            if now_s < self._gathering_until_s:
                return self._gathering_until_s - now_s
            if linger_s > 0 and not self._is_call_full():
                return linger_s
            call = self.lanes.packed(now_s, settings.max_records_per_request, settings.max_request_bytes)
            if not call.items:
                if not self.lanes.ready_records:
                    self._ready_since_s = None
                return self.lanes.wait_s(now_s)
            self._ready_since_s = now_s
            if self._is_call_full() and len(call.items) < settings.max_records_per_request // 2:
                # What is ready may not go yet: calls of a few records, as limits let them go, would cost more.
                self._gathering_until_s = now_s + _GATHER_S
            self._begin(call, tasks)

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
        return ready >= settings.max_records_per_request or ready * mean_bytes >= settings.max_request_bytes

    def _begin(self, call: Call, tasks: asyncio.TaskGroup) -> None:
        self.figures.requests += 1
        self.figures.requests_in_flight += 1
        self.figures.request_bytes_in_flight += call.size_bytes
        task = tasks.create_task(self._send(call), name="put-records")
        self._calls[task] = call
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        call = self._calls.pop(task)
        self.figures.requests_in_flight -= 1
        self.figures.request_bytes_in_flight -= call.size_bytes
        self._stirred.set()

    async def _send(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            answer = await self._endpoint.put([item.export for item in call.items])
        except KinesisRejected as error:
            self._release_probes(call)
            self._bisect(call.items, str(error))
        except KinesisRefused as error:
            self._notice(str(error))
            slow_s = self._settings.slow_retry_ms / 1000
            self._send_whole_again(call, "refused", slow_s * self._rng.uniform(0.5, 1.0))
        except KinesisUnavailable as error:
            self.figures.possible_duplicates += len(call.items) if error.outcome_unknown else 0
            if not self._outages:
                log.warning("a call failed, sending again", reason=str(error), records=len(call.items))
            self._send_whole_again(call, "unavailable", self._backoff_s(self._outages + 1))
        except asyncio.CancelledError:
            self.figures.possible_duplicates += len(call.items)
            self._release_probes(call)
            self._retry_now(call.items, "cancelled")
            raise
        else:
            self._limit.answered(loop.time() - began_s, self.figures.requests_in_flight)
            self._settle(call, answer, loop.time())

    def _settle(self, call: Call, answer: Answer, now_s: float) -> None:
        if answer.failed:
            self._settle_some(call, answer.results, now_s)
        else:
            self._stored(call.items)
            for run in call.runs:
                run.lane.answered(now_s, run.end - run.start, 0, 0)
        for run in call.runs:
            self.watch.saw(run.lane, answer.results[run.start].shard_id)
        if answer.failed < len(call.items):
            self.trouble = None
            self._outages, self._paused_until_s = 0, 0.0
            self._successes += 1
            self._retry_alone(list(self._suspects))
        self._room.set()

    def _settle_some(self, call: Call, results: Sequence[Result], now_s: float) -> None:
        items = call.items
        whole: list[tuple[Lane | None, int, int]] = [(None, 0, len(items))]
        for lane, start, end in call.runs or whole:
            failed: dict[str, list[Item]] = {}
            stored = []
            for item, result in zip(items[start:end], results[start:end], strict=True):
                if result.error_code is None:
                    stored.append(item)
                else:
                    failed.setdefault(result.error_code, []).append(item)
            self._stored(stored)
            if lane is not None:
                lane.answered(now_s, len(stored), len(failed.get(THROTTLED, ())), end - start - len(stored))
                if lane.is_failing:
                    lane.not_before_s = now_s + self._backoff_s(lane.failures)
            for code, again in failed.items():
                if lane is not None and lane.is_failing:
                    self._retry_now(again, code)
                else:
                    self._retry_later(again, code)

    def _stored(self, items: Sequence[Item]) -> None:
        count = size_bytes = 0
        for item in items:
            if item.lane is not None:
                count += 1
                size_bytes += item.size_bytes
                item.lane.held_bytes -= item.size_bytes
                item.lane = None
                ticket = item.ticket
                behind = ticket.busy.pop(item.export.profile)
                if behind:
                    self._next_of_profile(ticket, behind)
                ticket.unsettled -= 1
                if not ticket.unsettled:
                    ticket.settle_last()
        figures = self.figures
        figures.stored += count
        figures.stored_bytes += size_bytes
        figures.in_flight -= count
        figures.buffered_bytes -= size_bytes

    def _next_of_profile(self, ticket: Ticket, behind: deque[Item]) -> None:
        item = behind.popleft()
        ticket.busy[item.export.profile] = behind
        self.lanes.add(item)
        self._stir()

    def _backoff_s(self, attempts: int) -> float:
        settings = self._settings
        most_ms = min(settings.retry_max_ms, settings.retry_base_ms * 2 ** min(attempts - 1, 30))
        return self._rng.uniform(0, most_ms) / 1000

    def _retry_later(self, items: list[Item], code: str) -> None:
        self.figures.retried[code] += len(items)
        for item in items:
            item.attempts += 1
        wait_s = self._backoff_s(max(item.attempts for item in items))
        asyncio.get_running_loop().call_later(wait_s, self._rejoin, items)

    def _retry_now(self, items: list[Item], code: str) -> None:
        again = [item for item in items if not item.ticket.abandoned]
        self.figures.retried[code] += len(again)
        self._rejoin(again)

    def _rejoin(self, items: list[Item]) -> None:
        for item in reversed(items):
            if not item.ticket.abandoned:
                self.lanes.put_back(item)
        self._stir()

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

    def _bisect(self, items: list[Item], reason: str) -> None:
        if len(items) > 1:
            half = len(items) // 2
            self._alone.extend([items[:half], items[half:]])
            self._stirred.set()
            return
        (item,) = items
        if item.rejected_at is not None and item.rejected_at < self._successes:
            # Kinesis took others since it refused this one, and refuses it still.
            self._convict(item)
            return
        item.rejected_at = self._successes
        self._suspects.append(item)
        self._notice(f"{reason}: no record is taken, so the records may not be the cause")
        asyncio.get_running_loop().call_later(self._settings.slow_retry_ms / 1000, self._retry_alone, items)

    def _retry_alone(self, items: Iterable[Item]) -> None:
        for item in items:
            if item in self._suspects:
                self._suspects.remove(item)
                if not item.ticket.abandoned:
                    self._alone.append([item])
        self._stirred.set()

    def _convict(self, item: Item) -> None:
        if item.lane is None:
            return
        item.ticket.rejections.append(Rejection(item.position, "ValidationException"))
        self._stored([item])
        self.figures.stored -= 1
        self.figures.stored_bytes -= item.size_bytes
        self.figures.rejected += 1
        self._room.set()

    def _shards_changed(self) -> None:
        self._room.set()
        self._stir()

    def _notice(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.error("nothing can be written until this is mended", reason=trouble)
        self.trouble = trouble
