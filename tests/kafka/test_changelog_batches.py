"""The changelog's entries as batches: natively the very bytes that aiokafka's builder makes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from processor.kafka.changelog_batches import (
    Deletion,
    WholeBatch,
    batches_of,
    plain_batches_of,
    plain_seal,
    seal,
)
from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_CODEC_AT = 22
_SNAPPY = 2
NOW_MS = 1_700_000_000_250

ENTRIES = st.dictionaries(
    st.binary(max_size=40),
    st.binary(max_size=300) | st.builds(Deletion, st.integers(0, 1 << 62), st.integers(0, 1 << 40)),
    max_size=12,
)


def sent(batch: WholeBatch) -> bytes:
    """What the producer would send of it."""
    assert batch.closed()
    batch._set_producer_state(7, 1, 20_000)
    return bytes(batch._build())


def records_of(batch: WholeBatch) -> list[object]:
    found = MemoryRecords(sent(batch)).next_batch()
    assert found.validate_crc()
    return [(each.offset, each.key, each.value, list(each.headers)) for each in found]


def headers_of(entry: bytes | Deletion) -> list[tuple[str, bytes]]:
    if isinstance(entry, bytes):
        return []
    told = [("offset", b"%d" % entry.offset), ("backfill", b"%d" % entry.backfill)]
    return told if entry.backfill else told[:1]


def by_aiokafka(entries: Mapping[bytes, bytes | Deletion], bytes_max: int) -> list[tuple[int, bytes]]:
    """Its batches of the entries, all at one time, and how many records each has."""
    made, count = [], 0
    builder = None
    for key, entry in entries.items():
        rest = (NOW_MS, key, entry if isinstance(entry, bytes) else None, headers_of(entry))
        if builder is None or builder.append(count, *rest) is None:
            if builder is not None:
                made.append((count, bytes(builder.build())))
            builder, count = DefaultRecordBatchBuilder(2, 0, 0, 7, 1, 20_000, bytes_max), 0
            builder.append(count, *rest)
        count += 1
    return made if builder is None else [*made, (count, bytes(builder.build()))]


@given(ENTRIES)
def test_every_entry_is_a_record_in_order(entries: dict[bytes, bytes | Deletion]) -> None:
    expected = [
        (at, key, entry if isinstance(entry, bytes) else None, headers_of(entry))
        for at, (key, entry) in enumerate(entries.items())
    ]
    for made in (batches_of(entries, 1 << 20), plain_batches_of(entries, 1 << 20)):
        assert [batch.record_count() for batch in made] == ([len(entries)] if entries else [])
        assert [record for batch in made for record in records_of(batch)] == expected


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@given(ENTRIES, st.integers(61, 1_500))
def test_natively_the_bytes_are_those_of_aiokafkas_builder_at_one_time(
    entries: dict[bytes, bytes | Deletion], bytes_max: int
) -> None:
    made = native.record_batches(entries, bytes_max, NOW_MS, b"offset", b"backfill")
    assert made is not None
    for batch, _ in made:
        seal(batch, 0, 7, 1, 20_000)
    assert [(count, bytes(batch)) for batch, count in made] == by_aiokafka(entries, bytes_max)


@given(
    st.binary(max_size=3_000),
    st.integers(0, 4),
    st.integers(-1, 1 << 62),
    st.integers(-1, 1 << 14),
    st.integers(0, 1 << 30),
)
def test_natively_a_batch_is_sealed_as_in_plain_python(
    content: bytes, codec: int, producer: int, epoch: int, sequence: int
) -> None:
    natively, plainly = bytearray(61) + content, bytearray(61) + content
    seal(natively, codec, producer, epoch, sequence)
    plain_seal(plainly, codec, producer, epoch, sequence)
    assert natively == plainly


@pytest.mark.parametrize("make", [batches_of, plain_batches_of])
def test_a_batch_is_compressed_where_it_becomes_less_by_it(make: Callable[..., list[WholeBatch]]) -> None:
    (repetitive,) = make({b"profile-1": b"abcd" * 500}, 1 << 20)
    assert sent(repetitive)[_CODEC_AT] == _SNAPPY
    assert repetitive.size() < 300
    (single,) = make({b"a": b"b"}, 1 << 20)
    assert sent(single)[_CODEC_AT] == 0


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@pytest.mark.parametrize(
    "entries", [{b"a": None}, {"a": b""}, {b"a": (1, 2, 3)}, {b"a": (1 << 64, 0)}, [(b"a", b"")]]
)
def test_what_it_was_not_made_for_is_left_to_plain_python(entries: Mapping[bytes, bytes]) -> None:
    assert native.record_batches(entries, 1 << 20, 0, b"offset", b"backfill") is None


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@pytest.mark.parametrize(
    "state",
    [
        (bytearray(60), 0, 1, 1, 1),
        (b"\0" * 61, 0, 1, 1, 1),
        (bytearray(61), 0, 1 << 63, 1, 1),
        (bytearray(61), 0, 1, 1 << 15, 1),
    ],
)
def test_what_is_no_batch_is_not_sealed(state: tuple[bytearray, int, int, int, int]) -> None:
    assert native.seal_batch(*state) is None


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
def test_a_batch_that_is_sent_again_is_sealed_once_and_keeps_its_number() -> None:
    (batch,) = batches_of({b"a": b"b"}, 1 << 20)
    assert isinstance(batch, WholeBatch)
    batch._set_producer_state(7, 1, 5)
    first = bytes(batch._build())
    assert bytes(batch._build()) == first
    assert struct.unpack_from(">qhi", first, 43) == (7, 1, 5)
    assert batch.size() == len(first)


def test_without_entries_there_is_no_batch() -> None:
    assert batches_of({}, 100) == plain_batches_of({}, 100) == []
