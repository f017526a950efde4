"""The partitions that a worker owns: begun when they are assigned, released when they are revoked, or begun anew.

A partition is owned from when it is assigned; it is worked on once its state is restored. One whose disk fails is released
and begun anew without being given up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from processor.errors import StateError, StateUnavailable
from processor.worker import disk_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from processor.kafka.source import Source
    from processor.profile.core import Core
    from processor.telemetry.status import Status
    from processor.worker.commits import Commits
    from processor.worker.dead_letter_limit import DeadLetterLimit
    from processor.worker.partition import Partition
    from processor.worker.partition_factory import PartitionFactory

log = structlog.get_logger(__name__)


class OwnedPartitions:
    """Begins and releases the partitions of one worker. `start` it before the first partition is begun, and `close` it before the last is released.

    `check_room` raises `StateError` where so many stores cannot be open at once; `on_begun` is called whenever a partition
    is restored and takes records; a partition that is begun anew is given `drain_timeout_s` to drain.
    """

    def __init__(
        self,
        source: Source,
        restorer: PartitionFactory,
        commits: Commits,
        limit: DeadLetterLimit,
        status: Status,
        *,
        check_room: Callable[[int], None],
        on_begun: Callable[[], None],
        drain_timeout_s: float,
    ) -> None:
        self._source = source
        self._restorer = restorer
        self._commits = commits
        self._limit = limit
        self._status = status
        self._check_room = check_room
        self._on_begun = on_begun
        self._drain_timeout_s = drain_timeout_s
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closed = False
        self._owned: dict[int, asyncio.Task[None]] = {}
        self._partitions: dict[int, Partition] = {}
        self._beginning_anew: set[int] = set()
        self._releasing = asyncio.Lock()

    @property
    def partitions(self) -> Mapping[int, Partition]:
        """Those that are worked on, by number: a view that is current at any time."""
        return self._partitions

    @property
    def numbers(self) -> list[int]:
        """Those that are owned, whether they are restored or not."""
        return list(self._owned)

    def follow(self, core: Core) -> None:
        """Have every partition's next batch worked on by another core."""
        self._restorer.follow(core)
        for partition in self._partitions.values():
            partition.follow(core)

    def request_backfill(self, request: str) -> None:
        """Have all profiles of every partition looked at again, unless that was done for this request before."""
        self._restorer.request_backfill(request)
        for partition in self._partitions.values():
            partition.request_backfill(request)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Have the work on partitions run in `tasks`, from now on; what it cannot get over is raised there."""
        self._tasks = tasks

    def close(self) -> None:
        """Begin no partition any more: the worker drains."""
        self._is_closed = True

    def begin(self, numbers: Collection[int]) -> None:
        """Restore partitions, then work on them; none of them where their stores cannot all be open at once.

        After `close` nothing is begun.
        """
        if self._may_begin() and self._is_room_for(numbers):
            for number in numbers:
                self._begin(number)

    async def release(self, numbers: Collection[int], timeout_s: float) -> None:
        """Drain partitions, together, within `timeout_s`; commit what is acknowledged; close them, and give them up."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        # The end may come while a rebalance releases partitions; each is released once.
        async with self._releasing:
            numbers = [number for number in numbers if number in self._owned]
            await self._release(numbers, deadline_s)
            for number in numbers:
                self._status.revoked(number)

    def begin_anew_what_failed(self) -> None:
        """Have partitions whose stores bring nothing to disk any more released, and begun anew."""
        for number, partition in self._partitions.items():
            if partition.disk_trouble is not None:
                self._begin_anew_for(number, partition.disk_trouble)

    def _may_begin(self) -> bool:
        return not self._is_closed

    def _is_room_for(self, numbers: Collection[int]) -> bool:
        """Whether the stores of `numbers` can be open; until they can, none of them is begun."""
        try:
            self._check_room(len(self._owned) + len(numbers))
        except StateError as error:
            # The first to join may hold all partitions until the others have; who leaves for it only begins anew.
            self._status.unhealthy("open files", f"{error}. It begins none until it is given fewer")
            return False
        self._status.healthy("open files")
        return True

    def _begin(self, number: int) -> None:
        if self._tasks is None:
            raise RuntimeError("partitions were begun before the worker runs")
        self._status.assigned(number)
        self._owned[number] = self._tasks.create_task(self._own(number), name=f"partition-{number}")

    async def _own(self, number: int) -> None:
        """Restore a partition, then work on it, until cancelled."""
        try:
            await self._work_on(number)
        except (StateUnavailable, ExceptionGroup) as error:
            why = disk_trouble.cause_of(error)
            if why is None:
                raise
            self._begin_anew_for(number, why)

    async def _work_on(self, number: int) -> None:
        try:
            async with self._restorer.restored(number) as partition:
                self._partitions[number] = partition
                self._status.restored(number)
                log.info(
                    "partition restored",
                    partition=number,
                    offset=partition.start_offset,
                    changelog_offset=partition.changelog_position,
                )
                self._source.resume(number, partition.start_offset)
                self._on_begun()
                await partition.run()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                # A client's own cancellation: the partition would stand still, and nobody would know.
                raise RuntimeError(f"work on partition {number} was broken off from within") from error
            raise

    def _begin_anew_for(self, number: int, why: str) -> None:
        """Release a partition whose disk takes nothing, without giving it up, and begin it anew once the disk does."""
        self._status.unhealthy(disk_trouble.CONDITION, why, number)
        if self._tasks is not None and number not in self._beginning_anew:
            self._beginning_anew.add(number)
            self._tasks.create_task(self._begin_anew(number), name=f"anew-{number}")

    async def _begin_anew(self, number: int) -> None:
        async with self._releasing:
            self._beginning_anew.discard(number)
            if not self._may_begin() or number not in self._owned:
                return  # the end, or a rebalance, came first
            # Where work on it has ended, nothing would drain it.
            timeout_s = 0.0 if self._owned[number].done() else self._drain_timeout_s
            await self._release([number], asyncio.get_running_loop().time() + timeout_s)
            if self._may_begin() and self._source.has(number):
                self._status.released_for(disk_trouble.CONDITION, number)
                self._source.pause([number])
                self._begin(number)
            else:
                self._status.revoked(number)

    async def _release(self, numbers: Collection[int], deadline_s: float) -> None:
        leaving = [self._partitions.pop(number) for number in numbers if number in self._partitions]
        begun = {partition.number for partition in leaving}
        # What is not restored yet must not begin while the others are drained.
        await _ended([self._owned.pop(number) for number in numbers if number not in begun])
        try:
            async with asyncio.timeout_at(deadline_s):
                await asyncio.gather(*(partition.drain() for partition in leaving))
        except TimeoutError:
            log.warning("draining took too long", partitions=sorted(numbers))
        await _ended([self._owned.pop(number) for number in begun])
        for partition in leaving:
            await partition.abandon()
        await self._commits.commit_last(leaving)
        for number in numbers:
            self._limit.released(number)


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
