"""Partitions that are owned, by themselves; how rebalances, the end and full disks meet is in test_release.py."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from processor.errors import StateError, StateUnavailable
from processor.worker.disk_trouble import CONDITION as DISK
from processor.worker.disk_trouble import cause_of
from tests.simulation.disk import NoDisk
from tests.support.failing_core import core_that_fails
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, NotingWriter, WorkerParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Failing(MemoryStore):
    """A store that cannot be written; it knows whether it was closed."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.is_closed = False
        self._failure = failure

    async def close(self) -> None:
        self.is_closed = True

    async def apply(self, *_: object, **__: object) -> None:
        raise self._failure


@asynccontextmanager
async def working() -> AsyncIterator[WorkerParts]:
    parts = WorkerParts(NotingWriter(), NoDisk())
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(parts.writer.run())
        parts.owned.start(tasks)
        yield parts
        parts.owned.close()
        await parts.owned.release(parts.owned.numbers, 1.0)
        writing.cancel()


def test_a_partition_is_owned_at_once_and_worked_on_when_it_is_restored() -> None:
    async def live() -> None:
        async with working() as parts:
            parts.may_open[0].clear()
            parts.owned.begin([0])
            await asyncio.sleep(1)
            assert parts.owned.numbers == [0]
            assert not parts.owned.partitions
            assert parts.status.restoration == {0: (0, 0)}
            parts.may_open[0].set()
            await asyncio.sleep(1)
            assert list(parts.owned.partitions) == [0]
            assert not parts.status.restoration
            assert (parts.source.resumed_at, parts.begun) == ({0: 0}, 1)

    run_in_virtual_time(live())


def test_what_is_released_is_drained_and_committed_and_owned_no_more() -> None:
    async def live() -> None:
        async with working() as parts:
            parts.owned.begin([0, 1])
            await asyncio.sleep(1)
            parts.owned.partitions[0].offer([Event(4)], None)
            await parts.owned.release([0], 1.0)
            assert parts.owned.numbers == list(parts.owned.partitions) == [1]
            assert parts.status.partitions == {1}
            assert parts.source.committed_offsets[0] == 5
            assert parts.status.figures.abandoned == 0
            await parts.owned.release([0], 1.0)

    run_in_virtual_time(live())


def test_nothing_is_begun_before_the_start_and_nothing_after_the_close() -> None:
    async def live() -> None:
        with pytest.raises(RuntimeError, match="before the worker runs"):
            WorkerParts(NotingWriter(), NoDisk()).owned.begin([0])
        async with working() as parts:
            parts.owned.close()
            parts.owned.begin([0])
            assert not parts.owned.numbers
            assert not parts.status.partitions

    run_in_virtual_time(live())


def test_a_partition_that_is_released_for_its_disk_is_given_up_where_the_worker_ends_meanwhile() -> None:
    async def live() -> None:
        async with working() as parts:
            parts.owned.begin([0])
            await asyncio.sleep(1)
            parts.owned.partitions[0].offer([Event(4, value=b"{}")], None)
            parts.stores[0][-1].trouble = "the disk is full"
            parts.owned.begin_anew_what_failed()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            parts.owned.close()
            await asyncio.sleep(5)
            assert len(parts.stores[0]) == 1
            assert not parts.owned.numbers
            assert not parts.status.partitions
            assert DISK not in parts.status.conditions

    run_in_virtual_time(live())


def test_all_follow_a_new_core_those_that_are_begun_later_as_well() -> None:
    failing = core_that_fails(KeyError("as scripted"))

    async def live() -> None:
        async with working() as parts:
            parts.owned.begin([0])
            await asyncio.sleep(1)
            parts.owned.follow(failing)
            parts.owned.begin([1])
            await asyncio.sleep(1)
            assert [each._stages.core for each in parts.owned.partitions.values()] == [failing, failing]

    run_in_virtual_time(live())


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (StateError("the store is broken"), StateError),
        # A client's own: the partition would stand still, and nobody would know.
        (asyncio.CancelledError(), RuntimeError),
    ],
    ids=["an error", "a cancellation from within"],
)
def test_what_a_partition_cannot_get_over_ends_the_worker_and_its_store_is_closed(
    failure: BaseException, raised: type[Exception]
) -> None:
    store = Failing(failure)

    async def live() -> None:
        async with working() as parts:
            parts.use_store(store)
            parts.owned.begin([0])
            await asyncio.sleep(1)

    with pytest.raises(ExceptionGroup) as info:
        run_in_virtual_time(live())
    assert info.value.subgroup(raised) is not None
    assert store.is_closed


def test_only_a_disk_that_takes_nothing_is_waited_for() -> None:
    full, broken = StateUnavailable("the disk is full"), StateError("the store is broken")
    assert cause_of(full) == "the disk is full"
    assert cause_of(ExceptionGroup("", [ExceptionGroup("", [full])])) == "the disk is full"
    assert cause_of(ExceptionGroup("", [full, broken])) is None
    assert cause_of(broken) is None
