"""How batches settle, are gathered, and are acknowledged together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from processor.errors import StateError
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY
from processor.kinesis.ticket import Ticket
from processor.profile.source_record import size_bytes
from processor.telemetry.status import Status
from tests.kafka.model import MemoryChangelog
from tests.support.failing_core import core_that_fails, record
from tests.support.memory_history import MemoryHistory, backfilling
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import ONE, TWO, event, everywhere, until
from tests.worker.backfill_parts import World as BackfillWorld
from tests.worker.parts import Event, NotingWriter, PartitionParts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.changelog import Span
    from processor.kafka.changelog_batches import Deletion
    from processor.worker.partition import Partition

GATHERED_S = 0.1
SETTLED_MAX = 64


class Taking(NotingWriter):
    """A writer that stores a ticket at once, unless it `holds` it; the first export is rejected where it `rejects`."""

    holds = False
    rejects = False

    async def submit(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        if self.rejects:
            ticket.reject(0, "ValidationException")
        if not self.holds:
            Ticket.settle([ticket] * ticket.unsettled)


class NotingChangelog(MemoryChangelog):
    """A changelog that knows when what was appended, which takes `takes_s`, and does not end before it `may_append`."""

    takes_s = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.may_append = asyncio.Event()
        self.may_append.set()
        self.appended: list[tuple[float, set[bytes]]] = []
        """When which profiles were appended."""

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        self.appended.append((asyncio.get_running_loop().time(), entries.keys() - {CONSUMED_KEY}))
        await self.may_append.wait()
        await asyncio.sleep(self.takes_s)
        return await super().append(partition, entries)

    @property
    def consumed(self) -> int:
        """The source's offset before which all is kept."""
        return max(map(int, self.values(CONSUMED_KEY)), default=0)


