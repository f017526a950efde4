"""The ends of partitions, on virtual time: open transactions are reported, gaps are passed, and lag is left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from processor.errors import KafkaUnavailable
from processor.kafka.offsets import Reach
from processor.telemetry.status import Status
from processor.worker.partition_ends import CONDITION, PartitionEnds
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, PartitionParts, ScriptedSource, settings_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 120


class Looked(ScriptedSource):
    """The source of a worker with one partition, which is at `at`."""

    def __init__(self) -> None:
        super().__init__()
        self.partition = PartitionParts().partition
        self.partitions = {3: self.partition}
        self.at: Reach | None = Reach(10, 10, 10)
        self.gaps_passed = 0
        self.is_away = False

    def reach(self, partition: int) -> Reach | None:
        return self.at if partition == self.partition.number else None

    async def pass_gap(self, partition: int) -> None:
        assert partition == 3
        self.gaps_passed += 1
        if self.is_away:
            raise KafkaUnavailable("away")


def living(
    story: Callable[[Looked, PartitionEnds, Status], Awaitable[None]], *, may_have_gaps: bool = True
) -> None:
    async def world() -> None:
        settings = settings_of(kafka_transaction_timeout_ms=1000 * PATIENCE_S)
        looked, status = Looked(), Status()
        status.healthy("starting")
        tail = PartitionEnds(settings.kafka, looked, looked.partitions, status, may_have_gaps=may_have_gaps)
        running = asyncio.create_task(tail.run())
        try:
            await story(looked, tail, status)
        finally:
            running.cancel()
            await asyncio.wait([running])

    run_in_virtual_time(world())


def test_a_transaction_is_reported_at_once_and_is_a_condition_once_it_lasts() -> None:
    async def story(looked: Looked, tail: PartitionEnds, status: Status) -> None:
        looked.at = Reach(10, 10, 25)
        await asyncio.sleep(5)
        held = tail.held_back(3)
        assert held is not None
        assert held.records == 15
        assert 3 < held.since_s <= 5
        assert status.is_ready
        await asyncio.sleep(PATIENCE_S)
        assert (
            "since offset 10 of partition 3 of events keeps 15 offsets back" in status.conditions[CONDITION]
        )
        looked.at = Reach(25, 25, 25)
        await asyncio.sleep(2)
        assert status.is_ready
        assert tail.held_back(3) is None

    living(story)


def test_transactions_that_follow_each_other_are_none_that_lasts() -> None:
    async def story(looked: Looked, _: PartitionEnds, status: Status) -> None:
        for second in range(3 * PATIENCE_S):
            looked.at = Reach(second, second, second + 5)
            await asyncio.sleep(1)
            assert status.is_ready

    living(story)


def test_what_stands_before_a_transaction_is_lag_first() -> None:
    async def story(looked: Looked, tail: PartitionEnds, status: Status) -> None:
        looked.at = Reach(5, 10, 25)
        await asyncio.sleep(2 * PATIENCE_S)
        assert tail.held_back(3) is None
        assert status.is_ready

    living(story, may_have_gaps=False)


def test_a_partition_that_is_given_up_takes_its_condition_with_it() -> None:
    async def story(looked: Looked, tail: PartitionEnds, status: Status) -> None:
        looked.at = Reach(10, 10, 25)
        await asyncio.sleep(2 * PATIENCE_S)
        looked.partitions.clear()
        status.revoked(3)
        await asyncio.sleep(2)
        assert status.is_ready
        assert tail.held_back(3) is None

    living(story)


def test_a_partition_that_stands_still_short_of_its_end_is_looked_at_now_and_then() -> None:
    async def story(looked: Looked, _: PartitionEnds, __: Status) -> None:
        looked.at, looked.is_away = Reach(5, 10, 10), True
        await asyncio.sleep(60)
        assert 10 <= looked.gaps_passed <= 20

    living(story)


def test_one_that_moves_or_is_busy_or_is_at_its_end_is_not_looked_at() -> None:
    async def story(looked: Looked, _: PartitionEnds, __: Status) -> None:
        for position in range(20):
            looked.at = Reach(position, 100, 100)
            await asyncio.sleep(1)
        looked.at = Reach(100, 100, 100)
        await asyncio.sleep(20)
        looked.at = Reach(100, 200, 200)
        looked.partition.offer([Event(100)], None)
        assert not looked.partition.is_idle
        await asyncio.sleep(20)
        looked.at = None
        await asyncio.sleep(20)
        assert not looked.gaps_passed

    living(story)


def test_of_a_topic_that_is_never_compacted_no_gap_is_looked_for() -> None:
    async def story(looked: Looked, _: PartitionEnds, __: Status) -> None:
        looked.at = Reach(5, 10, 10)
        await asyncio.sleep(60)
        assert not looked.gaps_passed

    living(story, may_have_gaps=False)
