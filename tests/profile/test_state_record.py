"""The state record: what it keeps, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import InvalidStateRecord
from processor.governance.destination import Segment
from processor.profile.state_record import (
    decode_record,
    departed_among,
    encode_departed,
    encode_record,
    has_departed,
    record_offset,
    record_order,
    segment_key,
    split_attributes,
)
from processor.profile.structs import StateRecord

if TYPE_CHECKING:
    from collections.abc import Callable

OFFSETS = st.integers(0, 2**63 - 1)
BACKFILLS = st.integers(1, 2**31)
MEMBERS = {
    "offset": OFFSETS,
    "attributes": st.binary(min_size=12, max_size=12),
    "identities": st.binary(),
    "memberships": st.dictionaries(st.text(), st.text()),
}
RECORDS = st.builds(StateRecord, **MEMBERS)
OF_BACKFILLS = st.builds(StateRecord, **MEMBERS, backfill=BACKFILLS)
ANY = st.one_of(
    RECORDS.map(encode_record),
    OF_BACKFILLS.map(encode_record),
    OFFSETS.map(encode_departed),
    st.builds(encode_departed, OFFSETS, BACKFILLS),
)


@given(st.one_of(RECORDS, OF_BACKFILLS))
def test_a_record_is_read_as_it_was_written(record: StateRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(st.integers(0, 2**63 - 1))
def test_a_profile_that_left_keeps_its_offset_alone(offset: int) -> None:
    left = encode_departed(offset)
    assert has_departed(left)
    assert decode_record(left) == StateRecord(offset)


@given(OFFSETS, BACKFILLS)
def test_a_profile_that_a_backfill_took_out_keeps_its_offset_and_the_backfills_number(
    offset: int, backfill: int
) -> None:
    left = encode_departed(offset, backfill)
    assert has_departed(left)
    assert decode_record(left) == StateRecord(offset, backfill=backfill)


@given(st.one_of(RECORDS, OF_BACKFILLS))
def test_a_member_is_not_taken_for_one_that_left(record: StateRecord) -> None:
    assert not has_departed(encode_record(record))


@given(st.dictionaries(st.binary(), ANY))
def test_those_that_left_are_found_among_changes_in_order(changes: dict[bytes, bytes]) -> None:
    assert departed_among(changes) == [profile for profile, state in changes.items() if has_departed(state)]


def test_the_longest_record_of_one_that_left_is_found() -> None:
    longest = encode_departed(2**63 - 1, 2**63 - 1)
    assert departed_among({b"p": longest, b"q": encode_record(EXAMPLE)}) == [b"p"]


EXAMPLE = StateRecord(7, b"pathdigested", b"{}", {"one": "t"})


@pytest.mark.parametrize(
    ("state", "text"),
    [
        pytest.param(
            encode_record(EXAMPLE),
            b"\x01\x94\x07\xc4\x0cpathdigested\xc4\x02{}\x81\xa3one\xa1t",
            id="a member",
        ),
        pytest.param(encode_departed(7), b"\x01\x91\x07", id="one that left"),
        pytest.param(
            encode_record(StateRecord(7, b"pathdigested", b"{}", {"one": "t"}, 3)),
            b"\x02\x95\x07\xc4\x0cpathdigested\xc4\x02{}\x81\xa3one\xa1t\x03",
            id="a member, of a backfill",
        ),
        pytest.param(encode_departed(7, 3), b"\x02\x92\x07\x03", id="one that left, of a backfill"),
    ],
)
def test_records_have_these_bytes_and_those_of_events_the_ones_that_they_had_before_there_were_backfills(
    state: bytes, text: bytes
) -> None:
    assert state == text


@given(ANY, ANY)
def test_records_are_ordered_by_the_number_of_the_note_and_then_by_offset(one: bytes, other: bytes) -> None:
    first, second = decode_record(one), decode_record(other)
    assert (record_order(one) < record_order(other)) == (
        (first.backfill, first.offset) < (second.backfill, second.offset)
    )
    assert record_offset(one) == first.offset == record_order(one)[1]


@pytest.mark.parametrize(
    "state", [encode_record(EXAMPLE), encode_departed(7)], ids=["a member", "one that left"]
)
def test_a_record_of_before_the_first_backfill_is_older_than_any_behind_it(state: bytes) -> None:
    assert record_order(encode_departed(6)) < record_order(state) < record_order(encode_departed(6, 1))


def test_an_earlier_release_knows_by_the_version_that_it_is_not_to_go_on() -> None:
    of_backfill = StateRecord(7, b"pathdigested", b"{}", {"one": "t"}, 3)
    assert {encode_record(EXAMPLE)[0], encode_departed(7)[0]} == {1}
    assert {encode_record(of_backfill)[0], encode_departed(7, 3)[0]} == {2}


@pytest.mark.parametrize("read", [decode_record, record_offset, record_order])
@pytest.mark.parametrize("state", [b"", b"\x00\x91\x01", b"\x03\x91\x01"])
def test_another_version_is_refused_with_a_remedy(read: Callable[[bytes], object], state: bytes) -> None:
    with pytest.raises(InvalidStateRecord, match="this release reads versions 1 and 2: run the release"):
        read(state)


@given(ANY, st.data())
def test_a_record_that_is_cut_short_is_refused(whole: bytes, data: st.DataObject) -> None:
    short = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(InvalidStateRecord, match="damaged"):
        decode_record(short)
    if whole[1] in b"\x92\x95":
        with pytest.raises(InvalidStateRecord, match="damaged"):
            record_order(short)


def test_ids_of_two_namespaces_do_not_meet() -> None:
    assert segment_key(Segment(id="one", namespace="ups")) == "one"
    assert segment_key(Segment(id="one", namespace="other")) == "other\0one"


def test_attributes_are_digests_by_digests() -> None:
    assert split_attributes(b"pathvaluevalPATHVALUEVAL") == {b"path": b"valueval", b"PATH": b"VALUEVAL"}


@pytest.mark.parametrize("cut", [b"", b"\x01", b"\x02\x91\x07"])
def test_what_is_cut_short_or_anothers_is_no_profile_that_left(cut: bytes) -> None:
    assert not has_departed(cut)
