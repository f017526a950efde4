"""The writer's parts, put together as the writer does, for tests of one of them."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from processor.kinesis.backoff import Backoff
from processor.kinesis.batch_fill import BatchFill
from processor.kinesis.bisection import Bisection
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
from processor.kinesis.ticket import Ticket
from processor.settings import KinesisSettings
from tests.support.scripted_kinesis import ScriptedKinesis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.call import Call
    from processor.profile.structs import Export


class Parts:
    """Of a writer that is not there: nothing is sent but by the test."""

    def __init__(self, kinesis: ScriptedKinesis | None = None, **changes: float) -> None:
        self.settings = KinesisSettings.model_validate({"slow_retry_ms": 1_000, **changes})
        self.wake = asyncio.Event()
        self.room = asyncio.Event()
        self.figures = WriterFigures()
        self.lanes = Lanes(0.0, self.settings.shard_buffer_bytes)
        self.order = ProfileOrder()
        self.size = CallSize(self.settings)
        self.backoff = Backoff(self.settings, random.Random(1))
        self.fill = BatchFill(self.settings, self.lanes, self.size, self.figures, self.wake.set)
        self.retries = Retries(self.lanes, self.fill, self.backoff, self.figures)
        self.probe = RepeatProbe(self.lanes, self.order, self.figures)
        self.bisection = Bisection(self.settings.slow_retry_ms / 1000, self.probe, self.wake.set)
        endpoint = kinesis or ScriptedKinesis(random.Random(5))
        self.settlement = Settlement(
            order=self.order,
            lanes=self.lanes,
            fill=self.fill,
            retries=self.retries,
            backoff=self.backoff,
            probe=self.probe,
            figures=self.figures,
            on_room=self.room.set,
        )
        self.calls = Calls(
            endpoint,
            self.settings,
            size=self.size,
            settlement=self.settlement,
            retries=self.retries,
            bisection=self.bisection,
            watch=StreamWatch(endpoint, self.lanes, self.wake.set),
            figures=self.figures,
            wake=self.wake.set,
            following=lambda: self.following(),  # noqa: PLW0108  tests put another in its place
        )

    def following(self) -> Call | None:
        """What goes after an answer, in the same task: nothing, but the writer looks."""
        self.wake.set()
        return None

    def take(self, ticket: Ticket) -> list[Item]:
        """Take a ticket's exports, as admission does; its items."""
        items = items_of(self.lanes, ticket)
        for item in items:
            item.lane.hold(item.size_bytes)
        self.figures.count_submitted(len(items), sum(item.size_bytes for item in items))
        self.lanes.add(self.order.admit(items, ticket.partition).going)
        return items

    def packed(self) -> Call:
        """A call of all that is ready."""
        return self.lanes.packed(asyncio.get_running_loop().time(), 500, 1 << 20)

    def ready(self) -> list[Export]:
        """What is ready, in the order in which it would go."""
        return [item.export for lane in self.lanes for item in lane.ready]


def items_of(lanes: Lanes, ticket: Ticket) -> list[Item]:
    """An item for each export of a ticket."""
    keys = [each.partition_key.encode() for each in ticket.exports]
    return [
        Item(each, ticket, position, lane, len(each.data) + len(key))
        for position, (each, key, lane) in enumerate(zip(ticket.exports, keys, lanes.of(keys), strict=True))
    ]


def items(exports: Sequence[Export], partition: int = 0) -> list[Item]:
    """An item for each export, all of one ticket, in one lane."""
    return items_of(Lanes(0.0, 1 << 20), Ticket(exports, partition))
