"""The writer: exports in, PutRecords calls out, each profile's order kept.

This module has what is taken in, within the buffer's bound, and the loop that sends. `profile_order` keeps the order,
`batch_fill` fills calls from the `lanes`, `calls` makes them, `settlement` settles their records, `retries` sends
again what failed, and `bisection` finds what Kinesis takes under no circumstances.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from itertools import count, repeat
from typing import TYPE_CHECKING

from processor.errors import KinesisRejected, KinesisUnavailable
from processor.kinesis.backoff import Backoff
from processor.kinesis.batch_fill import BatchFill
from processor.kinesis.bisection import Bisection
from processor.kinesis.call import Call, call_of_each
from processor.kinesis.call_size import CallSize
from processor.kinesis.calls import Calls
from processor.kinesis.figures import WriterFigures
from processor.kinesis.lane import Item
from processor.kinesis.lanes import Lanes
from processor.kinesis.profile_order import ProfileOrder
from processor.kinesis.repeat_probe import RepeatProbe
from processor.kinesis.retries import Retries
from processor.kinesis.settlement import Settlement
from processor.kinesis.stream_watch import StreamWatch

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from processor.kinesis.endpoint import Endpoint
    from processor.kinesis.outage import Outage
    from processor.kinesis.ticket import Ticket
    from processor.settings import KinesisSettings
    from processor.waiting.fence import Fence


class Writer:
    """Writes to one stream. `run` it in a task group; `submit` tickets, from any number of tasks."""

    def __init__(
        self, endpoint: Endpoint, settings: KinesisSettings, rng: random.Random, fence: Fence
    ) -> None:
        self._endpoint = endpoint
        self._buffer_bytes_max = settings.buffer_bytes
        self._fence = fence
        self._may_send = asyncio.Event()
        self._has_room = asyncio.Event()
        wake = self._may_send.set
        self.figures = WriterFigures()
        self.size = CallSize(settings)
        self.lanes = Lanes(0.0, settings.shard_buffer_bytes)
        self.watch = StreamWatch(endpoint, self.lanes, self._shards_changed)
        self._order = ProfileOrder()
        self._probe = RepeatProbe(self.lanes, self._order, self.figures)
        self._bisection = Bisection(settings.slow_retry_ms / 1000, self._probe, wake)
        self._fill = BatchFill(settings, self.lanes, self.size, self.figures, wake)
        backoff = Backoff(settings, rng)
        self._retries = Retries(self.lanes, self._fill, backoff, self.figures)
        settlement = Settlement(
            order=self._order,
            lanes=self.lanes,
            fill=self._fill,
            retries=self._retries,
            backoff=backoff,
            probe=self._probe,
            figures=self.figures,
            on_room=self._has_room.set,
        )
        self._calls = Calls(
            endpoint,
            settings,
            size=self.size,
            settlement=settlement,
            retries=self._retries,
            bisection=self._bisection,
            watch=self.watch,
            figures=self.figures,
            wake=wake,
            following=self._following,
        )

    @property
    def trouble(self) -> str | None:
        """What a person must mend before anything can be written; None while all is well."""
        return self._calls.trouble

    @property
    def outage(self) -> Outage:
        """How long Kinesis has answered no call."""
        return self._calls.outage

    @property
    def max_record_bytes(self) -> int:
        """The largest export, data and partition key, that the stream takes."""
        return self.watch.max_record_bytes

    async def connect(self) -> None:
        """Look at the stream, and make an empty call, which is refused where writing is not allowed.

        Raises:
            KinesisRefused: the stream cannot be written to; a person must change something.
            KinesisUnavailable: Kinesis does not answer.

        """
        await self.watch.connect()
        with suppress(KinesisRejected, KinesisUnavailable):
            await self._endpoint.put([])

    async def submit(self, ticket: Ticket) -> None:
        """Take a ticket's exports, in order; waits while the buffer, or what one shard may hold of it, is full."""
        self._fill.follow(is_followed=ticket.is_followed)
        self._take(ticket)
        while ticket.taken < len(ticket.exports):
            self._has_room.clear()
            await self._has_room.wait()
            self._take(ticket)

    async def abandon(self, partition: int, tickets: Iterable[Ticket]) -> None:
        """Release a partition: drop what is not settled of `tickets`, which are all of it that are not settled.

        Calls that carry any of it are cancelled and awaited; cancel what still submits them before.
        """
        for ticket in (*tickets, *self._probe.release(partition)):
            ticket.abandon()
        dropped = [item for item in self._unsettled() if item.ticket.is_abandoned]
        for item in dropped:
            item.lane.release(item.size_bytes)
        self.figures.count_abandoned(len(dropped), sum(item.size_bytes for item in dropped))
        self.lanes.drop_abandoned()
        self._bisection.drop_abandoned()
        self._retries.drop_abandoned()
        self._order.release(partition)
        await self._calls.cancel_abandoned()
        self._has_room.set()

    async def run(self) -> None:
        """Send until cancelled; what is in flight then is cancelled and awaited."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watch.run(), name="stream-watch")
            while True:
                self._may_send.clear()
                await self._fence.passed()
                while isinstance(found := self._next(loop.time()), Call):
                    self._calls.begin(found, tasks)
                timer = None
                if found < math.inf:
                    timer = loop.call_later(found, self._may_send.set)
                await self._may_send.wait()
                if timer is not None:
                    timer.cancel()

    def _take(self, ticket: Ticket) -> None:
        """Take as much of a ticket as there is room for; where nothing is held, one export of any size."""
        taken = ticket.taken
        rest = ticket.exports[taken:] if taken else ticket.exports
        keys = [export.partition_key.encode() for export in rest]
        sizes_bytes = [len(export.data) + len(key) for export, key in zip(rest, keys, strict=True)]
        fitting = self._fitting(sizes_bytes)
        if fitting < len(keys):
            keys, sizes_bytes = keys[:fitting], sizes_bytes[:fitting]
        lanes = self.lanes.admit(keys, sizes_bytes)
        # `map` ends with the shortest, the lanes of those that are taken; and makes items faster than a loop does.
        items = list(map(Item, rest, repeat(ticket), count(taken), lanes, sizes_bytes))
        admitted = self._order.admit(items, ticket.partition)
        self.lanes.add(admitted.going)
        self.figures.count_submitted(len(items), sum(sizes_bytes[: len(items)]))
        ticket.take(len(items))
        if admitted.has_become_hot:
            # It may be waiting for more. Once, and not with each ticket: where it cannot go, others' calls would go unfilled.
            self._fill.ready_at_once()
        else:
            self._fill.ready()
        self._may_send.set()

    def _fitting(self, sizes_bytes: Sequence[int]) -> int:
        """How many records of these sizes, from the first on, the buffer has room for."""
        held_bytes = self.figures.buffered_bytes
        if held_bytes + sum(sizes_bytes) <= self._buffer_bytes_max:
            return len(sizes_bytes)
        for fitting, size_bytes in enumerate(sizes_bytes):
            if held_bytes + size_bytes > self._buffer_bytes_max and held_bytes:
                return fitting
            held_bytes += size_bytes
        return len(sizes_bytes)

    def _unsettled(self) -> Iterator[Item]:
        for call in self._calls:
            yield from call.items
        for lane in self.lanes:
            yield from lane.ready
        yield from self._retries
        yield from self._bisection
        yield from self._order

    def _following(self) -> Call | None:
        """The call that may begin now, if there is one; `run` looks for others, where anything else is ready."""
        found = self._next(asyncio.get_running_loop().time()) if self._fence.is_open else math.inf
        if not isinstance(found, Call):
            self._may_send.set()
            return None
        if self.lanes.ready_records or self._bisection.has_parts:
            self._may_send.set()
        return found

    def _next(self, now_s: float) -> Call | float:
        """The call that may begin now; or how long until one may, in seconds, if nothing happens before."""
        if (pause_s := self._retries.pause_s(now_s)) > 0:
            return pause_s
        if not self._calls.may_begin:
            return math.inf
        if part := self._bisection.next_part():
            return call_of_each(part)
        if (wait_s := self._fill.wait_s(now_s)) > 0:
            return wait_s
        call = self._fill.packed(now_s)
        return call if call.items else self.lanes.wait_s(now_s)

    def _shards_changed(self) -> None:
        self._has_room.set()
        self._fill.ready_again()
