"""What waits for the disk: the latest change of each profile, and who departed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from processor.profile.state_record import encode_departed, has_departed, record_offset
from processor.state.record_cache import ENTRY_OVERHEAD_BYTES
from processor.state.store import Departed
from processor.state.unwritten import Unwritten
from tests.support.stores import member

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROFILES = (b"p", b"q", b"r")
OFFSETS_END = 1_000


def holding(*changes: Mapping[bytes, bytes]) -> Unwritten:
    unwritten = Unwritten()
    for each in changes:
        unwritten.put(each)
    return unwritten


def records_of(unwritten: Unwritten, profiles: Iterable[bytes] = PROFILES) -> dict[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    unwritten.find(profiles, found)
    return found


def test_it_tells_which_profiles_are_new_and_what_they_take() -> None:
    unwritten = Unwritten()
    assert unwritten.put({b"p": b"12", b"q": b""}) == [b"p", b"q"]
    assert unwritten.size_bytes == 2 * ENTRY_OVERHEAD_BYTES + 4
    assert unwritten.put({b"r": b"", b"p": b"1"}) == [b"r"]
    assert unwritten.size_bytes == 3 * ENTRY_OVERHEAD_BYTES + 4


def test_what_was_not_written_is_taken_back_under_what_is_newer() -> None:
    older = holding({b"p": member(1), b"q": member(2)})
    older.put_key(b"key", b"older")
    older.put_key(b"other", b"older")
    newer = holding({b"q": member(3), b"r": member(4)})
    newer.put_key(b"key", None)
    newer.put_under(older)
    assert records_of(newer) == {b"p": member(1), b"q": member(3), b"r": member(4)}
    assert newer.keys == {b"key": None, b"other": b"older"}


def test_who_departed_in_what_was_not_written_has_departed_still_unless_it_came_back() -> None:
    older = holding({b"p": encode_departed(1), b"q": encode_departed(2), b"r": encode_departed(3)})
    newer = holding({b"q": member(4), b"r": encode_departed(5)})
    newer.put_under(older)
    assert newer.departed_before(OFFSETS_END, 10) == [Departed(b"p", 1), Departed(b"r", 5)]
    assert newer.drop_departed(b"p", 1)
    assert not newer.drop_departed(b"q", 2)
    assert not newer.drop_departed(b"r", 3), "it departed again since"


def test_who_came_back_in_what_was_not_written_and_departed_since_has_departed() -> None:
    newer = holding({b"p": encode_departed(2)})
    newer.put_under(holding({b"p": encode_departed(0)}, {b"p": member(1)}))
    assert newer.departed_before(OFFSETS_END, 10) == [Departed(b"p", 2)]


def test_what_is_put_after_it_was_taken_back_replaces_it() -> None:
    newer = holding({b"q": member(1)})
    newer.put_under(holding({b"p": encode_departed(0)}))
    assert newer.put({b"p": member(2), b"r": member(3)}) == [b"r"]
    assert newer.departed_before(OFFSETS_END, 10) == []
    assert records_of(newer) == {b"p": member(2), b"q": member(1), b"r": member(3)}


@given(
    st.lists(st.dictionaries(st.sampled_from(PROFILES), st.booleans()), max_size=6),
    st.integers(0, 6),
)
def test_taken_back_it_is_as_if_it_had_never_been_taken(batches: list[dict[bytes, bool]], taken: int) -> None:
    changes = [
        {
            profile: encode_departed(offset) if departs else member(offset)
            for profile, departs in batch.items()
        }
        for offset, batch in enumerate(batches)
    ]
    never_taken, newer = holding(*changes), holding(*changes[taken:])
    newer.put_under(holding(*changes[:taken]))
    assert newer.records.in_order() == never_taken.records.in_order()
    assert newer.departed == never_taken.departed
    latest = dict(zip(*newer.records.in_order(), strict=True))
    expected = {profile: record_offset(record) for profile, record in latest.items() if has_departed(record)}
    assert newer.departed == expected


def test_those_that_departed_first_are_told_first_and_no_more_than_are_asked_for() -> None:
    unwritten = holding({b"p": encode_departed(5)}, {b"q": encode_departed(3), b"r": encode_departed(9)})
    assert unwritten.departed_before(9, 10) == [Departed(b"q", 3), Departed(b"p", 5)]
    assert unwritten.departed_before(9, 1) == [Departed(b"q", 3)]
    assert unwritten.departed_before(OFFSETS_END, 0) == []
