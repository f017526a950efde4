"""The writer: exports in, PutRecords calls out, each profile's order kept.

A profile has at most one record among those that are ready, in flight or waiting to be sent again; its later
ones queue behind it, and no other profile waits for them. Only what failed is sent again. A record that Kinesis
refuses even alone is given up, but not before Kinesis has taken another: where it takes none, the records are
not the cause.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from processor.errors import KinesisError, KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.connection import RECORD_BYTES_DEFAULT

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from processor.fence import Fence
    from processor.profile.export import Export
    from processor.settings import KinesisSettings

log = structlog.get_logger(__name__)

_RECORD_BYTES_REFRESH_S = 300.0


class Endpoint(Protocol):
    """What the writer needs of Kinesis: the real stream, or the scripted one of the tests."""

    async def put(self, records: Sequence[Export]) -> list[str | None]:
        """See `connection.Stream.put`."""

    async def max_record_bytes(self) -> int:
        """See `connection.Stream.max_record_bytes`."""


class Rejection(NamedTuple):
    """An export, by its position in its ticket, that Kinesis takes under no circumstances."""

    position: int
    code: str


class Ticket:
    """A batch of exports on its way; settled when each is stored or rejected.

    A profile's order is kept among the tickets of one `partition`; keys of two partitions never meet.
    """

    __slots__ = (
        "_settled",
        "abandoned",
        "exports",
        "open",
        "open_bytes",
        "partition",
        "rejections",
        "unsettled",
    )

    def __init__(self, exports: Sequence[Export], partition: int = 0) -> None:
        self.exports = exports
        self.partition = partition
        self.unsettled = len(exports)
        self.open = 0
        self.open_bytes = 0
        self.rejections: list[Rejection] = []
        self.abandoned = False
        self._settled = asyncio.Event()
        if not exports:
            self._settled.set()

    async def wait(self) -> Sequence[Rejection]:
        """Wait until all exports are settled; those that were rejected."""
        await self._settled.wait()
        return self.rejections

    def settle_one(self) -> None:
        """Count one export as stored or rejected."""
        self.unsettled -= 1
        if self.unsettled == 0:
            self._settled.set()


class _Item:
    """An export on its way."""

    __slots__ = ("attempts", "export", "place", "position", "rejected_at", "size_bytes", "ticket")

    def __init__(self, export: Export, ticket: Ticket, position: int) -> None:
        self.place = ticket.partition, export.profile
        self.export = export
        self.ticket = ticket
        self.position = position
        self.attempts = 0
        self.rejected_at: int | None = None
        self.size_bytes = len(export.data) + len(export.partition_key.encode())


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
    possible_duplicates: int = 0
    retried: Counter[str] = field(default_factory=Counter)


class Writer:
    """Writes to one stream. `run` it in a task group; `submit` tickets, from any number of tasks."""

    def __init__(
        self, endpoint: Endpoint, settings: KinesisSettings, rng: random.Random, fence: Fence
    ) -> None:
        self.figures = WriterFigures()
        self.max_record_bytes = RECORD_BYTES_DEFAULT
        self.trouble: str | None = None
        """What a person must mend before anything can be written; None while all is well."""
        self._endpoint = endpoint
        self._settings = settings
        self._rng = rng
        self._fence = fence
        self._ready: deque[_Item] = deque()
        self._ready_bytes = 0
        self._ready_since: float | None = None
        self._groups: deque[list[_Item]] = deque()
        self._behind: dict[tuple[int, bytes], deque[_Item]] = {}
        self._suspects: list[_Item] = []
        self._successes = 0
        self._requests: dict[asyncio.Task[None], list[_Item]] = {}
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()

    async def connect(self) -> None:
        """Read the stream's record maximum; where that alone is not allowed, the default holds.

        Raises:
            KinesisRefused: there is no such stream, or the credentials are no good.
            KinesisUnavailable: Kinesis does not answer.

        """
        try:
            self.max_record_bytes = await self._endpoint.max_record_bytes()
        except KinesisRefused as error:
            if "DescribeStreamSummary" not in str(error) or "AccessDenied" not in str(error):
                raise
            log.warning("the stream's record maximum is unknown, 1 MiB is assumed", reason=str(error))

    async def submit(self, ticket: Ticket) -> None:
        """Take a ticket's exports, in order; waits while the buffer is full."""
        for position, export in enumerate(ticket.exports):
            item = _Item(export, ticket, position)
            while self._is_full(item):
                self._room.clear()
                await self._room.wait()
            self._take(item)

    async def abandon(self, tickets: Iterable[Ticket]) -> None:
        """Forget what is not settled of `tickets`, which are all of their partition that are not settled.

        Requests that carry any of it are cancelled and awaited; cancel what still submits them before.
        """
        for ticket in tickets:
            ticket.abandoned = True
            self.figures.abandoned += ticket.open
            self.figures.buffered_bytes -= ticket.open_bytes
            self.figures.in_flight -= ticket.open
            ticket.open = ticket.open_bytes = 0
            for export in ticket.exports:
                self._behind.pop((ticket.partition, export.profile), None)
        self._suspects = [item for item in self._suspects if not item.ticket.abandoned]
        doomed = [
            task for task, items in self._requests.items() if any(item.ticket.abandoned for item in items)
        ]
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        self._room.set()

    async def run(self) -> None:
        """Send until cancelled; what is in flight then is cancelled and awaited."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._refresh_record_bytes(), name="record-bytes")
            while True:
                await self._company()
                await self._fence.passed()
                group = self._next_group() if self._groups else self._packed()
                if group:
                    request = tasks.create_task(self._send(group), name="put-records")
                    self._requests[request] = group
                    request.add_done_callback(self._forget_request)

    def _is_full(self, item: _Item) -> bool:
        held = self.figures.buffered_bytes
        return held > 0 and held + item.size_bytes > self._settings.buffer_bytes

    def _take(self, item: _Item) -> None:
        figures = self.figures
        figures.submitted += 1
        figures.in_flight += 1
        figures.buffered_bytes += item.size_bytes
        item.ticket.open += 1
        item.ticket.open_bytes += item.size_bytes
        behind = self._behind.get(item.place)
        if behind is not None:
            behind.append(item)
            return
        self._behind[item.place] = deque()
        self._make_ready(item)

    def _make_ready(self, item: _Item) -> None:
        self._ready.append(item)
        self._ready_bytes += item.size_bytes
        if self._ready_since is None:
            self._ready_since = asyncio.get_running_loop().time()
        self._stirred.set()

    async def _company(self) -> None:
        """Wait until something is to be sent: a full batch, or one that has waited long enough."""
        settings, loop = self._settings, asyncio.get_running_loop()
        while True:
            self._stirred.clear()
            if len(self._requests) < settings.max_requests_in_flight:
                if self._groups:
                    return
                if self._ready_since is not None:
                    wait_s = self._ready_since + settings.linger_ms / 1000 - loop.time()
                    if wait_s <= 0 or self._is_batch_full():
                        return
                    timer = loop.call_later(wait_s, self._stirred.set)
                    await self._stirred.wait()
                    timer.cancel()
                    continue
            await self._stirred.wait()

    def _is_batch_full(self) -> bool:
        settings = self._settings
        return (
            len(self._ready) >= settings.max_records_per_request
            or self._ready_bytes >= settings.max_request_bytes
        )

    def _next_group(self) -> list[_Item]:
        return [item for item in self._groups.popleft() if not item.ticket.abandoned]

    def _packed(self) -> list[_Item]:
        settings, group, size_bytes = self._settings, list[_Item](), 0
        while self._ready and len(group) < settings.max_records_per_request:
            item = self._ready[0]
            if group and size_bytes + item.size_bytes > settings.max_request_bytes:
                break
            self._ready.popleft()
            self._ready_bytes -= item.size_bytes
            if not item.ticket.abandoned:
                group.append(item)
                size_bytes += item.size_bytes
        self._ready_since = asyncio.get_running_loop().time() if self._ready else None
        return group

    async def _send(self, group: list[_Item]) -> None:
        self.figures.requests += 1
        try:
            codes = await self._endpoint.put([item.export for item in group])
        except KinesisRejected as error:
            self._bisect(group, str(error))
        except KinesisRefused as error:
            self._notice(str(error))
            self._send_again(
                group, "refused", self._settings.slow_retry_ms / 1000 * self._rng.uniform(0.5, 1.0)
            )
        except KinesisUnavailable as error:
            self.figures.possible_duplicates += len(group) if error.outcome_unknown else 0
            log.warning("put failed, sending again", reason=str(error), records=len(group))
            self._send_again(group, "unavailable")
        except asyncio.CancelledError:
            self.figures.possible_duplicates += len(group)
            self._send_again([item for item in group if not item.ticket.abandoned], "cancelled")
            raise
        else:
            self._settle(group, codes)

    def _settle(self, group: list[_Item], codes: list[str | None]) -> None:
        failed: dict[str, list[_Item]] = {}
        for item, code in zip(group, codes, strict=True):
            if code is None:
                self._stored(item)
            else:
                failed.setdefault(code, []).append(item)
        for code, items in failed.items():
            self._send_again(items, code)
        if len(failed) == 0 or sum(map(len, failed.values())) < len(group):
            self.trouble = None
            self._successes += 1
            self._retry_alone(list(self._suspects))
        self._room.set()

    def _stored(self, item: _Item) -> None:
        if item.ticket.abandoned:
            return
        self.figures.stored += 1
        self.figures.stored_bytes += item.size_bytes
        self._done(item)

    def _done(self, item: _Item) -> None:
        self.figures.in_flight -= 1
        self.figures.buffered_bytes -= item.size_bytes
        item.ticket.open -= 1
        item.ticket.open_bytes -= item.size_bytes
        behind = self._behind[item.place]
        if behind:
            self._make_ready(behind.popleft())
        else:
            del self._behind[item.place]
        item.ticket.settle_one()

    def _send_again(self, items: list[_Item], code: str, wait_s: float | None = None) -> None:
        if not items:
            return
        self.figures.retried[code] += len(items)
        for item in items:
            item.attempts += 1
        if wait_s is None:
            settings = self._settings
            doublings = min(max(item.attempts for item in items) - 1, 30)
            wait_s = (
                self._rng.uniform(0, min(settings.retry_max_ms, settings.retry_base_ms * 2**doublings)) / 1000
            )
        asyncio.get_running_loop().call_later(wait_s, self._rejoin, items)

    def _rejoin(self, items: list[_Item]) -> None:
        for item in items:
            if not item.ticket.abandoned:
                self._make_ready(item)

    def _bisect(self, group: list[_Item], reason: str) -> None:
        if len(group) > 1:
            half = len(group) // 2
            self._groups.extend([group[:half], group[half:]])
            self._stirred.set()
            return
        (item,) = group
        if item.rejected_at is not None and item.rejected_at < self._successes:
            # Kinesis took others since it refused this one, and refuses it still.
            self._convict(item)
            return
        item.rejected_at = self._successes
        self._suspects.append(item)
        self._notice(f"{reason}: no record is taken, so the records may not be the cause")
        asyncio.get_running_loop().call_later(self._settings.slow_retry_ms / 1000, self._retry_alone, group)

    def _retry_alone(self, items: Iterable[_Item]) -> None:
        for item in items:
            if item in self._suspects:
                self._suspects.remove(item)
                if not item.ticket.abandoned:
                    self._groups.append([item])
        self._stirred.set()

    def _convict(self, item: _Item) -> None:
        if not item.ticket.abandoned:
            self.figures.rejected += 1
            item.ticket.rejections.append(Rejection(item.position, "ValidationException"))
            self._done(item)

    def _notice(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.error("nothing can be written until this is mended", reason=trouble)
        self.trouble = trouble

    def _forget_request(self, request: asyncio.Task[None]) -> None:
        del self._requests[request]
        self._stirred.set()

    async def _refresh_record_bytes(self) -> None:
        while True:
            await asyncio.sleep(_RECORD_BYTES_REFRESH_S)
            try:
                self.max_record_bytes = await self._endpoint.max_record_bytes()
            except KinesisError as error:
                log.debug("the stream's record maximum could not be read again", reason=str(error))
