"""A restore takes, of each profile, the record with the highest backfill's number and source offset, whatever the order of appends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.backfill.note import BackfillNote, encode_note
from processor.errors import InvalidStateRecord
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, STREAM_KEY
from processor.kafka.changelog_batches import Deletion
from processor.profile.state_record import encode_departed, has_departed
from processor.worker.restore import restore
from tests.kafka.model import MemoryChangelog
from tests.support.memory_store import MemoryStore
from tests.support.restored_store import member, restored, restored_and_outdated
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_an_empty_changelog_restores_nothing() -> None:
    assert restored(MemoryChangelog()).records == {}


def test_the_stream_is_restored_and_is_no_profile() -> None:
    changelog = MemoryChangelog()
    changelog.put({STREAM_KEY: b"eu-west-1/exports"})
    store = restored(changelog)
    assert (store.stream, store.records, store.position) == ("eu-west-1/exports", {}, 1)


def test_a_record_that_a_zombie_appended_late_does_not_win() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": member(7)})
    changelog.put({b"p": member(5)})
    store, outdated = restored_and_outdated(changelog)
    assert (store.records, outdated) == ({b"p": member(7)}, {b"p"})


def test_a_deletion_does_not_win_over_a_later_event() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": encode_departed(5)})
    changelog.put({b"p": member(7)})
    changelog.put({b"p": Deletion(5)})
    assert restored(changelog).records == {b"p": member(7)}


def test_a_deleted_profile_does_not_come_back_with_an_older_record() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": member(3), b"q": member(9)})
    changelog.put({b"p": Deletion(5)})
    changelog.put({b"p": member(3)})
    (record,) = [record for profile, record in restored(changelog).records.items() if profile == b"p"]
    assert has_departed(record)


def test_a_newer_releases_record_is_refused() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": b"\x03new"})
    with pytest.raises(InvalidStateRecord, match="run the release that wrote it"):
        restored(changelog)


def test_of_one_offset_the_higher_backfills_record_wins_over_a_lower_ones_and_over_an_events() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": member(7, 2)})
    changelog.put({b"p": member(7)})
    changelog.put({b"p": encode_departed(7, 1)})
    store, outdated = restored_and_outdated(changelog)
    assert (store.records, outdated) == ({b"p": member(7, 2)}, {b"p"})


@pytest.mark.parametrize(
    "late", [member(7), encode_departed(7), Deletion(7)], ids=["member", "left", "deletion"]
)
def test_an_event_at_the_offset_of_a_backfill_that_is_in_the_store_does_not_win_though_none_is_higher(
    late: bytes | Deletion,
) -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": member(7, 2)})
    changelog.put({b"p": late})
    store, outdated = restored_and_outdated(changelog, 1)
    assert (store.records, outdated) == ({b"p": member(7, 2)}, {b"p"})


def test_a_deletion_of_what_a_backfill_took_out_wins_over_the_events_record_of_that_offset() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": encode_departed(7, 2)})
    changelog.put({b"p": Deletion(7, 2)})
    changelog.put({b"p": member(7)})
    store, outdated = restored_and_outdated(changelog, 2)
    assert (store.records, outdated) == ({b"p": encode_departed(7, 2)}, {b"p"})


def test_what_was_made_under_the_configuration_before_and_stands_behind_the_note_of_the_next_came_late() -> (
    None
):
    changelog = MemoryChangelog()
    changelog.put({b"p": member(3)})
    changelog.put({BACKFILL_KEY: encode_note(BackfillNote(4, "B", False, since=4))})
    changelog.put({b"p": member(5), b"new": member(9)})
    changelog.put({b"q": member(6, 4)})
    for cut in range(len(changelog.records)):
        store, outdated = restored_and_outdated(changelog, cut)
        assert store.records == {b"p": member(3), b"q": member(6, 4)}
        assert outdated == {b"p", b"new"}


def test_compaction_leaves_records_that_are_newer_than_what_comes_late_before_the_note_of_their_number() -> (
    None
):
    changelog = MemoryChangelog()
    changelog.put({b"p": member(7, 2)})
    changelog.put({b"p": member(8, 1)})
    changelog.put({BACKFILL_KEY: encode_note(BackfillNote(2, "A", True))})
    for cut in range(len(changelog.records)):
        store, outdated = restored_and_outdated(changelog, cut)
        assert (store.records, outdated) == ({b"p": member(7, 2)}, {b"p"})


def test_the_newest_note_of_backfills_is_restored_and_is_no_profile() -> None:
    due, begun = BackfillNote(5, "B", False, former="A"), BackfillNote(6, "B", False, boundary=3, at_ms=1)
    for notes in ([due, begun], [begun, due]):
        for cut in (0, 1, 2):
            changelog = MemoryChangelog()
            for note in notes:
                changelog.put({BACKFILL_KEY: encode_note(note), b"p": member(note.number)})
            store = restored(changelog, 2 * cut)
            assert store.backfill == encode_note(begun)
            assert set(store.records) == {b"p"}


def test_a_note_that_came_late_is_reported_so_that_compaction_does_not_leave_it_alone() -> None:
    changelog = MemoryChangelog()
    changelog.put({BACKFILL_KEY: encode_note(BackfillNote(6, "B", True))})
    changelog.put({BACKFILL_KEY: encode_note(BackfillNote(5, "A", True))})
    for breaks in ([], [1]):
        store, outdated = restored_and_outdated(changelog, *breaks)
        assert (store.backfill, outdated) == (encode_note(BackfillNote(6, "B", True)), {BACKFILL_KEY})
        assert store.position <= 1


def test_wherever_a_crash_comes_the_disk_has_no_position_behind_a_note_that_it_lacks() -> None:
    changelog = MemoryChangelog()
    changelog.put({b"p": member(1)})
    changelog.put({BACKFILL_KEY: encode_note(BackfillNote(1, "B", False)), CONSUMED_KEY: b"5"})

    class Noting(MemoryStore):
        async def apply(
            self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None
        ) -> None:
            await super().apply(changes, position, stream)
            # The store may have all of this on disk now, and nothing that comes later.
            on_disk.append((position, self.backfill is not None, self.consumed))

    on_disk: list[tuple[int, bool, int | None]] = []
    run_in_virtual_time(restore(changelog, 0, Noting(), len(changelog.records), lambda _: None))
    assert [each for each in on_disk if each[0] > 1] == [(3, True, 5)]


PROFILES = st.sampled_from([b"p", b"q", b"r"])
ENTRIES = st.tuples(
    PROFILES,
    st.integers(0, 12),
    st.sampled_from([0, 0, 1, 2, 3]),
    st.sampled_from(["member", "left", "deletion"]),
)


@given(st.lists(ENTRIES, max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_in_any_order_and_with_any_interruption_the_highest_backfill_and_of_one_the_highest_offset_wins(
    entries: list[tuple[bytes, int, int, str]], breaks: list[int]
) -> None:
    changelog = MemoryChangelog()
    kinds: dict[tuple[bytes, tuple[int, int]], str] = {}
    highest: dict[bytes, tuple[int, int]] = {}
    for profile, offset, backfill, wanted in entries:
        # One event, and one backfill, makes one record: a profile is in the same state wherever that is met.
        order = backfill, offset
        kind = kinds.setdefault((profile, order), wanted)
        made: dict[str, bytes | Deletion] = {
            "member": member(offset, backfill),
            "left": encode_departed(offset, backfill),
            "deletion": Deletion(offset, backfill),
        }
        changelog.put({profile: made[kind]})
        highest[profile] = max(order, highest.get(profile, (0, -1)))
    stops = sorted(min(each, len(entries)) for each in breaks)
    expected = {
        profile: (member if kinds[profile, order] == "member" else encode_departed)(order[1], order[0])
        for profile, order in highest.items()
    }
    store, outdated = restored_and_outdated(changelog, *stops)
    assert store.records == expected
    last = {profile: (backfill, offset) for profile, offset, backfill, _ in entries}
    assert outdated == {profile for profile, order in last.items() if order < highest[profile]}
    if outdated:
        late = [at for at, (profile, *_) in enumerate(entries) if profile in outdated]
        assert late[0] <= store.position < len(entries), (
            "a crash before they are appended again finds them again"
        )
    else:
        assert store.position == len(entries)
