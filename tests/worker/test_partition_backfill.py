"""A partition whose configuration changes: every profile's latest event is looked at again, behind live events, through all that goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from processor.backfill.note import BackfillNote, decode_note
from processor.errors import KafkaRefused, KafkaUnavailable, StateUnavailable
from processor.governance.plan import compile_plan
from processor.kafka.changelog import BACKFILL_KEY
from processor.profile.core import Core
from processor.profile.state_record import decode_record, encode_departed, has_departed, record_order
from processor.telemetry.status import Status
from processor.worker.backfill_run import SLICE_EVENTS
from processor.worker.restore import restore
from tests.kafka.model import MemoryChangelog
from tests.support.changed_plans import ENTRY, plan
from tests.support.failing_core import SECRET, core_that_fails
from tests.support.failing_core import record as failing_record
from tests.support.memory_history import MemoryHistory, backfilling
from tests.support.memory_store import MemoryStore
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, PartitionParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from processor.kafka.changelog import Deletion, Span
    from processor.worker.partition import Partition


def core_of(*namespaces: str) -> Core:
    """That of a plan which maps a segment of each of these."""
    return Core(compile_plan(plan([(namespace, "s1") for namespace in namespaces], "number")))


ONE = core_of("ups")
TWO = core_of("ups", "crm")
THREE = core_of("ups", "web")
A, B, C = ONE.fingerprint, TWO.fingerprint, THREE.fingerprint


def event(offset: int, key: str, *namespaces: str) -> Event:
    membership = {namespace: {"s1": ENTRY} for namespace in namespaces}
    value = {"number": offset, "segmentMembership": membership}
    return Event(offset, key.encode(), json.dumps(value).encode())


def everywhere(count: int) -> list[Event]:
    """Profiles in all segments, one event each."""
    return [event(offset, f"p{offset}", "ups", "crm", "web") for offset in range(count)]


class HeldChangelog(MemoryChangelog):
    """A changelog that takes only what `holds` is not true of."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: Callable[[Mapping[bytes, bytes | Deletion]], bool] = lambda _: False

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        while self.holds(entries):
            await asyncio.sleep(0.01)
        return await super().append(partition, entries)


class World:
    """What outlives the owners of partition 0: its source, its changelog, the stream, and a store that may be lost."""

    def __init__(self, *events: Event, faults: Faults | None = None) -> None:
        self.history = MemoryHistory()
        self.changelog = HeldChangelog()
        self.store = MemoryStore()
        self.kinesis = ScriptedKinesis(random.Random(0), faults=faults)
        self.exports: list[tuple[bytes, dict[str, str]]] = []
        """Profile and statuses by namespace, in the order in which they were submitted, by all owners."""
        self.before = list(events)

    @asynccontextmanager
    async def owner(
        self,
        core: Core,
        *,
        max_events_per_s: int = 0,
        is_off: bool = False,
        start_offset: int | None = None,
        caught_up_at: int = 0,
        source_may_lack: bool = False,
    ) -> AsyncIterator[Owner]:
        """A worker that has the partition, until it drains or crashes."""
        status = Status()
        shared = backfilling(
            self.history,
            status.backfills,
            max_events_per_s=max_events_per_s,
            is_off=is_off,
            source_may_lack=source_may_lack,
        )
        parts = PartitionParts(
            store=self.store,
            changelog=self.changelog,
            its_core=core,
            start_offset=self.end if start_offset is None else start_offset,
            kinesis=self.kinesis,
            backfilling=shared,
            caught_up_at=caught_up_at,
            status=status,
        )
        async with parts.running() as partition:
            yield Owner(self, parts, partition)
        self.exports += told(parts)

    @asynccontextmanager
    async def exported(
        self, core: Core, *, max_events_per_s: int = 0, is_off: bool = False
    ) -> AsyncIterator[Owner]:
        """An owner of the partition that has exported, under another configuration, what was there before, and now follows `core`."""
        async with self.owner(ONE, start_offset=0, max_events_per_s=max_events_per_s, is_off=is_off) as owner:
            await owner.live(*self.before)
            owner.exports_before = len(owner.exports)
            owner.partition.follow(core)
            yield owner

    @property
    def end(self) -> int:
        return self.history.records[-1].offset + 1 if self.history.records else 0

    @property
    def notes(self) -> list[BackfillNote]:
        """All that the changelog has."""
        return [decode_note(value) for value in self.changelog.values(BACKFILL_KEY)]


