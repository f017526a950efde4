"""What aiokafka reports of rebalances is passed on from when the source is started until it is stopped; failures are kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition

from processor.kafka.heartbeats import Heartbeats
from processor.kafka.rebalance_listener import RebalanceListener

if TYPE_CHECKING:
    from collections.abc import Collection

TWO = {TopicPartition("events", 1), TopicPartition("events", 0)}


class Noted:
    """An assignment that notes its calls, or fails."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self._failure = failure

    async def assigned(self, partitions: Collection[int]) -> None:
        self.calls.append(("assigned", list(partitions)))
        if self._failure is not None:
            raise self._failure

    async def revoked(self, partitions: Collection[int]) -> None:
        self.calls.append(("revoked", list(partitions)))

    def deleted(self, partition: int, first: int, end: int) -> None:
        self.calls.append(("deleted", [partition, first, end]))


async def test_what_happens_is_passed_on_in_order_while_an_assignment_is_attached() -> None:
    listener, noted = RebalanceListener(Heartbeats()), Noted()
    await listener.on_partitions_revoked(TWO)
    listener.attach(noted)
    await listener.on_partitions_revoked(set())
    await listener.on_partitions_assigned(TWO)
    listener.deleted(1, 10, 20)
    listener.detach()
    await listener.on_partitions_revoked(TWO)
    await listener.on_partitions_assigned(TWO)
    listener.deleted(1, 20, 30)
    assert noted.calls == [("revoked", []), ("assigned", [0, 1]), ("deleted", [1, 10, 20])]


async def test_what_an_assignment_raises_is_raised_where_it_is_waited_for_and_not_in_the_client() -> None:
    listener = RebalanceListener(Heartbeats())
    listener.attach(Noted(ValueError("first")))
    failed = asyncio.create_task(listener.failed())
    await asyncio.sleep(0)
    assert not failed.done()
    await listener.on_partitions_assigned(TWO)
    await listener.on_partitions_assigned(TWO)
    with pytest.raises(ValueError, match="first"):
        await failed


async def test_a_rebalance_that_is_cancelled_is_none_that_failed() -> None:
    listener = RebalanceListener(Heartbeats())
    listener.attach(Noted(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await listener.on_partitions_assigned(TWO)
    failed = asyncio.create_task(listener.failed())
    await asyncio.sleep(0)
    assert not failed.done()
    failed.cancel()
