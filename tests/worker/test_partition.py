"""A partition on its own: what it submits, acknowledges, writes to the dead letters, and flushes when there is quiet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from processor.errors import KafkaRefused, KafkaUnavailable
from processor.profile.state_record import encode_departed
from processor.telemetry.histogram import BATCH_EVENTS
from tests.kafka.model import MemoryChangelog
from tests.support.failing_core import SECRET, core_that_fails
from tests.support.failing_core import record as failing_record
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, PartitionParts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.changelog import Span
    from processor.kafka.changelog_batches import Deletion
    from processor.state.store import Departed
    from processor.worker.partition import Partition


class NotingStore(MemoryStore):
    """A store that knows when it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed_at_s: list[float] = []

    async def flush(self) -> None:
        self.flushed_at_s.append(asyncio.get_running_loop().time())


class HeldChangelog(MemoryChangelog):
    """A changelog that takes nothing before it `may_append`."""

    def __init__(self) -> None:
        super().__init__()
        self.may_append = asyncio.Event()

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        await self.may_append.wait()
        return await super().append(partition, entries)


@pytest.mark.parametrize(
    ("offered", "at_most", "batches"),
    [(1, 1, 1), (600, 600, 1), (601, 400, 2), (1_800, 600, 3), (1_801, 500, 4)],
)
def test_what_is_offered_is_worked_on_in_parts_of_much_the_same_size(
    offered: int, at_most: int, batches: int
) -> None:
    async def world() -> None:
        parts = PartitionParts()
        async with parts.running() as partition:
            partition.offer([Event(offset) for offset in range(offered)], None)
            while partition.next_offset != offered:
                await asyncio.sleep(0.001)
        sizes = parts.status.durations.batch_events
        assert (sum(sizes.counts), sizes.total) == (batches, offered)
        bounds = [bound for bound, count in zip(BATCH_EVENTS, sizes.counts, strict=False) if count]
        assert max(bounds) <= at_most
        assert not sizes.counts[-1], "none is larger than the last bound"

    run_in_virtual_time(world())


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
    async def world() -> None:
        parts = PartitionParts()
        async with parts.running() as partition:
            partition.offer([Event(offset) for offset in range(10)], end_offset)
            while partition.next_offset is None:
                await asyncio.sleep(0.001)
        assert [ticket.is_followed for ticket in parts.writer.tickets] == [is_followed]

    run_in_virtual_time(world())


def test_the_store_is_flushed_after_ten_seconds_of_quiet() -> None:
    store = NotingStore()

    async def world() -> None:
        loop = asyncio.get_running_loop()
        async with PartitionParts(store=store).running() as partition:
            for offset in range(3):
                partition.offer([Event(offset)], None)
                await asyncio.sleep(9.0)
            quiet_since_s = loop.time() - 9.0
            await asyncio.sleep(2.0)
            assert store.flushed_at_s == [pytest.approx(quiet_since_s + 10.0)]
            await asyncio.sleep(100.0)
            assert len(store.flushed_at_s) == 1, "an idle partition has no timer"
            partition.offer([Event(3)], None)
            await asyncio.sleep(11.0)
            assert len(store.flushed_at_s) == 2

    run_in_virtual_time(world())


def test_what_was_read_and_is_no_event_is_done_with_once_all_before_it_is_acknowledged() -> None:
    async def world() -> None:
        changelog = HeldChangelog()
        parts = PartitionParts(changelog=changelog, start_offset=5)
        async with parts.running() as partition:
            partition.pass_to(5)
            assert done(partition) is None, "nothing came yet: where it began is committed already"
            assert partition.reached_offset == 5
            partition.pass_to(7)
            assert done(partition) == 7
            partition.offer([Event(10)], 20)
            while not parts.writer.tickets:
                await asyncio.sleep(0.001)
            partition.pass_to(20)
            assert done(partition) == 7, "an event in flight must not be jumped over"
            changelog.may_append.set()
            while done(partition) == 7:
                await asyncio.sleep(0.001)
            assert done(partition) == 11
            partition.pass_to(20)
            assert done(partition) == 20
            partition.pass_to(15)
            assert done(partition) == partition.reached_offset == 20

    run_in_virtual_time(world())


