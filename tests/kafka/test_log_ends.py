"""Where partitions end: one call a broker, of the offsets that may be taken, and what a broker does not tell stays."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.offset import OffsetRequest

from processor.kafka.log_ends import LogEnds
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from aiokafka import TopicPartition

NOT_LEADER = 6


class Cluster:
    """Two brokers that share out partitions, by their numbers' parity."""

    def __init__(self) -> None:
        self.ends = {number: 100 * number for number in range(6)}
        self.stable = {number: 100 * number - 7 for number in range(6)}
        self.leaders: dict[int, int | None] = {number: number % 2 for number in range(6)}
        self.away: set[int] = set()
        self.moved: set[int] = set()
        self.calls: list[tuple[int, list[int]]] = []
        self.updates: list[str] = []
        self.answer_s = 0.0
        self._client = self
        self.cluster = self

    def leader_for_partition(self, place: TopicPartition) -> int | None:
        assert place.topic == "events"
        return self.leaders[place.partition]

    def force_metadata_update(self) -> None:
        self.updates.append("asked for")

    async def send(self, node: int, request: OffsetRequest) -> Any:
        ((topic, wanted),) = request._topics
        assert {time for _, time in wanted} == {-1}
        numbers = [number for number, _ in wanted]
        self.calls.append((node, numbers))
        await asyncio.sleep(self.answer_s)
        if node in self.away:
            raise kafka.NodeNotReadyError("away")
        found = self.stable if request._isolation_level else self.ends
        parts = [
            (n, NOT_LEADER if n in self.moved else 0, -1, -1 if n in self.moved else found[n])
            for n in numbers
        ]
        return SimpleNamespace(topics=[(topic, parts)])


async def test_the_names_that_are_reached_for_are_still_there() -> None:
    assert callable(AIOKafkaClient.send)
    assert callable(AIOKafkaClient.force_metadata_update)
    assert list(inspect.signature(OffsetRequest).parameters) == ["replica_id", "isolation_level", "topics"]


@pytest.mark.parametrize("reads_committed", [True, False])
async def test_each_broker_is_asked_once_for_all_that_it_leads(*, reads_committed: bool) -> None:
    cluster = Cluster()
    ends = LogEnds(cluster, "events", reads_committed=reads_committed)
    await ends.look([5, 0, 1, 2])
    assert sorted(cluster.calls) == [(0, [0, 2]), (1, [1, 5])]
    wanted = cluster.stable if reads_committed else cluster.ends
    assert [ends.of(number) for number in (1, 2, 5)] == [wanted[number] for number in (1, 2, 5)]
    assert ends.of(3) is None


async def test_what_a_broker_does_not_tell_stays_as_it_was_and_leaders_are_looked_for() -> None:
    cluster = Cluster()
    ends = LogEnds(cluster, "events", reads_committed=False)
    await ends.look(range(6))
    assert not cluster.updates
    cluster.ends = {number: 1000 + number for number in range(6)}
    cluster.away, cluster.moved = {1}, {2}
    await ends.look(range(6))
    assert [ends.of(number) for number in range(6)] == [1000, 100, 200, 300, 1004, 500]
    assert len(cluster.updates) == 1
    cluster.away, cluster.moved, cluster.leaders[4] = set(), set(), None
    cluster.ends = {number: 2000 + number for number in range(6)}
    await ends.look(range(6))
    assert [ends.of(number) for number in range(6)] == [2000, 2001, 2002, 2003, 1004, 2005]
    assert len(cluster.updates) == 2


async def test_the_ends_of_partitions_that_are_given_up_are_forgotten() -> None:
    ends = LogEnds(Cluster(), "events", reads_committed=False)
    await ends.look(range(6))
    await ends.look([3])
    assert [ends.of(number) for number in (2, 3)] == [None, 300]


def test_it_is_asked_at_a_pace_of_its_own_for_what_is_owned_by_then() -> None:
    async def world() -> list[tuple[int, list[int]]]:
        cluster, owned = Cluster(), [1]
        running = asyncio.create_task(LogEnds(cluster, "events", reads_committed=True).run(lambda: owned, 5))
        await asyncio.sleep(11)
        owned.append(3)
        await asyncio.sleep(5)
        owned.clear()
        await asyncio.sleep(20)
        running.cancel()
        await asyncio.wait([running])
        return cluster.calls

    assert run_in_virtual_time(world()) == [*[(1, [1])] * 3, (1, [1, 3])]
