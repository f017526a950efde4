"""A partition tells the writer whether it lags, so that calls fill up; and its checkpoint when there is quiet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from structlog.testing import capture_logs

from processor.state.memory import MemoryStore
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.worker.partition import Partition, Stages
from tests.profile.test_batch import SECRET, core_that_fails
from tests.profile.test_batch import record as failing_record
from tests.simulation.workload import core
from tests.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from processor.kinesis.ticket import Ticket
    from processor.profile.core import Core
    from processor.profile.dead_letter import DeadLetter


class Record(NamedTuple):
    offset: int
    key: bytes = b"profile"
    value: bytes | None = None
    timestamp: int = 1_700_000_000_000
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Taking:
    """A writer that takes every ticket, and stores all of it at once."""

    max_record_bytes = 1 << 20

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def submit(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        ticket.settle([ticket] * ticket.unsettled)


@pytest.mark.parametrize(
    ("end_offset", "is_followed"),
    [
        pytest.param(10, False, id="at the end"),
        pytest.param(12, False, id="before the marker of a transaction"),
        pytest.param(5_000, True, id="far from the end"),
        pytest.param(None, False, id="where Kafka has not said yet"),
    ],
)
def test_what_is_submitted_says_whether_more_follows(end_offset: int | None, is_followed: bool) -> None:
    writer = Taking()

    async def world() -> None:
        async with running(writer, SimpleNamespace(keep=nothing, passed=nothing)) as partition:
            partition.offer([Record(offset) for offset in range(10)], end_offset)
            while partition.next_offset is None:
                await asyncio.sleep(0.001)

    run_in_virtual_time(world())
    assert [ticket.is_followed for ticket in writer.tickets] == [is_followed]


def test_the_checkpoint_rests_after_ten_seconds_of_quiet() -> None:
    rested_at_s: list[float] = []

    async def rest(_: int | None) -> None:
        rested_at_s.append(asyncio.get_running_loop().time())

    async def world() -> None:
        loop = asyncio.get_running_loop()
        async with running(Taking(), SimpleNamespace(keep=nothing, passed=nothing, rest=rest)) as partition:
            for offset in range(3):
                partition.offer([Record(offset)], None)
                await asyncio.sleep(9.0)
            quiet_since_s = loop.time() - 9.0
            await asyncio.sleep(2.0)
            assert rested_at_s == [pytest.approx(quiet_since_s + 10.0)]
            await asyncio.sleep(100.0)
            assert len(rested_at_s) == 1, "an idle partition has no timer"
            partition.offer([Record(3)], None)
            await asyncio.sleep(11.0)
            assert len(rested_at_s) == 2

    run_in_virtual_time(world())


def test_what_was_read_and_is_no_event_is_done_with_once_all_before_it_is_acknowledged() -> None:
    writer, held = Taking(), asyncio.Event()

    async def passed(*_: object) -> None:
        await held.wait()

    async def world() -> None:
        async with running(writer, SimpleNamespace(keep=nothing, passed=nothing), passed=passed) as partition:
            partition.start_offset = 5
            partition.pass_to(5)
            assert done(partition) is None, "nothing came yet: where it began is committed already"
            partition.pass_to(7)
            assert done(partition) == 7
            partition.offer([Record(10)], 20)
            while not writer.tickets:
                await asyncio.sleep(0.001)
            partition.pass_to(20)
            assert done(partition) == 7, "an event in flight must not be jumped over"
            held.set()
            while done(partition) == 7:
                await asyncio.sleep(0.001)
            assert done(partition) == 11
            partition.pass_to(20)
            assert done(partition) == 20
            partition.pass_to(15)
            assert done(partition) == 20

    run_in_virtual_time(world())


def done(partition: Partition) -> int | None:
    return partition.next_offset


def test_a_partition_that_is_let_go_of_is_done_up_to_what_was_acknowledged() -> None:
    async def world() -> None:
        async with running(Taking(), SimpleNamespace(keep=nothing, passed=nothing)) as partition:
            partition.pass_to(3)
            await partition.drain()
            # What a poll returns now is dropped, though the position is behind it.
            partition.pass_to(50)
            assert partition.next_offset == 3

    run_in_virtual_time(world())


def test_what_the_core_fails_on_is_told_with_its_trace_and_offsets_and_not_with_its_data() -> None:
    writer = Taking()
    letters: list[DeadLetter] = []

    async def write(_: int, given: Sequence[DeadLetter]) -> None:
        letters.extend(given)

    async def world() -> None:
        stages = SimpleNamespace(keep=nothing, passed=nothing)
        failing = core_that_fails(KeyError(SECRET))
        async with running(writer, stages, failing, SimpleNamespace(write=write)) as partition:
            partition.offer([failing_record(offset, "p", fails=offset in {1, 3}) for offset in range(5)], 5)
            while partition.next_offset is None:
                await asyncio.sleep(0.001)
            assert partition.next_offset == 5

    with capture_logs() as told:
        run_in_virtual_time(world())
    (line,) = [each for each in told if each["log_level"] == "error"]
    assert (line["partition"], line["offsets"], line["error"]) == (0, [1, 3], "KeyError")
    assert "core.py" in line["trace"]
    assert SECRET not in str(told)
    assert [(letter.record.offset, letter.reason) for letter in letters] == [(1, "internal"), (3, "internal")]
    assert [len(ticket.exports) for ticket in writer.tickets] == [3]


@asynccontextmanager
async def running(
    writer: Taking,
    checkpoint: SimpleNamespace,
    its_core: Core | None = None,
    dead_letters: SimpleNamespace | None = None,
    passed: Callable[..., Awaitable[None]] | None = None,
) -> AsyncIterator[Partition]:
    stages = Stages(
        its_core or core(),
        Overlay(MemoryStore()),
        cast("Any", writer),
        cast("Any", dead_letters),
        cast("Any", checkpoint),
        cast("Any", SimpleNamespace(passed=passed or nothing)),
    )
    partition = Partition(0, stages, Status(), state_bytes_max=1 << 20, on_room=lambda: None)
    task = asyncio.create_task(partition.run())
    yield partition
    task.cancel()
    await asyncio.wait([task])


async def nothing(*_: object) -> None:
    return None
