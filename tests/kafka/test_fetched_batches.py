"""What a fetch returned, unpacked by whole batches of Kafka's."""

from __future__ import annotations

import gc
import struct
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from processor.kafka import fetched_batches as unpacking
from processor.kafka.fetched_batches import taking, unpack_whole_batches
from processor.kafka.poll_room import Room
from processor.profile.source_record import RECORD_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACE = TopicPartition("events", 0)
AIOKAFKAS_OWN = fetcher.PartitionRecords
_CONTROL_BIT = 0x20
_ATTRIBUTES_AT = 22
_CRC_AT = 17


@pytest.fixture(autouse=True)
def _in_place() -> None:
    unpack_whole_batches()


def batch(offsets: Iterable[int], compression: int = 0, producer: int | None = None) -> bytearray:
    """A batch as a producer makes it, at the offsets that the broker gave it; in a transaction, where it has an id."""
    numbers = list(offsets)
    state = (0, -1, -1, -1) if producer is None else (1, producer, 0, 0)
    builder = DefaultRecordBatchBuilder(2, compression, *state, 1 << 20)
    for relative, offset in enumerate(numbers):
        builder.append(relative, 1_700_000_000_000 + offset, b"key-%d" % offset, b"value-%d" % offset, [])
    text = bytearray(builder.build())
    text[0:8] = numbers[0].to_bytes(8, "big")
    return text


def marker(offset: int, producer: int, *, is_commit: bool) -> bytearray:
    """The end of a transaction, as the broker writes it."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, producer, 0, -1, 1 << 20)
    builder.append(0, 1_700_000_000_000, struct.pack(">hh", 0, is_commit), b"\0" * 6, [])
    text = bytearray(builder.build())
    text[0:8] = offset.to_bytes(8, "big")
    text[_ATTRIBUTES_AT] |= _CONTROL_BIT
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


def test_a_corrupt_batch_is_reported_where_nothing_stands_before_it() -> None:
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


Step = tuple[str, int, int]
"""What is appended: a batch of so many records, or an end, and by which producer; producer 0 has no transactions."""

STEPS = st.lists(
    st.tuples(st.sampled_from(["batch", "batch", "commit", "abort"]), st.integers(0, 3), st.integers(1, 4)),
    max_size=25,
)


@given(steps=STEPS, compression=st.sampled_from([0, 1, 3, 4]), start=st.integers(0, 60), data=st.data())
def test_of_what_was_aborted_nothing_comes_wherever_the_fetch_begins(
    steps: list[Step], compression: int, start: int, data: st.DataObject
) -> None:
    unpack_whole_batches()
    log, end = list[tuple[int, bytearray]](), 0
    begun, aborted = dict[int, int](), list[tuple[int, int, int]]()
    fates = dict[int, int]()
    for what, producer, count in steps:
        if what == "batch":
            log.append((end + count, batch(range(end, end + count), compression, producer or None)))
            if producer:
                begun.setdefault(producer, end)
            fates.update((offset, producer) for offset in range(end, end + count))
            end += count
        elif producer in begun:
            first = begun.pop(producer)
            log.append((end + 1, marker(end, producer, is_commit=what == "commit")))
            if what == "abort":
                aborted.append((producer, first, end))
            end += 1
    stable = min(begun.values(), default=end)
    start = min(start, stable)
    # As the broker answers: whole batches, the first of which may begin before the position, up to the stable offset.
    sent = [text for until, text in log if until > start and int.from_bytes(text[:8], "big") < stable]
    told = [(producer, first) for producer, first, last in aborted if last >= start and first < stable]
    told = data.draw(st.permutations(told))
    found = fetcher.PartitionRecords(
        PLACE, fetcher.MemoryRecords(b"".join(map(bytes, sent))), told, start, None, None, False, 1
    )
    taken = list[int]()
    while not found.is_exhausted:
        taken += offsets_of(found.take(data.draw(st.integers(1, 7))))
    gone = {o for o, p in fates.items() if any(p == q and a <= o < b for q, a, b in aborted)}
    assert taken == [offset for offset in fates if start <= offset < stable and offset not in gone]
    assert found.next_fetch_offset == (stable if sent else start)
    own = AIOKAFKAS_OWN(PLACE, MemoryRecords(b"".join(map(bytes, sent))), told, start, None, None, False, 1)
    assert offsets_of(own) == taken


def getall(found: Any, position: int, room: Room) -> tuple[list[int], int, bool]:
    """What a poll takes of a partition: its offsets, the position after them, and whether it is to be fetched anew."""
    state = SimpleNamespace(paused=False, position=position)
    state.consumed_to = lambda after: setattr(state, "position", after)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    result = fetcher.FetchResult(PLACE, assignment=assignment, partition_records=found, backoff=0)
    with taking(room):
        records = result.getall()
    return offsets_of(records), state.position, not result.has_more()


@pytest.mark.parametrize("compression", [0, 1, 3, 4], ids=["plain", "gzip", "lz4", "zstd"])
def test_batches_are_unpacked_only_while_there_is_room_and_then_whole(compression: int) -> None:
    found = fetched(*(batch(range(at, at + 10), compression) for at in (0, 10, 20)))
    one_batch = 10 * (RECORD_OVERHEAD_BYTES + 30)
    assert getall(found, 0, Room(1000, one_batch + 1, {0: 1 << 20})) == (list(range(20)), 20, False)
    assert getall(found, 20, Room(1000, 0, {0: 1 << 20})) == ([], 20, False)
    assert getall(found, 20, Room(1000, 1 << 20, {})) == ([], 20, False)
    assert getall(found, 20, Room(1, 1 << 20, {0: 1})) == (list(range(20, 30)), 30, True)


def test_where_room_is_scarce_a_part_of_a_batch_is_taken_and_the_rest_fetched_again() -> None:
    two = 2 * (RECORD_OVERHEAD_BYTES + 20)
    position = 3
    for taken in ([3, 4], [5, 6], [7, 8], [9]):
        found = fetched(batch(range(10)), batch(range(10, 20)), position=position)
        room = Room(1000, 1 << 20, {0: two}, is_scarce=True)
        offsets, position, is_to_be_fetched = getall(found, position, room)
        assert (offsets, position) == (taken, taken[-1] + 1)
        assert is_to_be_fetched == (taken != [9])


def test_a_record_that_is_larger_than_all_room_is_taken_alone_where_room_is_scarce() -> None:
    found = fetched(batch(range(10)))
    assert getall(found, 0, Room(1000, 1, {0: 1}, is_scarce=True)) == ([0], 1, True)
