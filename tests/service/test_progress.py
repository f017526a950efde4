"""What of a worker stands still, part by part: the parts of a real partition, writer figures and conditions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from processor.kafka.offsets import Reach
from processor.kinesis.ticket import Ticket
from processor.service.progress import CALLS, COMMITS, GROUP, HEARTBEATS, Work
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.worker.partition import Partition, Stages
from tests.simulation.workload import core
from tests.support.failing_core import core_that_fails, record
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from processor.kinesis.writer import Writer
    from processor.profile.core import Core
    from processor.worker.pipeline import Pipeline


CORE = core_that_fails(KeyError("as scripted"))
"""Exports every event but those that are made to fail, which become dead letters."""


class Taking:
    """A writer that takes every ticket, and stores all of it at once."""

    max_record_bytes = 1 << 20

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def submit(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        Ticket.settle([ticket] * len(ticket.exports))


async def nothing(*_: object) -> None:
    return None


@asynccontextmanager
async def running(
    writer: Taking,
    checkpoint: SimpleNamespace,
    its_core: Core | None = None,
    write_dead_letters: Callable[..., Awaitable[None]] = nothing,
    passed: Callable[..., Awaitable[None]] = nothing,
) -> AsyncIterator[Partition]:
    stages = Stages(
        its_core or core(),
        Overlay(MemoryStore()),
        cast("Any", writer),
        write_dead_letters,
        cast("Any", checkpoint),
        cast("Any", SimpleNamespace(passed=passed)),
    )
    partition = Partition(0, stages, Status(), state_bytes_max=1 << 20, on_room=lambda: None)
    task = asyncio.create_task(partition.run())
    yield partition
    task.cancel()
    await asyncio.wait([task])


class Slow(Taking):
    """A writer that stores nothing until a test has it store."""

    async def submit(self, ticket: Any) -> None:
        self.tickets.append(ticket)


class Source:
    """How far partitions are read, and what Kafka says is not taken."""

    def __init__(self) -> None:
        self.position, self.behind, self.passed = 0, 0, list[int]()

    def reach(self, _: int) -> Reach:
        return Reach(self.position, self.position + self.behind, self.position + self.behind)

    async def untaken(self, _: int) -> int:
        return self.behind

    async def pass_gap(self, number: int) -> None:
        self.passed.append(number)


def lane(**changes: Any) -> Any:
    return SimpleNamespace(
        **{"held_bytes": 9, "is_failing": False, "limiter": SimpleNamespace(scale=1.0), **changes}
    )


def writer(*lanes: Any, in_flight: int = 0, trouble: str | None = None) -> Any:
    figures = SimpleNamespace(in_flight=in_flight, requests=5, stored=70)
    return SimpleNamespace(figures=figures, lanes=lanes, trouble=trouble)


class World:
    def __init__(self, *partitions: Partition, of: Any = None) -> None:
        self.status = Status()
        self.status.healthy("starting")
        self.status.partitions = {each.number for each in partitions}
        self.source = Source()
        self.pipeline = cast(
            "Pipeline",
            SimpleNamespace(partitions={each.number: each for each in partitions}, source=self.source),
        )
        self.writer = of or writer()
        self.work = Work(self.status, cast("Writer", self.writer), self.pipeline)

    def marks(self) -> dict[Any, object]:
        return self.work.marks()


@pytest.mark.parametrize("keeps", ["Kinesis", "dead-letter limit", "dead letters", "changelog"])
def test_a_partition_stands_still_whatever_it_is_given_until_its_oldest_batch_goes_on(keeps: str) -> None:
    async def world() -> None:
        going_on = asyncio.Event()

        async def keep(*_: object) -> None:
            await going_on.wait()

        at = Slow() if keeps == "Kinesis" else Taking()
        kept = keep if keeps == "changelog" else nothing
        passed = keep if keeps == "dead-letter limit" else nothing
        written = keep if keeps == "dead letters" else nothing
        async with running(at, SimpleNamespace(keep=kept), CORE, written, passed) as partition:
            this = World(partition)
            partition.offer([record(0, "p", fails=keeps.startswith("dead"))], None)
            await asyncio.sleep(1)
            before = this.marks()
            partition.offer([record(1, "p"), record(2, "p")], None)
            await asyncio.sleep(1)
            assert this.marks() == before
            assert this.work.waits_for(partition.number) == keeps
            found = await this.work.of(partition.number)
            assert found is not None
            assert keeps in found
            going_on.set()
            for ticket in at.tickets:
                ticket.settle([ticket] * ticket.unsettled)
            await asyncio.sleep(1)
            assert this.marks() != before

    run_in_virtual_time(world())


def test_a_record_that_is_stored_is_progress_of_its_batch() -> None:
    async def world() -> None:
        at = Slow()
        async with running(at, SimpleNamespace(keep=nothing), CORE) as partition:
            this = World(partition)
            partition.offer([record(0, "p")], None)
            await asyncio.sleep(1)
            before = this.marks()
            at.tickets[0].unsettled += 1
            assert this.marks() != before

    run_in_virtual_time(world())


def test_an_idle_partition_has_work_only_where_kafka_has_more_of_it_and_gaps_are_passed_first() -> None:
    async def world() -> None:
        async with running(Taking(), SimpleNamespace(keep=nothing)) as partition:
            this = World(partition)
            assert await this.work.of(partition.number) is None
            this.source.behind = 4
            before = this.marks()
            found = await this.work.of(partition.number)
            assert found == f"4 events of partition {partition.number} are not taken"
            assert this.source.passed == [partition.number]
            this.source.position = 4
            assert this.marks() != before

    run_in_virtual_time(world())


@pytest.mark.parametrize("keeps", ["dead-letter limit", "changelog"])
def test_an_idle_partition_waits_for_what_keeps_the_room_of_the_others(keeps: str) -> None:
    async def world() -> None:
        async with running(Taking(), SimpleNamespace(keep=nothing)) as idle:
            other = SimpleNamespace(number=9, waits_for=keeps, is_idle=False, mark=())
            this = World(idle, cast("Partition", other))
            assert this.work.waits_for(idle.number) is None, "nothing is known to be wrong"
            this.status.unhealthy(keeps, "…")
            assert this.work.waits_for(idle.number) == keeps

    run_in_virtual_time(world())


def test_the_sentences_of_conditions_are_no_progress() -> None:
    """They count seconds: a member whose heartbeats have ceased would go on for ever."""
    this = World()
    for seconds in range(3):
        this.status.unhealthy("kafka", f"no heartbeat was answered for {seconds} s")
        this.status.unhealthy("commits", f"{'abc'[seconds]}: it failed")
        this.status.unhealthy("rebalancing", f"{seconds}")
        marks = this.marks()
        assert marks == {HEARTBEATS: 1, COMMITS: 1, GROUP: (0, 1)}
    this.status.healthy("commits")
    this.status.unhealthy("commits", "it failed")
    assert this.marks()[COMMITS] != marks[COMMITS]


def test_partitions_that_wait_for_others_to_be_restored_go_on_with_them() -> None:
    this = World()
    this.status.assigned(1)
    this.status.assigned(2)
    before = this.marks()
    this.status.restoring(1, 10, 20)
    after = this.marks()
    assert before[2] != after[2]
    assert run_in_virtual_time(this.work.of(2)) == "partition 2 is to be restored"


def test_calls_are_due_while_the_writer_has_records_and_go_on_with_each_call() -> None:
    assert CALLS not in World().marks()
    this = World(of=writer(in_flight=3))
    before = this.marks()
    this.writer.figures.requests += 1
    assert this.marks()[CALLS] != before[CALLS]


@pytest.mark.parametrize(
    ("lanes", "kept"),
    [
        ([lane()], False),
        ([lane(), lane(is_failing=True)], True),
        ([lane(is_failing=True, held_bytes=0)], False),
        ([lane(limiter=SimpleNamespace(scale=0.3))], True),
    ],
)
def test_a_shard_keeps_exports_where_it_takes_less_than_it_should_of_what_waits(
    lanes: list[Any], *, kept: bool
) -> None:
    assert World(of=writer(*lanes)).work.is_kept_by_a_shard is kept


def test_kinesis_refuses_where_the_writer_has_trouble() -> None:
    assert World(of=writer(trouble="access denied")).work.is_refused
    assert not World().work.is_refused


def test_what_a_partition_may_not_take_while_others_were_added_is_no_work() -> None:
    async def world() -> None:
        async with running(Taking(), SimpleNamespace(keep=nothing, passed=nothing)) as partition:
            now = World(partition)
            now.source.behind = 3
            assert "3 events" in str(await now.work.of(partition.number))
            now.status.unhealthy("added partitions", "partitions 2 to 3 were added")
            assert await now.work.of(partition.number) is None

    run_in_virtual_time(world())