def done(partition: Partition) -> int | None:
    return partition.next_offset


def test_a_partition_that_is_released_is_done_up_to_what_was_acknowledged() -> None:
    async def world() -> None:
        async with PartitionParts().running() as partition:
            partition.pass_to(3)
            await partition.drain()
            # What a poll returns now is dropped, though the position is behind it.
            partition.pass_to(50)
            assert partition.next_offset == 3

    run_in_virtual_time(world())


def test_what_the_core_fails_on_is_logged_with_its_trace_and_offsets_and_not_with_its_data() -> None:
    async def world() -> PartitionParts:
        parts = PartitionParts(its_core=core_that_fails(KeyError(SECRET)))
        async with parts.running() as partition:
            partition.offer([failing_record(offset, "p", fails=offset in {1, 3}) for offset in range(5)], 5)
            while partition.next_offset is None:
                await asyncio.sleep(0.001)
            assert partition.next_offset == 5
        return parts

    with capture_logs() as logged:
        parts = run_in_virtual_time(world())
    (line,) = [each for each in logged if each["log_level"] == "error"]
    assert (line["partition"], line["offsets"], line["error"]) == (0, [1, 3], "KeyError")
    assert "core.py" in line["trace"]
    assert SECRET not in str(logged)
    written = [(each.record.offset, each.reason) for each in parts.dead_letters.written]
    assert written == [(1, "internal"), (3, "internal")]
    assert [len(ticket.exports) for ticket in parts.writer.tickets] == [3]


def test_dead_letters_are_written_until_the_topic_has_them_and_nothing_behind_them_is_acknowledged_before() -> (
    None
):
    async def world() -> None:
        parts = PartitionParts()
        failures: list[Exception] = [KafkaUnavailable("no answer"), KafkaRefused("no permission")]
        parts.dead_letters.failures = [*failures, *failures]
        async with parts.running() as partition:
            partition.offer([Event(0, value=b"no JSON"), Event(1)], 2)
            await asyncio.sleep(1)
            assert parts.status.conditions["dead letters"] == "no answer"
            assert partition.waits_for == "dead letters"
            # 2 s after no answer, 10 s after a refusal.
            await asyncio.sleep(1.5)
            assert parts.status.conditions["dead letters"] == "no permission"
            await asyncio.sleep(10)
            assert parts.status.conditions["dead letters"] == "no answer"
            await asyncio.sleep(2)
            assert parts.status.conditions["dead letters"] == "no permission"
            assert done(partition) is None
            await asyncio.sleep(10)
            assert "dead letters" not in parts.status.conditions
            assert [each.reason for each in parts.dead_letters.written] == ["bad-json"]
            assert (done(partition), parts.rooms) == (2, 1)

    run_in_virtual_time(world())


def test_departed_profiles_of_a_former_life_are_purged_at_the_first_commit_and_looked_for_no_more() -> None:
    looked_for: list[int] = []

    class LookedAt(MemoryStore):
        async def departed_before(self, offset: int, limit: int) -> list[Departed]:
            looked_for.append(offset)
            return await super().departed_before(offset, limit)

    async def world() -> None:
        store, changelog = LookedAt(), MemoryChangelog()
        changelog.put({b"p": encode_departed(4)})
        await store.apply({b"p": encode_departed(4)}, 1)
        async with PartitionParts(store=store, changelog=changelog).running() as partition:
            assert list(store.records) == [b"p"], "a replay may come back to it"
            partition.committed(5)
            await asyncio.sleep(1)
            assert not store.records
            last = changelog.records[-1]
            assert (last.key, last.value) == (b"p", None)
            looks = len(looked_for)
            partition.committed(6)
            await asyncio.sleep(1)
            assert len(looked_for) == looks

    run_in_virtual_time(world())