def told(parts: PartitionParts) -> list[tuple[bytes, dict[str, str]]]:
    return [
        (
            export.profile,
            {
                namespace: entries["s1"]["status"]
                for namespace, entries in json.loads(export.data)["segmentMembership"].items()
            },
        )
        for ticket in parts.writer.tickets
        for export in ticket.exports
    ]


class Owner:
    """A worker that has the partition."""

    def __init__(self, world: World, parts: PartitionParts, partition: Partition) -> None:
        self.world, self.parts, self.partition = world, parts, partition
        self.exports_before = 0

    @property
    def exports(self) -> list[tuple[bytes, dict[str, str]]]:
        return told(self.parts)

    @property
    def later(self) -> dict[bytes, list[dict[str, str]]]:
        """What was exported of each profile since the other configuration is followed."""
        found = defaultdict(list)
        for profile, statuses in self.exports[self.exports_before :]:
            found[profile].append(statuses)
        return dict(found)

    def offer(self, *events: Event) -> None:
        self.world.history.records += events
        self.partition.offer(list(events), self.world.end)

    async def live(self, *events: Event) -> None:
        """Have events come, and all of them acknowledged."""
        if events:
            self.offer(*events)
            await until(lambda: self.partition.next_offset == events[-1].offset + 1)

    async def complete(self) -> None:
        """Wait for the end of all backfills."""
        await until(lambda: self.progress is not None and self.progress.stage == "complete")

    @property
    def progress(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  as `Backfills` has it
        return self.parts.status.backfills.progress.get(0)


async def until(condition: Callable[[], bool], timeout_s: float = 3_000.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.001)


JOINED = [{"ups": "existing", "crm": "realized"}]
"""What is exported of a profile in all segments once TWO is followed, after ONE."""


def test_a_partition_without_state_has_nothing_to_look_at() -> None:
    async def live() -> None:
        world = World()
        async with world.owner(ONE) as owner:
            await owner.live(*everywhere(3))
            await asyncio.sleep(100)
            assert world.notes == [BackfillNote(0, A, True)]
            assert (world.history.spans, owner.progress) == ([], None)

    run_in_virtual_time(live())


def test_members_of_a_new_segment_are_exported_without_an_event_of_theirs() -> None:
    async def live() -> None:
        world = World(event(0, "p", "ups", "crm"), event(1, "q", "ups"), event(2, "r", "crm"))
        async with world.exported(TWO) as owner:
            await owner.complete()
            assert owner.later == {b"p": JOINED, b"r": [{"crm": "realized"}]}
            assert {profile: record_order(record) for profile, record in world.store.records.items()} == {
                b"p": (2, 2),
                b"q": (1, 0),
                b"r": (2, 2),
            }, "the offset before which it looked, and its number"
            due = BackfillNote(1, B, False, former=A)
            begun = BackfillNote(2, B, False, former=A, boundary=3, at_ms=5_000)
            assert world.notes == [BackfillNote(0, A, True), due, begun, BackfillNote(2, B, True, former=A)]
            figures = owner.parts.status.backfills.figures
            assert (figures.begun, figures.completed, figures.profiles, figures.exported) == (1, 1, 3, 2)
            assert figures.held_bytes == 0
        await all_agree(world)

    run_in_virtual_time(live())


async def all_agree(world: World) -> None:
    """A store that is lost is rebuilt to what it was."""
    rebuilt = MemoryStore()
    assert await restore(world.changelog, 0, rebuilt, len(world.changelog.records), lambda _: None) == set()
    assert rebuilt.records == world.store.records
    assert rebuilt.backfill == world.store.backfill


def test_an_unmapped_segment_and_a_profile_that_left_are_looked_at_as_well() -> None:
    async def live() -> None:
        world = World(event(0, "p", "ups"), event(1, "q", "ups"), Event(2, b"q", None), event(3, "r", "crm"))
        async with world.exported(core_of("crm")) as owner:
            await owner.complete()
            assert owner.later == {b"r": [{"crm": "realized"}]}
            assert {profile for profile, record in world.store.records.items() if has_departed(record)} == {
                b"p",
                b"q",
            }

    run_in_virtual_time(live())


def test_what_a_backfill_took_out_is_purged_once_its_boundary_is_committed() -> None:
    async def live() -> None:
        world = World(event(0, "p", "ups"), event(1, "q", "ups"))
        async with world.exported(core_of("crm")) as owner:
            await owner.complete()
            owner.partition.committed(1)
            await asyncio.sleep(1)
            assert world.store.records == dict.fromkeys([b"p", b"q"], encode_departed(1, 2))
            owner.partition.committed(2)
            await asyncio.sleep(1)
            assert world.store.records == {}
        await all_agree_on_members(world)

    run_in_virtual_time(live())


async def all_agree_on_members(world: World) -> None:
    rebuilt = MemoryStore()
    await restore(world.changelog, 0, rebuilt, len(world.changelog.records), lambda _: None)
    assert {p: r for p, r in rebuilt.records.items() if not has_departed(r)} == world.store.records
    assert {record_order(r) for r in rebuilt.records.values()} == {(1, 2)}


def test_events_without_a_key_and_tombstones_of_unknown_profiles_do_no_harm() -> None:
    async def live() -> None:
        world = World(event(0, "p", "crm"), Event(1, None, b"{}"), Event(2, b"", b"{}"), Event(3, b"nobody"))
        async with world.exported(TWO) as owner:
            await owner.complete()
            assert owner.later == {b"p": [{"crm": "realized"}]}
            assert owner.progress.refused == {"bad-key": 1}

    run_in_virtual_time(live())


def test_no_event_is_worked_on_under_another_configuration_before_that_is_noted() -> None:
    async def live() -> None:
        world = World(event(0, "p", "ups"))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
            world.changelog.holds = lambda entries: BACKFILL_KEY in entries
            owner.partition.follow(TWO)
            owner.offer(event(1, "q", "crm"))
            await asyncio.sleep(60)
            assert owner.exports == [(b"p", {"ups": "realized"})]
            world.changelog.holds = lambda _: False
            await owner.complete()
            assert owner.exports[1:] == [(b"q", {"crm": "realized"})]
            kept = [record.key for record in world.changelog.records]
            assert BACKFILL_KEY in kept[kept.index(b"p") : kept.index(b"q")]

    run_in_virtual_time(live())


# Live events.


def test_a_profile_with_a_live_event_since_is_not_looked_at_any_more() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=4) as owner:
            await until(lambda: owner.progress is not None and owner.progress.profiles > 0)
            looked_at = set(owner.later)
            left, stays = [b"p%d" % number for number in range(20) if b"p%d" % number not in looked_at][:2]
            await owner.live(event(20, left.decode()), event(21, stays.decode(), "ups", "crm"))
            await owner.complete()
            assert owner.later == {
                **{b"p%d" % number: JOINED for number in range(20)},
                left: [{"ups": "exited"}],
                stays: [{"ups": "existing", "crm": "realized"}],
            }
            assert owner.progress.profiles == 18
        await all_agree(world)

    run_in_virtual_time(live())


