"""State records, put and looked for by batches: natively as in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.native import native
from processor.profile.state_record import encode_departed, encode_record
from processor.profile.structs import StateRecord
from processor.state.record_changes import (
    drop_same,
    plain_drop_same,
    plain_put_changes,
    plain_recalled,
    put_changes,
    recalled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILES = st.binary(max_size=3)
OFFSETS = st.integers(0, 1 << 40)
STATE_RECORDS = (
    st.builds(encode_departed, OFFSETS, st.integers(0, 3))
    | st.builds(
        lambda offset, at: encode_record(StateRecord(offset, memberships={"s": at})),
        OFFSETS,
        st.text(max_size=9),
    )
    | st.binary(max_size=3)
)
RECORDS = st.dictionaries(PROFILES, STATE_RECORDS, max_size=8)


@given(RECORDS, RECORDS)
def test_what_is_put_is_there_and_its_growth_and_departures_are_told(
    before: dict[bytes, bytes], changes: dict[bytes, bytes]
) -> None:
    natively, plainly = dict(before), dict(before)
    assert put_changes(natively, changes) == plain_put_changes(plainly, changes)
    assert list(natively.items()) == list(plainly.items()) == list((before | changes).items())


def test_a_profile_that_is_new_costs_its_entry_and_one_that_is_known_the_difference() -> None:
    records = {b"known": b"\x01\x94\x01"}
    grown_bytes, departed = put_changes(records, {b"known": b"\x01\x91\x02", b"new": b"\x02\x92\x03\x01"})
    assert grown_bytes == 200 + len(b"new") + 4
    assert departed == [b"known", b"new"]


@given(RECORDS, st.lists(PROFILES, max_size=8))
def test_records_are_found_once_each_and_the_other_profiles_are_returned(
    records: dict[bytes, bytes], profiles: list[bytes]
) -> None:
    natively, plainly = dict[bytes, bytes | None](), dict[bytes, bytes | None]()
    assert recalled(records, profiles, natively) == plain_recalled(records, profiles, plainly)
    assert list(natively.items()) == list(plainly.items())


@pytest.mark.parametrize("drop", [drop_same, plain_drop_same])
def test_the_very_same_record_is_dropped_and_an_equal_one_stays(
    drop: Callable[[dict[bytes, bytes], dict[bytes, bytes]], None],
) -> None:
    first = encode_departed(300, 0)
    later = bytes(bytearray(first))
    pending = {b"same": first, b"later": later, b"other": first}
    drop(pending, {b"same": first, b"later": first, b"unknown": first})
    assert list(pending) == [b"later", b"other"]


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
def test_what_it_was_not_made_for_is_left_to_plain_python_and_nothing_was_done() -> None:
    records = {b"a": b"b"}
    assert native.put_changes(records, {b"new": b"", b"c": None}, 200) is None  # type: ignore[dict-item]
    assert native.put_changes(records, [], 200) is None  # type: ignore[arg-type]
    assert native.drop_same([], {b"a": b""}) is None  # type: ignore[arg-type]
    assert native.recalled(records, (b"a",), {}) is None
    assert native.any_departed({b"a": None}) is None  # type: ignore[dict-item]
    assert records == {b"a": b"b"}


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@given(RECORDS)
def test_whether_any_departed_is_told_as_of_each(changes: dict[bytes, bytes]) -> None:
    _, departed = plain_put_changes({}, changes)
    assert native.any_departed(changes) is bool(departed)
