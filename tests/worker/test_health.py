"""What of a worker's surroundings is a condition, and what is none."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from processor.kinesis.ticket import Ticket
from processor.profile.structs import Export
from processor.worker.added_partitions import AddedPartitions
from processor.worker.health import Health
from tests.simulation.disk import NoDisk
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Answered, NotingWriter, ScriptedSource, WorkerParts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SILENCE_MAX_S = 9.0


class World:
    def __init__(self) -> None:
        self.kinesis = ScriptedKinesis(random.Random(0), faults=Faults())
        self.parts = WorkerParts(NotingWriter(self.kinesis), NoDisk())
        self.status = self.parts.status
        self.status.healthy("starting")
        self.source = self.parts.source
        self.heartbeats = Answered()
        self.growth: AddedPartitions | None = None
        self.health = Health(
            self.source,
            self.heartbeats,
            self.parts.writer,
            self.parts.owned,
            self.status,
            silence_max_s=SILENCE_MAX_S,
            growth=lambda: self.growth,
        )


def living(story: Callable[[World], Awaitable[None]]) -> None:
    async def live() -> None:
        world = World()
        async with asyncio.TaskGroup() as tasks:
            world.parts.owned.start(tasks)
            running = [
                tasks.create_task(world.health.run()),
                tasks.create_task(world.parts.writer.run()),
            ]
            await story(world)
            await world.parts.owned.release(world.parts.owned.numbers, 5.0)
            for task in running:
                task.cancel()

    run_in_virtual_time(live())


def test_a_worker_whose_ends_answer_is_ready() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(60)
        assert world.status.is_ready

    living(story)


def test_heartbeats_that_are_not_answered_are_a_condition_unless_the_member_joins() -> None:
    async def story(world: World) -> None:
        world.heartbeats.is_silent_for_s = SILENCE_MAX_S - 0.1
        await asyncio.sleep(1)
        assert world.status.is_ready
        world.heartbeats.is_silent_for_s = SILENCE_MAX_S
        await asyncio.sleep(1)
        assert world.status.conditions == {"kafka": "no heartbeat was answered for 9 s"}
        world.heartbeats.is_joining = True
        await asyncio.sleep(1)
        assert world.status.is_ready

    living(story)


def test_a_rival_and_a_topic_that_is_gone_are_conditions_with_what_to_do() -> None:
    class Robbed(ScriptedSource):
        rival = "another process has this instance id: give each its own"
        is_there = False

    async def story(world: World) -> None:
        world.health = Health(
            Robbed(),
            world.heartbeats,
            world.parts.writer,
            world.parts.owned,
            world.status,
            silence_max_s=SILENCE_MAX_S,
            growth=lambda: None,
        )
        world.health.look()
        assert world.status.conditions["instance id"].endswith("give each its own")
        assert "topic events does not exist any more: bring it back" in world.status.conditions["source"]

    living(story)


@pytest.mark.parametrize(
    ("faults", "reason"),
    [(Faults(refused="access denied"), "access denied"), (Faults(lost_before=1.0), "no call was answered")],
    ids=["refuses", "does not answer"],
)
def test_a_stream_that_takes_nothing_is_a_condition_while_something_waits_for_it(
    faults: Faults, reason: str
) -> None:
    async def story(world: World) -> None:
        world.kinesis.faults = faults
        await asyncio.sleep(60)
        assert world.status.is_ready
        ticket = Ticket([Export(b"p", "key", b"data")])
        await world.parts.writer.submit(ticket)
        await asyncio.sleep(60)
        assert reason in world.status.conditions["kinesis"]
        world.kinesis.faults = Faults()
        await ticket.wait()
        await asyncio.sleep(1)
        assert world.status.is_ready

    living(story)


def test_partitions_that_were_added_are_a_condition_that_says_which_of_this_worker_are_finished() -> None:
    async def story(world: World) -> None:
        world.parts.owned.begin([0, 1])
        await asyncio.sleep(1)
        assert world.status.is_ready
        world.growth = AddedPartitions("events", 2, 4)
        await asyncio.sleep(1)
        assert (
            "partitions 0, 1 of this worker are not finished yet"
            in (world.status.conditions["added partitions"])
        )

    living(story)


def test_a_partition_whose_disk_fails_is_begun_anew_within_a_second() -> None:
    async def story(world: World) -> None:
        world.parts.owned.begin([0])
        await asyncio.sleep(1)
        world.parts.stores[0][-1].trouble = "the disk is full: make room"
        await asyncio.sleep(1)
        assert len(world.parts.stores[0]) == 2
        assert world.status.is_ready

    living(story)
