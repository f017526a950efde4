"""The way back up: Kinesis, changelog, store; and what a gap in the changelog means."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from processor.backfill.note import BackfillNote, decode_note, encode_note
from processor.errors import StateRefused
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, OWN_KEYS, STREAM_KEY, Span
from processor.profile.state_record import encode_departed, has_departed, record_offset
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.worker.checkpoint import Checkpoint
from tests.kafka.model import MemoryChangelog
from tests.support.memory_store import MemoryStore
from tests.support.restored_store import member, restored, restored_and_outdated
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from processor.kafka.changelog_batches import Deletion
    from tests.kafka.model import Kept


class Owner:
    """One owner of a partition."""

    def __init__(self, changelog: MemoryChangelog) -> None:
        self.store = MemoryStore()
        self.overlay = Overlay(self.store)
        self.status = Status()
        self.checkpoint = Checkpoint(0, changelog, self.overlay, self.status)

    async def keep(self, changes: dict[bytes, bytes]) -> None:
        self.overlay.put(changes)
        await self.checkpoint.keep(changes, 1 + max(map(record_offset, changes.values())))


def states(records: Iterable[Kept]) -> dict[bytes, bytes | None]:
    """What the records of profiles say; the last word of each."""
    return {record.key: record.value for record in records if not record.key.startswith(OWN_KEYS)}


def test_changes_reach_the_changelog_and_then_the_store() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(1), b"q": member(2)})
        assert [record.key for record in changelog.records] == [b"p", b"q", CONSUMED_KEY]
        assert owner.store.records == {b"p": member(1), b"q": member(2)}
        assert (owner.store.position, owner.store.consumed) == (3, 3)

    run_in_virtual_time(live())


def test_a_changelog_that_fails_is_waited_for_and_reported() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        changelog.failures = 3
        await owner.keep({b"p": member(1)})
        assert owner.store.records == {b"p": member(1)}
        assert "changelog" not in owner.status.conditions

    run_in_virtual_time(live())


def test_state_is_reasserted_over_what_an_intruder_wrote_even_after_compaction() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4), b"q": member(5)})
        changelog.put({b"p": member(2), b"new": member(3)})
        changelog.failures = 1
        await owner.keep({b"q": member(6)})
        assert owner.status.figures.intruder_records == 2
        assert owner.store.position == len(changelog.records)
        assert states(changelog.compacted()) == {
            b"q": member(6),
            b"p": member(4),
            b"new": None,
        }

    run_in_virtual_time(live())


def test_what_is_appended_again_is_newer_than_what_an_intruder_made_under_the_configuration_before() -> None:
    async def live() -> MemoryChangelog:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4), b"left": encode_departed(3)})
        await owner.checkpoint.note(encode_note(BackfillNote(1, "B", False, since=1)))
        # Under the configuration of now, what came at 5 and 6 has changed nothing.
        changelog.put({b"p": member(5), b"left": member(6), b"new": member(5)})
        await owner.keep({b"q": member(7, 1)})
        assert owner.store.records[b"p"] == member(4, 1)
        return changelog

    changelog = run_in_virtual_time(live())
    assert states(changelog.compacted())[b"p"] == member(4, 1)
    kept = restored(changelog).records
    assert {profile: kept[profile] for profile in (b"p", b"q")} == {b"p": member(4, 1), b"q": member(7, 1)}
    assert has_departed(kept[b"left"])
    assert has_departed(kept[b"new"])


def test_an_intruder_whose_record_is_met_while_a_configuration_is_noted_is_answered_under_that_one() -> None:
    async def live() -> MemoryChangelog:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4)})
        changelog.put({b"p": member(5)})
        await owner.checkpoint.note(encode_note(BackfillNote(1, "B", False, since=1)))
        return changelog

    changelog = run_in_virtual_time(live())
    assert states(changelog.compacted()) == {b"p": member(4, 1)}


def test_who_departed_under_the_configuration_before_is_deleted_under_the_one_of_now() -> None:
    async def live() -> MemoryChangelog:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": encode_departed(4)})
        await owner.checkpoint.note(encode_note(BackfillNote(1, "B", False, since=1)))
        assert await owner.checkpoint.purge_departed(9)
        return changelog

    assert restored_and_outdated(run_in_virtual_time(live()))[1] == set()


def test_a_note_of_backfills_is_appended_again_behind_an_intruders() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        note = encode_note(BackfillNote(2, "B", True))
        await owner.checkpoint.note(note)
        changelog.put({BACKFILL_KEY: encode_note(BackfillNote(1, "A", True))})
        await owner.keep({b"p": member(1)})
        assert [r.value for r in changelog.compacted() if r.key == BACKFILL_KEY] == [note]

    run_in_virtual_time(live())


@pytest.mark.parametrize("late", [1, 2, 7])
@pytest.mark.parametrize("purges", [False, True])
def test_an_owner_that_had_no_note_to_write_outnumbers_one_that_comes_late_and_loses_no_state(
    late: int, purges: bool
) -> None:
    async def live() -> tuple[MemoryChangelog, Owner]:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.checkpoint.note(encode_note(BackfillNote(0, "A", True)))
        await owner.keep({b"p": member(1), b"left": encode_departed(1)})
        changelog.put({BACKFILL_KEY: encode_note(BackfillNote(late, "B", False, former="A", since=late))})
        if purges:
            assert await owner.checkpoint.purge_departed(9)
        await owner.keep({b"p": member(2), b"q": member(3)})
        return changelog, owner

    changelog, owner = run_in_virtual_time(live())
    for breaks in ([], *([at] for at in range(1, len(changelog.records)))):
        next_owner = restored(changelog, *breaks)
        assert next_owner.backfill == owner.store.backfill == encode_note(BackfillNote(late + 1, "A", True))
        assert next_owner.records[b"p"] == member(2)
        assert next_owner.records[b"q"] == member(3)


def test_a_note_that_is_appended_twice_is_no_other_members_and_no_event_bears_a_higher_number() -> None:
    begun = encode_note(BackfillNote(1, "B", False, former="A", since=1))
    borne: list[int] = []

    class Watched(MemoryChangelog):
        """Between two appends live events are worked on, under the number that the store has then."""

        async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
            if owner.store.backfill is not None:
                borne.append(decode_note(owner.store.backfill).number)
            return await super().append(partition, entries)

    changelog = Watched()
    owner = Owner(changelog)

    async def live() -> None:
        await owner.checkpoint.note(encode_note(BackfillNote(0, "A", True)))
        # Kafka took it, and did not answer in time.
        changelog.put({BACKFILL_KEY: begun})
        await owner.checkpoint.note(begun)
        await owner.keep({b"p": member(1, 1)})

    run_in_virtual_time(live())
    assert borne == [0, 0, 1]
    assert restored(changelog).backfill == owner.store.backfill == begun
    assert restored(changelog).records == {b"p": member(1, 1)}


def test_state_is_reasserted_over_an_intruder_between_the_repairs_too() -> None:
    class Intruded(MemoryChangelog):
        times = 2

        async def append(self, partition: int, entries: Any) -> Any:
            if self.times:
                self.times -= 1
                self.put({b"p": member(1)})
            return await super().append(partition, entries)

    async def live() -> MemoryChangelog:
        changelog = Intruded()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4)})
        await owner.keep({b"q": member(5)})
        assert owner.store.position == len(changelog.records)
        return changelog

    changelog = run_in_virtual_time(live())
    assert states(changelog.compacted()) == {b"p": member(4), b"q": member(5)}
    assert restored(changelog).records == {b"p": member(4), b"q": member(5)}


class Behind(MemoryChangelog):
    """An intruder's record of `p` lands behind ours, in one of the ways in which its place does not show it."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self._appends = 0

    async def append(self, partition: int, entries: Any) -> Any:
        self._appends += 1
        place = self._way, self._appends
        if place == ("ours is answered without a place", 2):
            self.put(entries)
            self.put({b"p": member(1)})
            end = len(self.records)
            return [Span(end, end)]
        if place == ("between the batches of one append", 2):
            first = {b"p": entries[b"p"]}
            rest = {key: entry for key, entry in entries.items() if key != b"p"}
            spans = [self.put(first)]
            self.put({b"p": member(1)})
            return [*spans, self.put(rest)]
        if self._way == "before its own repair, and again behind it" and self._appends in {2, 3}:
            self.put({b"p": member(1), b"r": member(2)})
        return await super().append(partition, entries)


