"""The poll loop: what has room is asked for, failures are retried, and partitions that were added hold others back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from processor.errors import KafkaUnavailable
from processor.worker.added_partitions import AddedPartitions, partition_of
from processor.worker.in_flight_bound import STARVED_AFTER_S, InFlightBound
from processor.worker.polling import CONDITION, Poller
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, PartitionParts, ScriptedSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from processor.kafka.poll_room import Room
    from processor.kafka.source import Records
    from processor.worker.partition import Partition

EVENTS = [Event(offset, value=b"x" * 1000) for offset in range(4)]
ROOM_BYTES = 4_000


class NotingSource(ScriptedSource):
    """Knows when it was polled."""

    def __init__(self) -> None:
        super().__init__(EVENTS)
        self.polled_at_s: list[float] = []
        self.lost: list[int] = []
        """Partitions that go while the next poll is under way."""
        self.partitions: dict[int, Partition] = {}

    async def poll(self, room: Room) -> Mapping[int, Records]:
        self.polled_at_s.append(asyncio.get_running_loop().time())
        found = await super().poll(room)
        for number in self.lost:
            self.partitions.pop(number, None)
        return found


class World:
    """Of one partition that nothing works on: what it takes it holds."""

    def __init__(self, growth: AddedPartitions | None = None) -> None:
        self.parts = PartitionParts()
        self.partition = self.parts.partition
        self.source = NotingSource()
        self.source.partitions = {0: self.partition}
        self.wake = asyncio.Event()
        self.poller = Poller(
            self.source,
            self.source.partitions,
            InFlightBound(ROOM_BYTES, 1000),
            self.parts.status,
            wake=self.wake,
            growth=lambda: growth,
        )

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.poller.run())
        yield
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])


def test_nothing_is_polled_while_nothing_has_room_and_room_wakes_it_at_once() -> None:
    async def live() -> None:
        world = World()
        async with world.polling():
            world.source.resume(0, 0)
            await asyncio.sleep(1.0)
            assert world.parts.status.figures.received == len(EVENTS)
            polls = len(world.source.polled_at_s)
            await asyncio.sleep(STARVED_AFTER_S / 2)
            assert len(world.source.polled_at_s) == polls
            assert world.parts.status.occupied_s["backpressured"] > 0
            await world.partition.abandon()
            woken_at_s = asyncio.get_running_loop().time()
            world.wake.set()
            await asyncio.sleep(0.1)
            assert world.source.polled_at_s[polls] == woken_at_s

    run_in_virtual_time(live())


def test_a_failure_is_a_condition_and_polling_goes_on_a_second_later() -> None:
    async def live() -> None:
        world = World()
        world.source.failures = [KafkaUnavailable("no leader")] * 2
        async with world.polling():
            await asyncio.sleep(1.0)
            assert world.parts.status.conditions[CONDITION] == "no leader"
            await asyncio.sleep(2.0)
            assert CONDITION not in world.parts.status.conditions
            first, second, third, *_ = world.source.polled_at_s
            assert (round(second - first, 3), round(third - second, 3)) == (1.1, 1.1)

    run_in_virtual_time(live())


def test_what_comes_of_a_partition_that_has_gone_during_the_poll_is_dropped() -> None:
    async def live() -> None:
        world = World()
        world.source.lost = [0]
        async with world.polling():
            world.source.resume(0, 0)
            await asyncio.sleep(1.0)
            assert not world.parts.status.figures.received

    run_in_virtual_time(live())


def test_a_partition_is_paused_at_the_first_event_whose_key_has_moved_to_it() -> None:
    async def live() -> None:
        # From 2 to 3 partitions keys move between the former ones, too.
        stands_at = next(at for at, key in enumerate(KEYS) if partition_of(key, 2) != 0)
        world = World(AddedPartitions("events", 2, 3))
        world.source.use(EVENTS_OF_MANY)
        async with world.polling():
            world.source.resume(0, 0)
            await asyncio.sleep(1.0)
            assert world.parts.status.figures.received == stands_at
            assert world.source.resumed_at[0] == EVENTS_OF_MANY[stands_at].offset
            assert world.source.paused == {0}

    run_in_virtual_time(live())


KEYS = sorted((b"profile-%d" % number for number in range(20)), key=lambda key: partition_of(key, 2))
EVENTS_OF_MANY = [Event(offset, key) for offset, key in enumerate(KEYS)]