def test_exports_of_backfill_and_of_live_events_follow_each_other_as_the_state_says() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=4) as owner:
            await until(lambda: owner.progress is not None and owner.progress.profiles > 0)
            seen = next(iter(owner.later))
            await owner.live(event(20, seen.decode(), "crm"))
            await owner.complete()
            assert owner.later[seen] == [*JOINED, {"ups": "exited", "crm": "existing"}]

    run_in_virtual_time(live())


def test_live_events_that_are_taken_and_not_worked_on_yet_are_behind_the_boundary() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
            owner.exports_before = len(owner.exports)
            owner.partition.follow(TWO)
            owner.offer(event(3, "p0"))
            await owner.complete()
            assert owner.later == {b"p0": [{"ups": "exited"}], b"p1": JOINED, b"p2": JOINED}
            assert world.notes[-2].boundary in {3, 4}

    run_in_virtual_time(live())


def test_live_events_have_their_turn_after_each_slice() -> None:
    async def live() -> None:
        world = World(*everywhere(1_000))
        async with world.exported(TWO) as owner:
            await until(lambda: len(owner.later) > 100)
            owner.offer(*[event(offset, f"new{offset}", "ups") for offset in range(1_000, 1_300)])
            at = len(owner.exports)
            await owner.complete()
            first_live = next(
                number for number, (profile, _) in enumerate(owner.exports) if profile.startswith(b"new")
            )
            assert first_live - at <= SLICE_EVENTS
            assert sum(map(len, owner.later.values())) == 1_300

    run_in_virtual_time(live())


def test_no_more_than_a_thousand_profiles_are_on_their_way_before_live_exports() -> None:
    async def live() -> None:
        world = World(*everywhere(3_000))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.black_hole = True
            await asyncio.sleep(100)
            assert 900 < len(owner.later) < 1_000 + 2 * SLICE_EVENTS

    run_in_virtual_time(live())


