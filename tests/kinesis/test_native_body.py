"""A PutRecords call's body, made natively: the very bytes of plain Python's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.kinesis_json import plain_body, request_body
from processor.native import native
from processor.profile.structs import Export

STREAM = {"StreamName": "exports"}


def exports(*of: tuple[str, bytes]) -> list[Export]:
    return [Export(key.encode(), key, data) for key, data in of]


@given(st.lists(st.tuples(st.text(max_size=256), st.binary(max_size=300)), max_size=8))
def test_both_make_the_same_body_of_any_key_and_data(of: list[tuple[str, bytes]]) -> None:
    records = exports(*of)
    assert request_body(STREAM, records) == plain_body(STREAM, records)


def test_both_make_the_same_body_of_data_of_every_length() -> None:
    data = bytes(range(256)) * 3
    records = exports(*((str(length), data[length:]) for length in range(len(data) + 1)))
    assert request_body(STREAM, records) == plain_body(STREAM, records)


def test_a_call_without_records_has_an_empty_list() -> None:
    assert request_body(STREAM, []) == b'{"StreamName":"exports","Records":[]}'


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@pytest.mark.parametrize(
    "records", [(), [None], [Export(b"", "\ud800", b"")]], ids=["no list", "none", "no UTF-8"]
)
def test_what_it_was_not_made_for_is_left_to_plain_python(records: list[Export]) -> None:
    assert native.put_records_body(b"", records) is None