@pytest.mark.parametrize(
    "way",
    [
        "ours is answered without a place",
        "between the batches of one append",
        "before its own repair, and again behind it",
    ],
)
def test_what_is_appended_now_is_not_lost_to_an_intruder_that_stands_behind_it(way: str) -> None:
    async def live() -> MemoryChangelog:
        changelog = Behind(way)
        owner = Owner(changelog)
        await owner.keep({b"p": member(3), b"r": member(3)})
        await owner.keep({b"p": member(5), b"q": member(6)})
        assert owner.store.position == len(changelog.records)
        return changelog

    changelog = run_in_virtual_time(live())
    kept = {b"p": member(5), b"q": member(6), b"r": member(3)}
    assert states(changelog.compacted()) == kept
    assert restored(changelog).records == kept


def test_profiles_that_left_are_deleted_once_their_offset_is_committed() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": encode_departed(4), b"q": encode_departed(8)})
        assert await owner.checkpoint.purge_departed(4) is False
        assert await owner.checkpoint.purge_departed(5) is True
        last = changelog.records[-1]
        assert (last.key, last.value, last.headers) == (b"p", None, [("offset", b"4")])
        assert owner.store.records == {b"q": encode_departed(8)}
        assert await owner.checkpoint.purge_departed(5) is False

    run_in_virtual_time(live())


