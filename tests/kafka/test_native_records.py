"""Fetched batches, unpacked natively: the records are those of aiokafka's own parser, or left to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from processor.native import native
from processor.profile.source_record import RECORD_OVERHEAD_BYTES, kept, keys_of, size_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.profile.source_record import Record

pytestmark = pytest.mark.skipif(native is None, reason="plain Python alone is installed here")

_HEAD_BYTES = 61
_APPEND_TIME_BIT = 0x08
_ATTRIBUTES_AT = 22

_LARGE = 512
"""Values from this size on lie where they were fetched."""

BYTES_OR_NONE = st.none() | st.binary(max_size=80) | st.binary(min_size=_LARGE - 2, max_size=_LARGE + 2)
HEADERS = st.lists(st.tuples(st.text(max_size=8), BYTES_OR_NONE), max_size=3)
RECORDS = st.lists(
    st.tuples(st.integers(0, 1 << 42), BYTES_OR_NONE, BYTES_OR_NONE, HEADERS), min_size=1, max_size=6
)


def batch(records: Iterable[tuple[int, Any, Any, Any]], first: int = 0, attributes: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for at, parts in enumerate(records):
        builder.append(at, *parts)
    text = bytearray(builder.build())
    text[:8] = first.to_bytes(8, "big")
    text[_ATTRIBUTES_AT] |= attributes
    return bytes(text)


def parts_of(records: Sequence[Record]) -> list[object]:
    return [(each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in records]


def by_aiokafka(text: bytes) -> list[Record]:
    return list(MemoryRecords(text).next_batch())


def unpacked(text: bytes) -> list[Record]:
    found = native.unpacked(text, 0, len(text), None)
    assert found is not None
    return list(found)


@given(RECORDS, st.integers(0, 1 << 50), st.sampled_from([0, _APPEND_TIME_BIT]))
def test_the_records_are_those_of_aiokafkas_parser(records: Any, first: int, attributes: int) -> None:
    text = batch(records, first, attributes)
    assert parts_of(unpacked(text)) == parts_of(by_aiokafka(text))


@given(RECORDS, st.binary(max_size=20), st.binary(max_size=20))
def test_a_batch_is_found_where_it_lies_and_its_content_where_it_is_decompressed(
    records: Any, before: bytes, after: bytes
) -> None:
    text = batch(records)
    expected = parts_of(by_aiokafka(text))
    within = before + text + after
    found = native.unpacked(within, len(before), len(before) + len(text), None)
    assert found is not None
    assert parts_of(found) == expected
    head, content = text[:_HEAD_BYTES], text[_HEAD_BYTES:]
    apart = native.unpacked(head, 0, _HEAD_BYTES, content)
    assert apart is not None
    assert parts_of(apart) == expected


@given(RECORDS, st.data())
def test_of_a_batch_that_is_damaged_it_takes_only_what_aiokafkas_parser_takes_and_as_that(
    records: Any, data: st.DataObject
) -> None:
    text = bytearray(batch(records))
    at = data.draw(st.integers(_HEAD_BYTES - 4, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    found = native.unpacked(bytes(text), 0, len(text), None)
    if found is not None:
        try:
            assert parts_of(found) == parts_of(by_aiokafka(bytes(text)))
        except (CorruptRecordException, UnicodeDecodeError) as error:
            pytest.fail(f"aiokafka's parser refuses it: {error}")


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_what_is_compressed_is_not_taken_for_records(codec: int) -> None:
    text = batch([(0, b"k", b"v", [])], attributes=codec)
    assert native.unpacked(text, 0, len(text), None) is None


@pytest.mark.parametrize("place", [(0, 60), (0, 1 << 40), (1, 0), (-1, 61)])
def test_what_is_no_batch_is_left_to_aiokafka(place: tuple[int, int]) -> None:
    text = batch([(0, b"k", b"v", [])])
    assert native.unpacked(text, *place, None) is None
    assert native.is_whole(text, *place) is None


def test_any_bit_that_changed_is_seen_and_older_formats_are_left_to_aiokafka() -> None:
    text = bytearray(batch([(0, b"key", b"value", [])]))
    assert native.is_whole(bytes(text), 0, len(text)) is True
    text[-1] ^= 1
    assert native.is_whole(bytes(text), 0, len(text)) is False
    text[16] = 1
    assert native.is_whole(bytes(text), 0, len(text)) is None


@given(RECORDS)
def test_sizes_are_those_of_keys_and_values(records: Any) -> None:
    text = batch(records)
    assert size_bytes(unpacked(text)) == size_bytes(by_aiokafka(text))
    assert size_bytes([]) == 0
    assert size_bytes(unpacked(text)[:1]) >= RECORD_OVERHEAD_BYTES


def test_large_values_lie_where_they_were_fetched_and_hold_that_as_long_as_their_records_live() -> None:
    large = bytes(range(256)) * 4
    text = batch([(0, b"key", large, [("name", b"x")]), (1, None, None, []), (2, b"", large[:_LARGE], [])])
    before = sys.getrefcount(text)
    found = unpacked(text)
    assert sys.getrefcount(text) == before + 2
    assert [each.value for each in found] == [large, None, large[:_LARGE]]
    del found
    assert sys.getrefcount(text) == before


def test_large_values_of_a_compressed_batch_hold_nothing_of_what_it_was_decompressed_to() -> None:
    plain = batch([(0, b"key", b"v" * _LARGE, []), (1, b"key", None, [])])
    compressed, content = batch([], attributes=4)[:_HEAD_BYTES], plain[_HEAD_BYTES:]
    head = bytearray(plain[:_HEAD_BYTES])
    head[_ATTRIBUTES_AT] |= 4
    before = sys.getrefcount(content)
    found = native.unpacked(bytes(head), 0, len(compressed), content)
    assert [each.value for each in found or ()] == [b"v" * _LARGE, None]
    assert sys.getrefcount(content) == before


def test_small_values_hold_nothing_but_themselves_and_give_themselves_back() -> None:
    text = batch([(0, b"key", b"v" * (_LARGE - 1), []), (1, b"key", None, []), (2, None, b"", [])])
    before = sys.getrefcount(text)
    found = unpacked(text)
    assert sys.getrefcount(text) == before
    value = found[0].value
    held = sys.getrefcount(value)
    del found
    assert sys.getrefcount(value) == held - 1


@given(RECORDS)
def test_a_record_that_is_kept_is_the_same_and_holds_nothing_of_what_was_fetched_with_it(
    records: Any,
) -> None:
    text = batch(records)
    before = sys.getrefcount(text)
    by_themselves = [kept(each) for each in unpacked(text)]
    assert sys.getrefcount(text) == before
    assert parts_of(by_themselves) == parts_of(by_aiokafka(text))
    assert size_bytes(by_themselves) == size_bytes(by_aiokafka(text))
    assert all(each.value is each.value for each in by_themselves)


def test_a_record_of_aiokafka_is_kept_as_it_is() -> None:
    (theirs,) = by_aiokafka(batch([(0, b"key", b"v" * _LARGE, [])]))
    assert kept(theirs) is theirs


@given(RECORDS)
def test_keys_are_those_of_the_records_that_have_one(records: Any) -> None:
    text = batch(records)
    theirs = by_aiokafka(text)
    assert keys_of(unpacked(text)) == keys_of(theirs) == [key for _, key, *_ in records if key is not None]
    assert native.keys([*unpacked(text), *theirs]) is None


@given(RECORDS)
def test_keys_are_those_of_any_sequence_and_no_exception_is_left_behind(records: Any) -> None:
    mine = unpacked(batch(records))
    assert native.keys(tuple(mine)) == native.keys(mine)
    assert native.size_bytes(mine) is not None


def test_a_record_is_not_made_or_changed_by_hand() -> None:
    (found,) = unpacked(batch([(0, b"key", b"value", [])]))
    with pytest.raises(TypeError):
        native.Record()
    with pytest.raises(AttributeError):
        found.offset = 1  # type: ignore[misc]


def test_records_of_aiokafka_are_measured_in_plain_python() -> None:
    theirs = by_aiokafka(batch([(0, b"key", b"value", [])]))
    assert native.size_bytes(theirs) is None
    assert size_bytes(theirs) == RECORD_OVERHEAD_BYTES + 8
