"""The state record: what it keeps, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import InvalidStateRecord
from processor.governance.destination import Segment
from processor.profile.state_record import (
    decode_record,
    encode_departed,
    encode_record,
    has_departed,
    segment_key,
    split_attributes,
)
from processor.profile.structs import StateRecord

RECORDS = st.builds(
    StateRecord,
    offset=st.integers(0, 2**63 - 1),
    attributes=st.binary(min_size=12, max_size=12),
    identities=st.binary(),
    memberships=st.dictionaries(st.text(), st.text()),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: StateRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(st.integers(0, 2**63 - 1))
def test_a_profile_that_left_keeps_its_offset_alone(offset: int) -> None:
    left = encode_departed(offset)
    assert has_departed(left)
    assert decode_record(left) == StateRecord(offset)


@given(RECORDS)
def test_a_member_is_not_taken_for_one_that_left(record: StateRecord) -> None:
    assert not has_departed(encode_record(record))


@pytest.mark.parametrize("state", [b"", b"\x00\x91\x01", b"\x02\x91\x01"])
def test_another_version_is_refused_with_a_remedy(state: bytes) -> None:
    with pytest.raises(InvalidStateRecord, match="this release reads version 1: run the release"):
        decode_record(state)


@given(RECORDS, st.data())
def test_a_record_that_is_cut_short_is_refused(record: StateRecord, data: st.DataObject) -> None:
    whole = encode_record(record)
    length = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(InvalidStateRecord, match="damaged"):
        decode_record(whole[:length])


def test_ids_of_two_namespaces_do_not_meet() -> None:
    assert segment_key(Segment(id="one", namespace="ups")) == "one"
    assert segment_key(Segment(id="one", namespace="other")) == "other\0one"


def test_attributes_are_digests_by_digests() -> None:
    assert split_attributes(b"pathvaluevalPATHVALUEVAL") == {b"path": b"valueval", b"PATH": b"VALUEVAL"}


@pytest.mark.parametrize("cut", [b"", b"\x01", b"\x02\x91\x07"])
def test_what_is_cut_short_or_anothers_is_no_profile_that_left(cut: bytes) -> None:
    assert not has_departed(cut)