@pytest.mark.parametrize("is_answered_with_a_place", [True, False])
def test_a_changelog_whose_end_went_back_takes_nothing_more_and_counts_no_intruders(
    is_answered_with_a_place: bool,
) -> None:
    class Anew(MemoryChangelog):
        async def append(self, partition: int, entries: Any) -> Any:
            is_former = bool(self.records)
            spans = await super().append(partition, entries)
            end = len(self.records)
            return spans if is_former or is_answered_with_a_place else [Span(end, end)]

    async def live() -> None:
        changelog = Anew()
        changelog.put({STREAM_KEY: b"stream"})
        owner = Owner(changelog)
        owner.store.position = 1
        await owner.keep({b"p": member(4), b"q": member(5)})
        changelog.records.clear()
        with pytest.raises(
            StateRefused, match="all before 4 was there: it was cut short, or deleted and made anew"
        ):
            await owner.keep({b"q": member(7)})
        assert (owner.store.position, owner.store.records[b"q"]) == (4, member(5))
        assert owner.status.figures.intruder_records == 0

    run_in_virtual_time(live())


def test_how_far_the_source_is_consumed_is_noted_with_changes_and_where_none_come_now_and_then() -> None:
    async def live() -> MemoryChangelog:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4)})
        for consumed in range(6, 46):
            await asyncio.sleep(1.0)
            await owner.checkpoint.passed(consumed)
        noted = [int(r.value or b"") for r in changelog.records if r.key == CONSUMED_KEY]
        assert noted == [5, 16, 27, 38]
        await owner.checkpoint.flush(45)
        await owner.checkpoint.flush(45)
        assert changelog.records[-1].value == b"45"
        await owner.checkpoint.flush(12)
        await owner.keep({b"p": member(13)})
        assert owner.store.consumed == 45
        return changelog

    changelog = run_in_virtual_time(live())
    assert restored(changelog).consumed == 45, "an offset that is set back takes nothing from what was seen"


def test_a_profile_with_a_change_on_its_way_is_not_deleted() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": encode_departed(4)})
        owner.overlay.put({b"p": member(6)})
        assert await owner.checkpoint.purge_departed(5) is False
        assert len(changelog.records) == 2

    run_in_virtual_time(live())
