"""What breaks a partition's backfill off, and what goes wrong in its midst: nothing is lost by it, and nothing said to be complete that is not."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from processor.backfill.note import BackfillNote
from processor.errors import KafkaRefused, KafkaUnavailable, StateUnavailable
from processor.kafka.changelog import BACKFILL_KEY
from processor.profile.state_record import record_order
from processor.worker.restore import restore
from tests.support.memory_history import MemoryHistory
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import (
    JOINED,
    ONE,
    THREE,
    TWO,
    A,
    B,
    C,
    World,
    all_agree,
    balance,
    core_of,
    event,
    everywhere,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from processor.kafka.offsets import Bounds
    from processor.profile.source_record import Record


def test_one_is_broken_off_by_another_change_and_begins_anew_for_that() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            await until(lambda: len(owner.later) >= 5)
            owner.partition.follow(THREE)
            await owner.complete()
            joined = {profile for profile, exports in owner.later.items() if "crm" in exports[0]}
            assert 5 <= len(joined) < 20
            for number in range(20):
                profile = b"p%d" % number
                assert owner.later[profile] == (
                    [*JOINED, {"ups": "existing", "web": "realized"}]
                    if profile in joined
                    else [{"ups": "existing", "web": "realized"}]
                )
            assert [(note.number, note.fingerprint, note.is_complete) for note in world.notes] == [
                (0, A, True),
                (1, B, False),
                (2, B, False),
                (3, C, False),
                (4, C, False),
                (4, C, True),
            ]
            # What was on its way is acknowledged, and is not counted as the next one's.
            assert owner.parts.partition.is_idle
        await all_agree(world)

    run_in_virtual_time(live())


def test_files_that_flap_end_where_the_last_ones_say() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=100) as owner:
            rng = random.Random(1)
            for _ in range(30):
                owner.partition.follow(rng.choice([ONE, TWO, THREE]))
                await asyncio.sleep(rng.choice([0, 0, 0.001, 0.1]))
            owner.partition.follow(TWO)
            await asyncio.sleep(1)
            await owner.complete()
            assert world.notes[-1].fingerprint == B
            assert world.notes[-1].is_complete
            assert [note.number for note in world.notes] == sorted(note.number for note in world.notes)
            for exports in owner.later.values():
                assert exports[-1]["crm"] in {"realized", "existing"}
            assert {profile for profile, exports in owner.later.items()} == {b"p%d" % n for n in range(20)}
        await all_agree(world)

    run_in_virtual_time(live())


def test_files_that_say_the_same_break_nothing_off() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            await until(lambda: len(owner.later) >= 5)
            owner.partition.follow(core_of("ups", "crm"))
            await owner.complete()
            assert owner.later == {b"p%d" % number: JOINED for number in range(20)}
            assert owner.parts.status.backfills.figures.begun == 1

    run_in_virtual_time(live())


@pytest.mark.parametrize("failure", [KafkaUnavailable("no answer"), KafkaRefused("no permission")])
def test_where_kafka_fails_the_history_is_read_on_later_and_nothing_twice(failure: Exception) -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO) as owner:
            world.history.failures = [failure] * 4  # type: ignore[list-item]  # one of Kafka's
            await asyncio.sleep(0.9)
            assert owner.later == {}
            await owner.live(event(20, "p3"))
            await owner.complete()
            assert owner.later == {
                **{b"p%d" % number: JOINED for number in range(20)},
                b"p3": [{"ups": "exited"}],
            }

    with capture_logs() as logged:
        run_in_virtual_time(live())
    failed = [line for line in logged if line["event"].startswith("the source cannot be read for a backfill")]
    assert [line["again_in_s"] for line in failed] == [1, 2, 4, 8]
    assert {line["reason"] for line in failed} == {str(failure)}


def test_a_history_that_fails_as_it_is_broken_off_does_not_keep_the_partition_from_being_released() -> None:
    class FailingInTheEnd(MemoryHistory):
        async def read(self, _: int, span: Bounds) -> AsyncGenerator[Sequence[Record], None]:
            self.spans.append(span)
            try:
                await asyncio.Event().wait()
                yield []
            except asyncio.CancelledError:
                raise KafkaUnavailable("the connection was closed") from None

    async def live() -> None:
        world = World(*everywhere(3))
        world.history = FailingInTheEnd()
        async with asyncio.timeout(60), world.exported(TWO) as owner:
            await until(lambda: bool(world.history.spans))
            await owner.partition.drain()

    run_in_virtual_time(live())


def test_released_in_the_midst_what_is_on_its_way_is_acknowledged_and_the_next_owner_exports_the_rest() -> (
    None
):
    async def live() -> None:
        world = World(*everywhere(40))
        async with world.exported(TWO, max_events_per_s=20) as owner:
            await until(lambda: len(owner.later) >= 5)
            await owner.partition.drain()
            first = set(owner.later)
            await asyncio.sleep(100)
            assert set(owner.later) == first, "nothing is handed over any more"
            await owner.partition.abandon()
            assert not world.notes[-1].is_complete
        assert owner.parts.status.backfills.figures.held_bytes == 0
        await all_agree(world)
        async with world.owner(TWO) as owner:
            await owner.complete()
            assert owner.later == {
                b"p%d" % number: JOINED for number in range(40) if b"p%d" % number not in first
            }
            assert world.notes[-1] == BackfillNote(3, B, True, former=A, since=1)
        await all_agree(world)

    run_in_virtual_time(live())


def test_given_up_in_the_midst_by_who_cannot_drain_the_next_owner_looks_at_all_again() -> None:
    async def live() -> None:
        world = World(*everywhere(40))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.black_hole = True
            await until(lambda: len(owner.later) == 40)
            draining = asyncio.create_task(owner.partition.drain())
            await asyncio.sleep(10)
            assert not draining.done()
            draining.cancel()
        await owner.partition.abandon()
        assert balance(owner) == 0
        world.kinesis.faults.black_hole = False
        world.store = MemoryStore()
        await restore(world.changelog, 0, world.store, len(world.changelog.records), lambda _: None)
        async with world.owner(TWO) as owner:
            await owner.complete()
            assert owner.later == {b"p%d" % number: JOINED for number in range(40)}

    run_in_virtual_time(live())


@pytest.mark.parametrize("held", ["Kinesis", "changelog"])
def test_it_is_complete_only_once_all_is_acknowledged(held: str) -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            if held == "Kinesis":
                world.kinesis.faults.black_hole = True
            else:
                world.changelog.holds = lambda entries: any(key.startswith(b"p") for key in entries)
            await until(lambda: len(owner.later) == 10)
            await asyncio.sleep(100)
            assert owner.progress.stage == "running"
            assert not world.notes[-1].is_complete
            assert {record_order(record)[0] for record in world.store.records.values()} == {0}

    run_in_virtual_time(live())


def test_where_the_changelog_takes_no_note_of_the_end_it_is_not_said_to_be_complete() -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            await until(lambda: world.notes[-1].boundary is not None)
            world.changelog.holds = lambda entries: BACKFILL_KEY in entries
            await until(lambda: len(owner.later) == 10)
            await asyncio.sleep(100)
            assert owner.progress.stage == "running"
            owner.offer(event(10, "q", "crm"))
            await asyncio.sleep(10)
            assert owner.later[b"q"] == [{"crm": "realized"}], "live events do not wait for it"
            world.changelog.holds = lambda _: False
            await owner.complete()
            assert world.notes[-1].is_complete

    run_in_virtual_time(live())


def test_a_disk_that_takes_no_marks_ends_the_partition_with_its_reason() -> None:
    class FullStore(MemoryStore):
        async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
            raise StateUnavailable(f"the disk is full: {len(profiles)} marks")

    async def live() -> None:
        world = World(*everywhere(3))
        world.store = FullStore()
        async with world.exported(TWO):
            await asyncio.sleep(1)

    with pytest.raises(ExceptionGroup) as failure:
        run_in_virtual_time(live())
    assert failure.group_contains(StateUnavailable, match="the disk is full")
