"""What a partition exports, keeps and tells when its configuration changes: every profile's latest event is looked at again."""

from __future__ import annotations

import asyncio
import json

from structlog.testing import capture_logs

from processor.backfill.note import BackfillNote
from processor.kafka.changelog import BACKFILL_KEY
from processor.profile.state_record import encode_departed, has_departed, record_order
from processor.worker.restore import restore
from tests.support.changed_plans import ENTRY
from tests.support.failing_core import SECRET, core_that_fails
from tests.support.failing_core import record as failing_record
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import (
    JOINED,
    ONE,
    TWO,
    A,
    B,
    World,
    all_agree,
    balance,
    core_of,
    event,
    everywhere,
    until,
)
from tests.worker.parts import Event


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
                b"q": (0, 1),
                b"r": (2, 2),
            }, "its number, and the offset before which it looked"
            assert world.notes == [
                BackfillNote(0, A, True),
                BackfillNote(1, B, False, former=A, since=1),
                BackfillNote(2, B, False, former=A, since=1, boundary=3, at_ms=5_000),
                BackfillNote(2, B, True, former=A, since=1),
            ]
            figures = owner.parts.status.backfills.figures
            assert (figures.begun, figures.completed, figures.profiles, figures.exported) == (1, 1, 3, 2)
            assert figures.held_bytes == 0
        await all_agree(world)

    run_in_virtual_time(live())


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
    assert {record_order(r) for r in rebuilt.records.values()} == {(2, 1)}


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
            assert record_order(world.store.records[b"q"]) == (0, 1)

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
