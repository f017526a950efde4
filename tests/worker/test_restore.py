"""A restore takes, of each profile, the record with the highest source offset, whatever the order of appends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import InvalidStateRecord
from processor.kafka.changelog import STREAM_KEY, Deletion
from processor.profile.state_record import encode_departed, has_departed
from tests.kafka.model import MemoryChangelog
from tests.support.restored_store import member, restored, restored_and_outdated


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
    changelog.put({b"p": b"\x02new"})
    with pytest.raises(InvalidStateRecord, match="run the release that wrote it"):
        restored(changelog)


PROFILES = st.sampled_from([b"p", b"q", b"r"])
ENTRIES = st.tuples(PROFILES, st.integers(0, 12), st.sampled_from(["member", "left", "deletion"]))


@given(st.lists(ENTRIES, max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_in_any_order_and_with_any_interruption_the_highest_offset_wins(
    entries: list[tuple[bytes, int, str]], breaks: list[int]
) -> None:
    changelog = MemoryChangelog()
    kinds: dict[tuple[bytes, int], str] = {}
    highest: dict[bytes, int] = {}
    for profile, offset, wanted in entries:
        # One event makes one record: a profile is in the same state wherever its offset is met.
        kind = kinds.setdefault((profile, offset), wanted)
        made: dict[str, bytes | Deletion] = {
            "member": member(offset),
            "left": encode_departed(offset),
            "deletion": Deletion(offset),
        }
        changelog.put({profile: made[kind]})
        highest[profile] = max(offset, highest.get(profile, -1))
    stops = sorted(min(each, len(entries)) for each in breaks)
    expected = {
        profile: member(offset) if kinds[profile, offset] == "member" else encode_departed(offset)
        for profile, offset in highest.items()
    }
    store, outdated = restored_and_outdated(changelog, *stops)
    assert store.records == expected
    last = {profile: offset for profile, offset, _ in entries}
    assert outdated == {profile for profile, offset in last.items() if offset < highest[profile]}
    if outdated:
        late = [at for at, (profile, _, _) in enumerate(entries) if profile in outdated]
        assert late[0] <= store.position < len(entries), (
            "a crash before they are appended again finds them again"
        )
    else:
        assert store.position == len(entries)
