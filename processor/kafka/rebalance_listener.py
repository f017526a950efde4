"""What happens to partitions in a rebalance, passed on to whoever works on them.

aiokafka only logs what its listener raises, and goes on; here that is kept, and raised where the service sees it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiokafka import ConsumerRebalanceListener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from aiokafka import TopicPartition

    from processor.kafka.heartbeats import Heartbeats


class Assignment(Protocol):
    """What the pipeline does when partitions come and go; both are awaited by the group's rebalance."""

    async def assigned(self, partitions: Collection[int]) -> None:
        """These partitions are this member's from now on."""

    async def revoked(self, partitions: Collection[int]) -> None:
        """These partitions are another's once this returns."""

    def deleted(self, partition: int, first: int, end: int) -> None:
        """What was not read yet of a partition is gone, from offset `first` to before `end`."""


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes what happens to partitions on to an assignment, while one is attached, and keeps what it raises."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self._assignment: Assignment | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def attach(self, assignment: Assignment) -> None:
        """Pass on what happens from now on."""
        self._assignment = assignment

    def detach(self) -> None:
        """Pass nothing on any more: the member leaves the group."""
        self._assignment = None

    async def failed(self) -> None:
        """Wait until a call of the assignment has raised, and raise that."""
        await self._failure

    def deleted(self, partition: int, first: int, end: int) -> None:
        """Offsets from `first` to before `end` were deleted before they were read."""
        if self._assignment is not None:
            self._assignment.deleted(partition, first, end)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Called by aiokafka before the group is joined anew."""
        if self._assignment is not None:
            await self._pass_on(self._assignment.revoked, revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka when the group has its new assignment."""
        self._heartbeats.answered()
        if self._assignment is not None:
            await self._pass_on(self._assignment.assigned, assigned)

    async def _pass_on(
        self, to: Callable[[Collection[int]], Awaitable[None]], partitions: Collection[TopicPartition]
    ) -> None:
        try:
            await to(sorted(partition.partition for partition in partitions))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  aiokafka would log it and go on; `failed` raises it
            if not self._failure.done():
                self._failure.set_exception(error)
