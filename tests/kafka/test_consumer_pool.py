"""Consumers that many partitions share: a few at once, used again, and gone with the last who needs one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from processor.errors import KafkaUnavailable
from processor.kafka.consumer_pool import ConsumerPool
from tests.support.virtual_time import run_in_virtual_time


class Consumer:
    """Counts itself."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def start(self) -> None:
        self._world.started += 1
        await asyncio.sleep(0.01)
        if self._world.is_away:
            raise ConnectionError("away")

    async def stop(self) -> None:
        self._world.stopped += 1


class World:
    def __init__(self) -> None:
        self.started = self.stopped = self.reading = self.most = 0
        self.is_away = False
        self.readers = ConsumerPool(lambda: cast("Any", Consumer(self)), "connecting", 4)

    async def read(self) -> None:
        async with self.readers.one():
            self.reading += 1
            self.most = max(self.most, self.reading)
            try:
                await asyncio.sleep(1.0)
            finally:
                self.reading -= 1


def test_six_hundred_partitions_share_a_few_and_none_is_left() -> None:
    world = World()

    async def live() -> None:
        await asyncio.gather(*(world.read() for _ in range(600)))

    run_in_virtual_time(live())
    assert (world.most, world.started, world.stopped) == (4, 4, 4)


def test_who_comes_later_finds_new_ones() -> None:
    world = World()

    async def live() -> None:
        await world.read()
        assert (world.started, world.stopped) == (1, 1)
        await world.read()

    run_in_virtual_time(live())
    assert (world.started, world.stopped) == (2, 2)


def test_one_that_failed_or_was_broken_off_is_not_used_again() -> None:
    world = World()

    async def live() -> None:
        others = [asyncio.create_task(world.read()) for _ in range(8)]
        await asyncio.sleep(0.5)
        others[0].cancel()
        await asyncio.wait(others)
        assert world.started == 5
        with pytest.raises(RuntimeError):
            async with world.readers.one():
                raise RuntimeError

    run_in_virtual_time(live())
    assert (world.started, world.stopped) == (6, 6)


def test_where_none_can_be_connected_all_are_reported_and_none_is_left() -> None:
    world = World()
    world.is_away = True

    async def live() -> None:
        failed = await asyncio.gather(*(world.read() for _ in range(20)), return_exceptions=True)
        assert {type(each) for each in failed} == {KafkaUnavailable}
        world.is_away = False
        await world.read()

    run_in_virtual_time(live())
    assert world.started == world.stopped == 21