def test_so_many_profiles_with_live_events_are_marked_before_they_are_too_many() -> None:
    """While nothing of the backfill goes on."""

    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.black_hole = True
            world.history.failures = [KafkaUnavailable("as scripted")] * 100
            await asyncio.sleep(5)
            owner.offer(*[Event(offset, b"q%d" % offset) for offset in range(10, 70_010)])
            await asyncio.sleep(5)
            assert len(world.store._marked) >= 50_000

    run_in_virtual_time(live())


def test_the_rate_is_kept_to() -> None:
    async def live() -> None:
        world = World(*everywhere(100))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            began_s = asyncio.get_running_loop().time()
            while len(owner.later) < 100:
                await asyncio.sleep(0.1)
                assert len(owner.later) <= 10 * (asyncio.get_running_loop().time() - began_s) + 15
            await owner.complete()

    run_in_virtual_time(live())


# When one begins.


def test_none_begins_before_the_partition_has_caught_up_with_who_had_it_before() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
        async with world.owner(TWO, caught_up_at=6) as owner:
            await owner.live(event(3, "q", "crm"))
            await asyncio.sleep(100)
            assert owner.progress.stage == "waiting"
            assert world.notes[-1] == BackfillNote(1, B, False, former=A)
            await owner.live(event(4, "q", "crm"))
            assert world.history.spans == []
            # What stands at 5 is no event.
            owner.partition.pass_to(6)
            await owner.complete()
            assert world.notes[-2].boundary == 6
            assert set(owner.later) >= {b"p0", b"p1", b"p2"}

    run_in_virtual_time(live())


def test_off_one_is_said_to_be_due_and_begins_once_it_is_asked_for_once() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.exported(TWO, is_off=True) as owner:
            await asyncio.sleep(100)
            assert owner.progress.stage == "off"
            assert (owner.progress.cause.fingerprint, owner.progress.cause.former) == (B, A)
            assert owner.later == {}
            owner.partition.request_backfill("r1")
            await owner.complete()
            assert owner.later == {b"p%d" % number: JOINED for number in range(3)}
            owner.partition.request_backfill("r1")
            await asyncio.sleep(100)
            assert owner.parts.status.backfills.figures.begun == 1
        async with world.owner(TWO, is_off=True) as owner:
            owner.partition.request_backfill("r1")
            await asyncio.sleep(100)
            assert owner.progress is None, "who comes next knows that it was heeded"

    run_in_virtual_time(live())


def test_off_one_that_has_begun_is_brought_to_its_end_by_who_comes_next() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, is_off=True, max_events_per_s=4) as owner:
            await asyncio.sleep(1)
            owner.partition.request_backfill("r1")
            await until(lambda: 0 < len(owner.later) < 20)
        async with world.owner(TWO, is_off=True) as owner:
            await owner.complete()
            assert world.notes[-1] == BackfillNote(3, B, True, former=A, request="r1")

    run_in_virtual_time(live())


def test_a_second_look_that_is_asked_for_exports_nothing() -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.exported(TWO) as owner:
            await owner.complete()
            exports, records = len(owner.exports), dict(world.store.records)
            owner.partition.request_backfill("r1")
            await until(lambda: owner.parts.status.backfills.figures.completed == 2)
            assert len(owner.exports) == exports
            assert world.store.records == records
            assert owner.progress.profiles == 10

    run_in_virtual_time(live())


def test_what_is_asked_for_while_one_runs_begins_behind_it() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO, max_events_per_s=10) as owner:
            await until(lambda: bool(owner.later))
            owner.partition.request_backfill("r1")
            owner.partition.request_backfill("r2")
            await until(lambda: owner.parts.status.backfills.figures.completed == 2)
            await asyncio.sleep(100)
            assert owner.parts.status.backfills.figures.begun == 2
            assert world.notes[-1].request == "r2"

    run_in_virtual_time(live())


def test_partitions_of_a_worker_have_their_turns_and_one_that_is_released_meanwhile_begins_none() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        status = Status()
        shared = backfilling(world.history, status.backfills, max_events_per_s=10)
        async with shared.share.turn:
            parts = PartitionParts(
                changelog=world.changelog, store=world.store, its_core=ONE, backfilling=shared, status=status
            )
            async with parts.running() as partition:
                owner = Owner(world, parts, partition)
                await owner.live(*world.before)
                partition.follow(TWO)
                await asyncio.sleep(10)
                assert owner.progress.stage == "waiting"
                await partition.drain()
                shared.share.turn.release()
                await asyncio.sleep(10)
                await shared.share.turn.acquire()
                assert world.notes[-1] == BackfillNote(1, B, False, former=A)
                assert world.history.spans == []

    run_in_virtual_time(live())


