"""What a fetch returned, unpacked by whole batches of Kafka's."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from processor.kafka import records as unpacking
from processor.kafka.records import unpack_whole_batches

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACE = TopicPartition("events", 0)
_CONTROL_BIT = 0x20
_ATTRIBUTES_AT = 22
_CRC_AT = 17


@pytest.fixture(autouse=True)
def _in_place() -> None:
    unpack_whole_batches()


def batch(offsets: Iterable[int], compression: int = 0) -> bytearray:
    """A batch as a producer makes it, at the offsets that the broker gave it."""
    numbers = list(offsets)
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for relative, offset in enumerate(numbers):
        builder.append(relative, 1_700_000_000_000 + offset, b"key-%d" % offset, b"value-%d" % offset, [])
    text = bytearray(builder.build())
    text[0:8] = numbers[0].to_bytes(8, "big")
    return text


def corrupt(text: bytearray) -> bytearray:
    text[_CRC_AT] ^= 0xFF
    return text


def fetched(*batches: bytearray, position: int = 0, check_crcs: bool = True) -> Any:
    """What a fetch from `position` returned."""
    records = fetcher.MemoryRecords(b"".join(bytes(each) for each in batches))
    return fetcher.PartitionRecords(PLACE, records, [], position, None, None, check_crcs, 0)


def offsets_of(records: Iterable[Any]) -> list[int]:
    return [record.offset for record in records]


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
def test_records_of_all_batches_come_once_and_in_order(compression: int) -> None:
    found = fetched(batch(range(3), compression), batch(range(3, 5), compression))
    records = found.take(100)
    assert offsets_of(records) == [0, 1, 2, 3, 4]
    assert (records[3].key, records[3].value, records[3].timestamp) == (
        b"key-3",
        b"value-3",
        1_700_000_000_003,
    )
    assert found.next_fetch_offset == 5
    assert found.is_exhausted
    assert found.take(100) == []


def test_the_position_never_passes_a_record_that_was_not_taken() -> None:
    found = fetched(batch(range(3)), batch(range(3, 6)))
    taken = []
    for wanted, position in ((2, 2), (2, 4), (1, 5), (5, 6)):
        taken += offsets_of(found.take(wanted))
        assert found.next_fetch_offset == position
        assert found.is_exhausted == (position == 6)
    assert taken == [0, 1, 2, 3, 4, 5]


def test_a_batch_that_begins_before_the_position_is_taken_from_there_on() -> None:
    found = fetched(batch(range(10)), position=7)
    assert offsets_of(found.take(100)) == [7, 8, 9]


def test_offsets_that_compaction_took_are_passed() -> None:
    found = fetched(batch([2]), batch([9]), position=1)
    assert offsets_of(found.take(100)) == [2, 9]
    assert found.next_fetch_offset == 10


def test_a_transaction_s_marker_is_passed_over() -> None:
    marker = batch([1])
    marker[_ATTRIBUTES_AT] |= _CONTROL_BIT
    found = fetched(batch([0]), marker, batch([2]), check_crcs=False)
    assert offsets_of(found.take(100)) == [0, 2]
    assert found.next_fetch_offset == 3


def test_what_stands_before_a_corrupt_batch_is_whole_and_the_position_stays_before_that() -> None:
    found = fetched(batch(range(2)), corrupt(batch([2, 3])), batch([4]))
    assert offsets_of(found.take(100)) == [0, 1]
    assert found.next_fetch_offset == 2
    assert found.is_exhausted


def test_a_corrupt_batch_is_told_where_nothing_stands_before_it() -> None:
    found = fetched(corrupt(batch([2, 3])), position=2)
    with pytest.raises(kafka.CorruptRecordException):
        found.take(100)
    assert found.next_fetch_offset == 2


@pytest.mark.parametrize("has_crc32c", [True, False])
@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
@pytest.mark.parametrize("flipped", [_ATTRIBUTES_AT + 3, -1])
def test_a_flipped_bit_anywhere_is_noticed(
    monkeypatch: pytest.MonkeyPatch, flipped: int, compression: int, *, has_crc32c: bool
) -> None:
    monkeypatch.setattr(unpacking, "_HAS_CRC32C", has_crc32c)
    damaged = batch([3, 4], compression)
    damaged[flipped] ^= 1
    found = fetched(batch(range(3), compression), damaged, batch([5], compression))
    assert offsets_of(found.take(100)) == [0, 1, 2]
    assert found.is_exhausted


def test_what_the_last_batch_lacks_is_fetched_again() -> None:
    found = fetched(batch(range(3)), batch([3, 4])[:-1])
    assert offsets_of(found.take(100)) == [0, 1, 2]
    assert found.next_fetch_offset == 3
    assert found.is_exhausted


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_the_old_formats_are_checked_and_unpacked_as_well(magic: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for offset in range(2):
        builder.append(offset, 1_700_000_000_000, b"key", b"value-%d" % offset)
    old = bytearray(builder.build())
    assert [record.value for record in fetched(old).take(100)] == [b"value-0", b"value-1"]
    old[-1] ^= 1
    assert offsets_of(fetched(old).take(100)) == [0]


def test_one_at_a_time_is_the_same() -> None:
    assert offsets_of(fetched(batch(range(2)), batch(range(2, 4)))) == [0, 1, 2, 3]


def test_what_was_fetched_goes_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        found = fetched(batch(range(3)))
        gone = weakref.ref(found)
        found.take(100)
        del found
        assert gone() is None, "buffers would stay until a collection"
    finally:
        gc.enable()
