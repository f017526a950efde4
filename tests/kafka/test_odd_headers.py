"""A header's name may be any bytes; it keeps no event from being read."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from hypothesis import given
from hypothesis import strategies as st

from processor.kafka.fetched_batches import unpack_whole_batches
from tests.support.odd_header import Name

NAMES = [
    (b"\xff", r"\xff"),
    (b"a\xc3", r"a\xc3"),
    (b"\xed\xa0\x80", r"\xed\xa0\x80"),
    ("ü".encode(), "ü"),
    (b"", ""),
]


def taken(headers: list[tuple[bytes, bytes | None]], compression: int) -> list[Any]:
    """The records of a batch: one before, one with these headers, one behind."""
    unpack_whole_batches()
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 1 << 20)
    named = [(Name.of(raw), value) for raw, value in headers]
    builder.append(0, 1_000, b"key", b"value", [])
    builder.append(1, 1_001, None, None, named)
    builder.append(2, 1_002, b"key", None, [("duleLabels", b"C1")])
    records = fetcher.MemoryRecords(bytes(builder.build()))
    return list(
        fetcher.PartitionRecords(TopicPartition("t", 0), records, [], 0, None, None, True, 0).take(10)
    )


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4], ids=["plain", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize(("name", "told"), NAMES)
def test_a_name_that_is_not_utf_8_is_escaped(name: bytes, told: str, compression: int) -> None:
    before, odd, after = taken([(name, b"\xff")], compression)
    assert (before.offset, before.timestamp, before.key, before.value) == (0, 1_000, b"key", b"value")
    assert list(odd.headers) == [(told, b"\xff")]
    assert (odd.offset, odd.timestamp, odd.key, odd.value) == (1, 1_001, None, None)
    assert list(after.headers) == [("duleLabels", b"C1")]
    assert [name.encode("utf-8").decode() for name, _ in odd.headers] == [told]  # a dead letter may bear it


@given(st.lists(st.tuples(st.binary(max_size=5), st.none() | st.binary(max_size=5)), max_size=4))
def test_any_headers_are_read(headers: list[tuple[bytes, bytes | None]]) -> None:
    _, odd, _ = taken(headers, 0)
    assert [value for _, value in odd.headers] == [value for _, value in headers]
    for (name, _), (told, _) in zip(headers, odd.headers, strict=True):
        assert told == name.decode("utf-8", "backslashreplace")