# What breaks one off, and what goes wrong.


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
        await all_agree(world)
        async with world.owner(TWO) as owner:
            await owner.complete()
            assert owner.later == {
                b"p%d" % number: JOINED for number in range(40) if b"p%d" % number not in first
            }
            assert world.notes[-1] == BackfillNote(3, B, True, former=A)
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


def balance(owner: Owner) -> int:
    """What is received and not accounted for."""
    figures = owner.parts.status.figures
    return figures.received - (
        figures.exported
        + figures.unchanged
        + figures.skipped
        + sum(figures.dead_lettered.values())
        + figures.abandoned
        + figures.in_flight
    )


def test_figures_of_events_know_nothing_of_backfills() -> None:
    async def live() -> None:
        world = World(*everywhere(20))
        async with world.exported(TWO) as owner:
            before = owner.parts.status.figures.exported
            while owner.progress is None or owner.progress.stage != "complete":
                assert balance(owner) == 0
                await asyncio.sleep(0.001)
            assert owner.parts.status.figures.exported == before
            assert (owner.parts.status.figures.received, owner.partition.held_bytes) == (20, 0)

    run_in_virtual_time(live())


def test_an_event_that_is_refused_now_leaves_its_profile_as_it_is_without_a_dead_letter() -> None:
    async def live() -> None:
        bad = {"ups": {"s1": ENTRY}, "crm": {"s1": {"status": "unheard-of"}}}
        invalid = Event(1, b"q", json.dumps({"segmentMembership": bad}).encode())
        world = World(event(0, "p", "ups", "crm"), invalid)
        async with world.exported(TWO) as owner:
            await owner.complete()
            assert owner.later == {b"p": JOINED}
            assert owner.progress.refused == {"bad-membership": 1}
            assert owner.parts.dead_letters.written == []
            assert record_order(world.store.records[b"q"]) == (1, 0)

    run_in_virtual_time(live())


def test_an_export_that_kinesis_rejects_is_a_dead_letter_and_counts_as_exported() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.exported(TWO) as owner:
            world.kinesis.faults.is_poison = lambda data: json.loads(data)["number"] == 1
            await owner.complete()
            assert [(letter.reason, letter.record.key) for letter in owner.parts.dead_letters.written] == [
                ("rejected", b"p1")
            ]
            assert owner.progress.refused == {"rejected": 1}
            assert owner.progress.exported == 2
            assert record_order(world.store.records[b"p1"]) == (2, 2)

    run_in_virtual_time(live())


def test_an_event_that_the_core_fails_on_is_told_of_and_leaves_its_profile_as_it_is() -> None:
    async def live() -> None:
        records = [failing_record(offset, f"p{offset}", fails=offset == 1) for offset in range(3)]
        world = World()
        world.history.records = [Event(*record[:3], 0, record.headers) for record in records]
        async with world.owner(core_that_fails(KeyError(SECRET))) as owner:
            await until(lambda: bool(world.notes))
            owner.partition.request_backfill("r1")
            await owner.complete()
            assert owner.progress.refused == {"internal": 1}
            assert owner.parts.dead_letters.written == []

    with capture_logs() as logged:
        run_in_virtual_time(live())
    (line,) = [each for each in logged if each["log_level"] == "error"]
    assert "dead letter" not in line["event"]
    assert (line["offsets"], line["error"]) == ([1], "KeyError")
    assert SECRET not in str(logged)


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
            assert {record_order(record)[1] for record in world.store.records.values()} == {0}

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


def test_what_the_source_does_not_have_any_more_keeps_its_state_and_is_counted() -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.owner(ONE, start_offset=0) as owner:
            await owner.live(*world.before)
            del world.history.records[:4]
            world.history.records[0] = world.history.records[0]._replace(timestamp=1_234)  # type: ignore[attr-defined]
            owner.exports_before = len(owner.exports)
            owner.partition.follow(TWO)
            await owner.complete()
            assert set(owner.later) == {b"p%d" % number for number in range(4, 10)}
            assert (owner.progress.unmet, owner.progress.source_from_ms) == (4, 1_234)
            assert owner.progress.begun.source_begin == 4

    run_in_virtual_time(live())