class World:
    """A partition whose events are all exported, and what it passes them to."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.changelog = NotingChangelog()
        self.writer = Taking()
        self.store = store or MemoryStore()
        self.parts = PartitionParts(
            its_core=core_that_fails(KeyError("as scripted")),
            changelog=self.changelog,
            writer=self.writer,
            store=self.store,
        )

    def offer(self, offset: int, *, fails: bool = False) -> int:
        """Have an event of a profile of its own come; how large it is."""
        events = [record(offset, f"p{offset}", fails=fails)]
        self.parts.partition.offer(events, None)
        return size_bytes(events)


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def without_time() -> None:
    """Let happen what waits for no time to pass."""
    for _ in range(2_000):
        await asyncio.sleep(0)


def done(partition: Partition) -> int | None:
    return partition.next_offset


def test_what_settles_shortly_after_an_append_began_shares_the_next() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            began_s = now_s()
            for offset in range(4):
                world.offer(offset)
                await asyncio.sleep(0.02)
            assert done(partition) == 1
            assert partition.waits_for is None
            await asyncio.sleep(1)
            assert done(partition) == 4
        assert world.changelog.appended == [
            (began_s, {b"p0"}),
            (pytest.approx(began_s + GATHERED_S), {b"p1", b"p2", b"p3"}),
        ]

    run_in_virtual_time(live())


def test_after_a_pause_nothing_waits_for_others() -> None:
    async def live() -> None:
        world = World()
        came_s = []
        async with world.parts.running():
            for offset in range(3):
                came_s.append(now_s())
                world.offer(offset)
                await asyncio.sleep(GATHERED_S)
        assert [at_s for at_s, _ in world.changelog.appended] == came_s

    run_in_virtual_time(live())


def test_what_settles_while_an_append_takes_long_is_appended_as_it_ends() -> None:
    async def live() -> None:
        world = World()
        world.changelog.takes_s = 0.3
        async with world.parts.running() as partition:
            for offset in range(10):
                world.offer(offset)
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            assert done(partition) == 10
        assert [len(profiles) for _, profiles in world.changelog.appended] == [1, 9]
        first_s, second_s = (at_s for at_s, _ in world.changelog.appended)
        assert second_s == pytest.approx(first_s + 0.3)

    run_in_virtual_time(live())


def test_what_changes_no_state_has_nothing_to_wait_for() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            world.offer(0)
            await asyncio.sleep(0.01)
            came_s = now_s()
            partition.offer([Event(1)], None)
            await without_time()
            assert (done(partition), now_s()) == (2, came_s)

    run_in_virtual_time(live())


def test_room_is_given_back_once_exports_are_stored_but_for_the_changes_that_are_to_be_kept() -> None:
    async def live() -> None:
        world = World()
        world.changelog.may_append.clear()
        async with world.parts.running() as partition:
            event_bytes = world.offer(0)
            assert partition.held_bytes == event_bytes
            await asyncio.sleep(1)
            assert (done(partition), partition.waits_for) == (None, "changelog")
            settled_bytes = partition.held_bytes
            assert (settled_bytes < event_bytes, world.parts.rooms) == (True, 1)
            world.changelog.may_append.set()
            await asyncio.sleep(1)
            assert settled_bytes == sum(map(len, world.store.records.values())) > 0
            assert (done(partition), partition.held_bytes, world.parts.rooms) == (1, 0, 2)
            figures = world.parts.status.figures
            assert (figures.exported, figures.unchanged, figures.in_flight) == (1, 0, 0)

    run_in_virtual_time(live())


@pytest.mark.parametrize("why", ["bad event", "rejected by Kinesis"])
def test_a_batch_with_dead_letters_is_held_whole_until_it_is_acknowledged(why: str) -> None:
    async def live() -> None:
        world = World()
        world.changelog.may_append.clear()
        world.writer.rejects = why == "rejected by Kinesis"
        async with world.parts.running() as partition:
            events = [record(0, "p0", fails=not world.writer.rejects), record(1, "p1")]
            partition.offer(events, None)
            await asyncio.sleep(1)
            assert partition.waits_for == "changelog"
            assert [each.record.offset for each in world.parts.dead_letters.written] == [0]
            assert (partition.held_bytes, world.parts.rooms) == (size_bytes(events), 0)
            world.changelog.may_append.set()
            await asyncio.sleep(1)
            assert (done(partition), partition.held_bytes, world.parts.rooms) == (2, 0, 1)
            figures = world.parts.status.figures
            assert (figures.exported, figures.dead_lettered.total()) == (1, 1)

    run_in_virtual_time(live())


def test_a_release_ends_the_gathering_that_is_under_way_and_what_settles_later_waits_for_none() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            world.offer(0)
            world.offer(1)
            await asyncio.sleep(0.05)
            world.writer.holds = True
            world.offer(2)
            await asyncio.sleep(0.01)
            assert done(partition) == 1
            released_s = now_s()
            draining = asyncio.create_task(partition.drain())
            await without_time()
            assert done(partition) == 2
            Ticket.settle([world.writer.tickets[-1]])
            await draining
            assert (done(partition), now_s()) == (3, released_s)

    run_in_virtual_time(live())


def test_while_the_changelog_takes_nothing_so_many_batches_settle_and_kinesis_gets_what_else_there_is_room_for() -> (
    None
):
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            event_bytes = world.offer(0)
            await asyncio.sleep(1)
            change_bytes = sum(map(len, world.store.records.values()))
            world.changelog.may_append.clear()
            room_bytes = SETTLED_MAX * change_bytes + 2 * event_bytes
            offered = 1
            for _ in range(1000):
                if partition.held_bytes < room_bytes:
                    world.offer(offered)
                    offered += 1
                await asyncio.sleep(0.01)
            assert SETTLED_MAX < offered - 1 <= SETTLED_MAX + 3
            assert len(world.writer.tickets) == offered
            assert (done(partition), partition.waits_for) == (1, "changelog")
            world.changelog.may_append.set()
            await asyncio.sleep(1)
            assert (done(partition), partition.held_bytes) == (offered, 0)

    run_in_virtual_time(live())


def test_as_many_as_may_share_an_append_wait_for_no_more() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            began_s = now_s()
            for offset in range(1 + 3 * SETTLED_MAX):
                world.offer(offset)
            await without_time()
            assert (done(partition), now_s()) == (1 + 3 * SETTLED_MAX, began_s)
        assert max(len(profiles) for _, profiles in world.changelog.appended) == SETTLED_MAX

    run_in_virtual_time(live())


def test_no_offset_may_be_committed_before_all_before_it_is_kept() -> None:
    async def live() -> None:
        world = World()
        world.changelog.takes_s = 0.03
        async with world.parts.running() as partition:
            for offset in range(300):
                world.offer(offset, fails=offset % 50 == 7)
                world.changelog.failures = int(offset % 90 == 30)
                for _ in range(7):
                    await asyncio.sleep(0.001)
                    assert (done(partition) or 0) <= world.changelog.consumed
            await asyncio.sleep(5)
            assert done(partition) == world.changelog.consumed == 300
        assert len(world.store.records) == 294

    run_in_virtual_time(live())


def test_a_state_that_cannot_be_kept_ends_the_partition() -> None:
    class Broken(MemoryStore):
        async def apply(self, *_: object, **__: object) -> None:
            raise StateError("as scripted")

    async def live() -> None:
        world = World(Broken())
        running = asyncio.create_task(world.parts.partition.run())
        world.offer(0)
        with pytest.raises(ExceptionGroup) as raised:
            await running
        assert raised.group_contains(StateError, match="as scripted")
        assert done(world.parts.partition) is None
        await world.parts.partition.abandon()
        assert world.parts.status.figures.abandoned == 1

    run_in_virtual_time(live())


def test_what_is_settled_and_not_kept_is_given_up_with_the_partition() -> None:
    async def live() -> None:
        world = World()
        async with world.parts.running() as partition:
            for offset in range(3):
                world.offer(offset)
            await asyncio.sleep(0.01)
            assert done(partition) == 1
        await partition.abandon()
        figures = world.parts.status.figures
        assert (figures.abandoned, figures.in_flight, done(partition)) == (2, 0, 1)

    run_in_virtual_time(live())


def test_what_is_kept_comes_to_disk_also_while_kinesis_takes_nothing_of_what_is_behind_it() -> None:
    class NotingStore(MemoryStore):
        flushed = 0

        async def flush(self) -> None:
            self.flushed += 1

    async def live() -> None:
        store = NotingStore()
        world = World(store)
        async with world.parts.running() as partition:
            world.offer(0)
            await asyncio.sleep(1)
            world.writer.holds = True
            world.offer(1)
            await asyncio.sleep(30)
            assert (done(partition), partition.waits_for, store.flushed) == (1, "Kinesis", 1)

    run_in_virtual_time(live())


def test_the_age_of_events_is_what_it_is_when_kinesis_has_them() -> None:
    async def live() -> None:
        world = World()
        world.changelog.may_append.clear()
        world.writer.holds = True
        async with world.parts.running():
            world.offer(0)
            await asyncio.sleep(1)
            assert world.parts.status.durations.age.total == 0
            Ticket.settle(world.writer.tickets)
            await asyncio.sleep(1)
            assert world.parts.status.durations.age.total > 0
            assert world.parts.status.figures.exported == 0

    run_in_virtual_time(live())


def test_other_files_are_followed_as_soon_as_what_was_under_way_is_gathered() -> None:
    async def live() -> None:
        status = Status()
        parts = PartitionParts(
            changelog=NotingChangelog(),
            its_core=ONE,
            writer=Taking(),
            backfilling=backfilling(MemoryHistory(), status.backfills, is_off=True),
            status=status,
        )
        async with parts.running() as partition:
            partition.offer([event(0, "p0", "ups")], None)
            await asyncio.sleep(0.01)
            partition.offer([event(1, "p1", "ups")], None)
            await asyncio.sleep(0.01)
            changed_s = now_s()
            partition.follow(TWO)
            partition.offer([event(2, "p2", "crm")], None)
            await until(lambda: len(parts.writer.tickets) == 3)
            assert now_s() - changed_s <= GATHERED_S

    run_in_virtual_time(live())


def test_a_backfill_goes_on_while_what_it_exported_waits_for_the_changelog() -> None:
    profiles = 2_000

    async def live() -> None:
        world = BackfillWorld(*everywhere(profiles))
        async with world.exported(ONE) as owner:
            world.changelog.holds = lambda entries: BACKFILL_KEY not in entries
            owner.partition.follow(TWO)
            await until(lambda: len(owner.exports) - owner.exports_before == profiles, 10.0)
            world.changelog.holds = lambda _: False
            await owner.complete()

    run_in_virtual_time(live())
