"""Which configuration a partition's state is complete for: when that is noted, and what makes a backfill due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from processor.backfill.note import BackfillNote, decode_note, encode_note
from processor.kafka.changelog import BACKFILL_KEY
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.worker.checkpoint import Checkpoint
from processor.worker.completeness import Completeness
from tests.kafka.model import MemoryChangelog
from tests.support.memory_store import MemoryStore
from tests.support.restored_store import member, restored
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Parts:
    """A partition's completeness, on a changelog and a store in memory."""

    def __init__(self, note: BackfillNote | None = None, *, has_state: bool = False) -> None:
        self.changelog, self.store = MemoryChangelog(), MemoryStore()
        entries: dict[bytes, bytes] = {} if note is None else {BACKFILL_KEY: encode_note(note)}
        self.changelog.put({**entries, b"p": member(3)} if has_state else entries)
        self.store.position = len(self.changelog.records)
        self.store.highest_offset = 3 if has_state else -1
        self.store.note(backfill=entries.get(BACKFILL_KEY))
        self.of = Completeness(0, self.store, Checkpoint(0, self.changelog, Overlay(self.store), Status()))

    @property
    def notes(self) -> list[BackfillNote]:
        """All that the changelog has."""
        return [decode_note(value) for value in self.changelog.values(BACKFILL_KEY)]


def told(running: Coroutine[object, object, object]) -> list[str]:
    """What is logged meanwhile, with the level."""
    with capture_logs() as logged:
        run_in_virtual_time(running)
    return [f"{each['log_level']}: {each['event']}" for each in logged]


@pytest.mark.parametrize(("has_state", "heeded"), [(False, "r1"), (True, None)])
def test_without_a_note_the_files_of_now_are_what_the_state_is_complete_for(
    *, has_state: bool, heeded: str | None
) -> None:
    parts = Parts(has_state=has_state)
    lines = told(parts.of.work_under("A", "r1"))
    assert parts.notes == [BackfillNote(0, "A", True, request=heeded)], (
        "where there is no state, no request has anything to look at"
    )
    assert parts.of.note == parts.notes[-1]
    assert [line.startswith("info: the state has no note of its configuration") for line in lines] == (
        [True] if has_state else []
    )


@pytest.mark.parametrize(
    "note",
    [
        BackfillNote(4, "A", True, former="0"),
        BackfillNote(4, "A", False, former="0"),
        BackfillNote(4, "A", False, former="0", boundary=7, at_ms=1),
    ],
    ids=["complete", "due", "under way"],
)
def test_under_the_same_configuration_nothing_is_noted(note: BackfillNote) -> None:
    parts = Parts(note, has_state=True)
    assert told(parts.of.work_under("A", "r1")) == []
    assert parts.notes == [note]


def test_another_configuration_makes_one_due_and_remembers_the_former_and_what_was_heeded() -> None:
    parts = Parts(BackfillNote(4, "A", True, former="0", request="r1", partitions=6), has_state=True)
    assert told(parts.of.work_under("B", "r2")) == []
    assert parts.notes[1:] == [BackfillNote(5, "B", False, former="A", request="r1", partitions=6, since=5)]


def test_another_configuration_in_the_midst_of_one_makes_one_due_that_was_wanted_already() -> None:
    parts = Parts(BackfillNote(4, "A", False, former="0", boundary=7, at_ms=1), has_state=True)
    run_in_virtual_time(parts.of.work_under("B", None))
    assert parts.of.note == BackfillNote(5, "B", False, former="A", boundary=7, at_ms=1, since=5)


def test_two_deployments_with_different_files_are_told_of_with_both_fingerprints() -> None:
    parts = Parts(BackfillNote(5, "B", True, former="A"), has_state=True)
    with capture_logs() as logged:
        run_in_virtual_time(parts.of.work_under("A", None))
    (line,) = logged
    assert line["log_level"] == "warning"
    assert "two deployments of this group have different files" in line["event"]
    assert (line["partition"], line["fingerprint"], line["other_fingerprint"]) == (0, "A", "B")
    assert parts.of.note == BackfillNote(6, "A", False, former="B", since=6), (
        "what came meanwhile followed the other"
    )


def test_one_begins_with_a_number_of_its_own_and_ends_complete_with_what_was_asked_for_heeded() -> None:
    due = BackfillNote(5, "B", False, former="A", request="r1", since=5)

    async def live() -> Parts:
        parts = Parts(due, has_state=True)
        begun = await parts.of.begin(due, 40, 5_000, "r2")
        assert begun == replace(due, number=6, request="r2", boundary=40, at_ms=5_000)
        assert await parts.of.complete(begun)
        assert parts.notes == [due, begun, replace(due, number=6, is_complete=True, request="r2")]
        return parts

    parts = run_in_virtual_time(live())
    assert restored(parts.changelog).backfill == parts.store.backfill


def test_one_that_nobody_asked_for_keeps_what_was_heeded() -> None:
    due = BackfillNote(5, "B", False, request="r1")
    begun = run_in_virtual_time(Parts(due).of.begin(due, 40, 5_000, None))
    assert begun is not None
    assert begun.request == "r1"


def test_none_begins_and_none_ends_where_another_configuration_came_first() -> None:
    due = BackfillNote(5, "B", False)

    async def live() -> None:
        parts = Parts(due)
        begun = await parts.of.begin(due, 40, 5_000, None)
        assert begun is not None
        await parts.of.work_under("C", None)
        assert await parts.of.begin(due, 50, 6_000, None) is None
        assert not await parts.of.complete(begun)
        assert parts.of.note == BackfillNote(7, "C", False, former="B", boundary=40, at_ms=5_000, since=7)

    run_in_virtual_time(live())


def test_the_end_and_another_configuration_that_come_at_once_come_one_after_the_other() -> None:
    due = BackfillNote(5, "B", False)

    async def live(*, is_change_first: bool) -> list[BackfillNote]:
        parts = Parts(due)
        begun = await parts.of.begin(due, 40, 5_000, None)
        assert begun is not None
        both = [parts.of.complete(begun), parts.of.work_under("C", None)]
        await asyncio.gather(*(both[::-1] if is_change_first else both))
        return parts.notes[2:]

    changed = BackfillNote(7, "C", False, former="B", since=7)
    broken_off = replace(changed, boundary=40, at_ms=5_000)
    assert run_in_virtual_time(live(is_change_first=True)) == [broken_off]
    assert run_in_virtual_time(live(is_change_first=False)) == [BackfillNote(6, "B", True), changed]


def test_a_note_is_kept_however_often_the_changelog_fails_and_the_store_has_none_before() -> None:
    async def live() -> None:
        parts = Parts()
        parts.changelog.failures = 3
        noting = asyncio.create_task(parts.of.work_under("A", None))
        await asyncio.sleep(2.5)
        assert (parts.of.note, parts.notes) == (None, [])
        await noting
        assert parts.notes == [parts.of.note]

    run_in_virtual_time(live())
