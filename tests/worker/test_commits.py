"""Commits: now and then, one at a time, and at last of what is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from processor.errors import KafkaUnavailable
from processor.kafka.offsets import Reach
from processor.worker.commits import CONDITION, Commits
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, MemoryChangelogs, PartitionParts, ScriptedSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.commit_metadata import Mark
    from processor.worker.partition import Partition

INTERVAL_S = 5.0


class SlowSource(ScriptedSource):
    """Commits take a second, and `accepts` says whether the group has the member still."""

    accepts = True

    def __init__(self) -> None:
        super().__init__()
        self.under_way = 0
        self.commits: list[dict[int, int]] = []

    async def commit(self, offsets: Mapping[int, int], marks: Mapping[int, Mark]) -> bool:
        assert not self.under_way, "an older commit could arrive after a newer one"
        self.under_way += 1
        try:
            await asyncio.sleep(1.0)
            self.commits.append(dict(offsets))
            return await super().commit(offsets, marks) and self.accepts
        finally:
            self.under_way -= 1


class World:
    def __init__(self) -> None:
        self.parts = PartitionParts()
        self.source = SlowSource()
        self.commits = Commits(self.source, MemoryChangelogs(), self.parts.status, INTERVAL_S)

    async def acknowledged(self, partition: Partition, offset: int) -> None:
        partition.offer([Event(offset)], None)
        await asyncio.sleep(0.01)
        assert partition.next_offset == offset + 1


def test_what_is_acknowledged_is_committed_once_each_interval() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            committing = asyncio.create_task(world.commits.run({0: partition}))
            await asyncio.sleep(INTERVAL_S + 2)
            assert not world.source.commits, "nothing was acknowledged"
            await world.acknowledged(partition, 3)
            await asyncio.sleep(4 * INTERVAL_S)
            assert world.source.commits == [{0: 4}]
            assert partition.committed_offset == 4
            assert world.source.marks[0].position == partition.changelog_position
            assert sum(world.parts.status.durations.commit.counts) == 1
            committing.cancel()

    run_in_virtual_time(live())


def test_what_was_read_and_is_no_event_is_committed_as_well() -> None:
    async def live() -> None:
        world = World()
        world.source.reaches[0] = Reach(9, 9, 9)
        async with world.parts.running() as partition:
            await world.acknowledged(partition, 3)
            await world.commits.commit([partition])
            assert world.source.committed_offsets == {0: 9}

    run_in_virtual_time(live())


def test_one_commit_waits_for_another() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            await world.acknowledged(partition, 3)
            first = asyncio.create_task(world.commits.commit([partition]))
            await asyncio.sleep(0.5)
            await world.acknowledged(partition, 4)
            await world.commits.commit([partition])
            await first
            assert world.source.commits == [{0: 4}, {0: 5}]

    run_in_virtual_time(live())


def test_a_failure_is_a_condition_until_a_commit_succeeds() -> None:
    async def live() -> None:
        world = World()
        world.source.failures = [KafkaUnavailable("no coordinator")]
        async with world.parts.running() as partition:
            committing = asyncio.create_task(world.commits.run({0: partition}))
            await world.acknowledged(partition, 3)
            await asyncio.sleep(INTERVAL_S + 2)
            assert world.parts.status.conditions[CONDITION] == "no coordinator"
            assert world.source.committed_offsets == {}
            await asyncio.sleep(INTERVAL_S + 2)
            assert CONDITION not in world.parts.status.conditions
            assert partition.committed_offset == 4
            committing.cancel()

    run_in_virtual_time(live())


def test_what_the_group_refuses_to_a_member_that_it_gave_up_is_not_committed() -> None:
    async def live() -> None:
        world = World()
        world.source.accepts = False
        async with world.parts.running() as partition:
            await world.acknowledged(partition, 3)
            await world.commits.commit([partition])
            assert partition.committed_offset is None

    run_in_virtual_time(live())


def test_the_last_commit_is_not_waited_for_longer_than_it_may_take_and_its_failure_is_logged() -> None:
    class SilentSource(ScriptedSource):
        async def commit(self, offsets: Mapping[int, int], marks: Mapping[int, Mark]) -> bool:
            await asyncio.Event().wait()
            return await super().commit(offsets, marks)

    async def live(source: ScriptedSource) -> float:
        parts = PartitionParts()
        loop = asyncio.get_running_loop()
        async with parts.running() as partition:
            partition.offer([Event(3)], None)
            await asyncio.sleep(0.01)
            began_s = loop.time()
            await Commits(source, MemoryChangelogs(), parts.status, INTERVAL_S).commit_last([partition])
            return loop.time() - began_s

    failing = ScriptedSource()
    failing.failures = [KafkaUnavailable("no coordinator")]
    for source, reason in ((SilentSource(), "it was not answered within 3 s"), (failing, "no coordinator")):
        with capture_logs() as logged:
            assert run_in_virtual_time(live(source)) <= 3.01
        (line,) = [each for each in logged if each["log_level"] == "warning"]
        assert line["event"] == "the last commit failed; what it covers will be repeated"
        assert line["reason"] == reason