def test_a_compacted_source_may_lack_some_though_it_has_its_first_event() -> None:
    async def live() -> None:
        world = World(*everywhere(10))
        async with world.owner(ONE, start_offset=0, source_may_lack=True) as owner:
            await owner.live(*world.before)
            del world.history.records[3]
            owner.partition.follow(TWO)
            await owner.complete()
            assert owner.progress.unmet == 1

    run_in_virtual_time(live())


def test_a_source_that_is_whole_is_not_asked_who_is_missing() -> None:
    async def live() -> None:
        world = World(*everywhere(3))
        async with world.exported(TWO) as owner:
            await owner.complete()
            assert owner.progress.unmet is None

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


# Whole lives.


class Life:
    """Owners come and go with a store that may be lost; each follows one of three configurations, or two."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.offset = self.committed = 0
        self.latest: dict[bytes, set[str]] = {}
        self.core = ONE

    async def run(self) -> None:
        for _ in range(5):
            async with self.owner() as owner:
                await self.work(owner)
        async with self.owner() as owner:
            await self.work(owner)
            await until(lambda: owner.partition.is_idle and self.is_complete)

    @property
    def is_complete(self) -> bool:
        note = self.world.notes[-1] if self.world.notes else None
        return note is not None and note.is_complete and note.fingerprint == self.core.fingerprint

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Owner]:
        world, rng = self.world, self.rng
        if rng.random() < 0.3:
            world.store = MemoryStore()
            await restore(world.changelog, 0, world.store, len(world.changelog.records), lambda _: None)
        self.core = rng.choice([ONE, TWO, THREE])
        replayed = [each for each in world.history.records if each.offset >= self.committed]
        async with world.owner(
            self.core,
            start_offset=self.committed,
            max_events_per_s=rng.choice([0, 20, 100]),
            caught_up_at=world.end,
        ) as owner:
            if replayed:
                owner.partition.offer(replayed, self.offset)
            yield owner
            assert balance(owner) == 0
        await owner.partition.abandon()
        self.committed = owner.partition.next_offset or self.committed

    async def work(self, owner: Owner) -> None:
        rng = self.rng
        for _ in range(rng.randrange(6)):
            self.offer(owner)
            await asyncio.sleep(rng.choice([0, 0.005, 0.1, 1]))
            if rng.random() < 0.2:
                self.core = rng.choice([ONE, TWO, THREE])
                owner.partition.follow(self.core)
            if rng.random() < 0.2:
                self.world.history.failures = [KafkaUnavailable("as scripted")]
        await asyncio.sleep(rng.choice([0, 0.1, 1]))

    def offer(self, owner: Owner) -> None:
        events = []
        for _ in range(self.rng.randrange(8)):
            namespaces = [each for each in ("ups", "crm", "web") if self.rng.random() < 0.5]
            events.append(event(self.offset, f"p{self.rng.randrange(12)}", *namespaces))
            self.latest[events[-1].key or b""] = set(namespaces)
            self.offset += self.rng.choice([1, 1, 2])
        if events:
            owner.offer(*events)


@pytest.mark.parametrize("seed", range(40))
def test_through_crashes_changes_and_live_events_each_profile_ends_as_the_last_configuration_says(
    seed: int,
) -> None:
    async def live() -> None:
        life = Life(seed)
        await life.run()
        world, latest = life.world, life.latest
        await all_agree(world)
        assert world.notes[-1].fingerprint == life.core.fingerprint
        mapped = {A: {"ups"}, B: {"ups", "crm"}, C: {"ups", "web"}}[life.core.fingerprint]
        assert members(world) == {key: found & mapped for key, found in latest.items() if found & mapped}
        for key, found in at_destination(world).items():
            assert found >= latest[key] & mapped, key
            # A segment that was unmapped meanwhile went without a word.
            assert ("ups" in found) == ("ups" in latest[key]), key

    run_in_virtual_time(live())


def members(world: World) -> dict[bytes, set[str]]:
    """By profile, the namespaces in whose segment it is by its state."""
    found = {}
    for profile, record in world.store.records.items():
        keys = decode_record(record).memberships
        if keys:
            found[profile] = {"ups" if key == "s1" else key.split("\0")[0] for key in keys}
    return found


def at_destination(world: World) -> dict[bytes, set[str]]:
    """By profile, the namespaces in whose segment it is by what the stream has."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for partition_key, data in world.kinesis.stored:
        for namespace, entries in json.loads(data)["segmentMembership"].items():
            if entries["s1"]["status"] == "exited":
                found[partition_key.encode()].discard(namespace)
            else:
                found[partition_key.encode()].add(namespace)
    return found
