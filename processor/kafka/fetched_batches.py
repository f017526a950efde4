"""What a fetch returned of a partition, unpacked a batch of Kafka's at a time.

aiokafka unpacks record by record, through a generator and an object of twelve members for each, and computes checksums
without the CPU's help; here a batch is checked by the CPU's own instruction, and its records are made in one call: natively,
where that is installed, else as aiokafka's C extension makes them. Measured on events of 1.2 KB, with their sizes and keys
read: 0.31 µs a record natively, 0.61 else (stages `poll` in docs/performance.md; "What was tried" has what each saves of
all). What is odd, and all of older formats, is for aiokafka's own parser to unpack or to refuse.

Its fetcher has no place to hand in another way, so `unpack_whole_batches` puts three classes of its module in the
place of the ones there. They keep their interface and their promises: a record is returned once, in order, and
the position never passes one that was not. A poll that says how much room there is (`taking`) has no more unpacked
than fits, and one batch. Where the fetch lists aborted transactions, their batches are passed over.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import google_crc32c
from aiokafka import codec
from aiokafka import errors as kafka
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from processor.kafka.aborted_transactions import Aborted
from processor.kafka.odd_headers import unpack_any_header
from processor.native import native
from processor.profile.source_record import RECORD_OVERHEAD_BYTES, kept, size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiokafka import AIOKafkaConsumer

    from processor.kafka.poll_room import Room
    from processor.profile.source_record import Record


def unpack_whole_batches() -> None:
    """Have all consumers of this process unpack by whole batches; harmless to call again."""
    fetcher.MemoryRecords = _Batches
    fetcher.PartitionRecords = _WholeBatches
    fetcher.FetchResult = _Fetched


@contextmanager
def taking(room: Room) -> Iterator[None]:
    """Have a poll within this context take no more than there is room for."""
    _room.set(room)
    try:
        yield
    finally:
        _room.set(None)  # a token would not do: what is never awaited to its end is closed in another context


def fetched_bytes(consumer: AIOKafkaConsumer) -> int:
    """What `consumer` holds of what it fetched, as it came: compressed, and not unpacked to its end."""
    found = consumer._fetcher._records.values()  # noqa: SLF001  no public name has it
    return sum(each.held_bytes for each in found if isinstance(each, _Fetched))


_room: ContextVar[Room | None] = ContextVar("room", default=None)

_HAS_CRC32C: Final = google_crc32c.implementation == "c"
"""Where there is no wheel of it for this machine, aiokafka's own is quicker than its Python."""

_LENGTH_AT: Final = 8
_BODY_AT: Final = 12
_MAGIC_AT: Final = 16
_CHECKED_FROM: Final = 21
_HEAD_BYTES: Final = 61
_MAGIC: Final = 2
_PLAIN: Final = 0
_DECOMPRESS: Final[dict[int, Callable[[bytes], bytes]]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}
"""Of a batch in bytes, format 2: https://kafka.apache.org/documentation/#recordbatch."""


class _Batches:
    """A fetch's bytes, batch by batch; batches are those of aiokafka's own parser, which says what they raise."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parser = MemoryRecords(data)
        self._next_at = 0
        self._at = 0

    def size_in_bytes(self) -> int:
        """Of all batches, one that is not whole included."""
        return int(self._parser.size_in_bytes())

    def has_next(self) -> bool:
        """Whether there is one more whole batch."""
        return bool(self._parser.has_next())

    def next_batch(self) -> Any:  # noqa: ANN401  aiokafka's, of the old formats or the new one
        """The next batch."""
        batch = self._parser.next_batch()
        self._at, length_at = self._next_at, self._next_at + _LENGTH_AT
        self._next_at += _BODY_AT + int.from_bytes(self._data[length_at : length_at + 4])
        return batch

    def unpacked_bytes(self, batch: Any, records: Sequence[Record]) -> int:  # noqa: ANN401  as above
        """What the records of the batch that came last hold in memory, about."""
        if self._data[self._at + _MAGIC_AT] == _MAGIC and batch.compression_type == _PLAIN:
            return self._next_at - self._at + RECORD_OVERHEAD_BYTES * len(records)
        return size_bytes(records)

    def unpacked(self, batch: Any) -> Sequence[Record]:  # noqa: ANN401  as above
        """The records of the batch that came last."""
        if native is not None:
            content = self._decompressed(batch)
            found = native.unpacked(self._data, self._at, self._next_at, content)
            if found is not None:
                return found
        try:
            return list(batch)
        except UnicodeDecodeError:
            return unpack_any_header(self._data[self._at : self._next_at])

    def is_whole(self, batch: Any) -> bool:  # noqa: ANN401  as above
        """Whether the batch that came last is as it was sent."""
        if native is not None:
            is_whole = native.is_whole(self._data, self._at, self._next_at)
            if is_whole is not None:
                return is_whole
        if not _HAS_CRC32C or self._data[self._at + _MAGIC_AT] != _MAGIC:
            return bool(batch.validate_crc())
        return bool(google_crc32c.value(self._data[self._at + _CHECKED_FROM : self._next_at]) == batch.crc)

    def _decompressed(self, batch: Any) -> bytes | None:  # noqa: ANN401  as above
        """What follows the head of the batch that came last; None where it is plain, or for aiokafka's parser to judge."""
        if self._data[self._at + _MAGIC_AT] != _MAGIC:
            return None
        decompress = _DECOMPRESS.get(batch.compression_type)
        if decompress is None:
            return None
        with suppress(
            Exception
        ):  # whatever it is, aiokafka's parser meets it as well, and says it in its way
            return decompress(self._data[self._at + _HEAD_BYTES : self._next_at])
        return None


class _WholeBatches(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """Kafka's batches of one partition."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401  passed on
        super().__init__(*arguments)
        self._records: _Batches
        # aiokafka's own way of unpacking, and with it a cycle that would keep what was fetched until it is collected.
        self._records_iterator = None
        self.next_fetch_offset: int
        self._unpacked: list[Record] = []
        self._unpacked_end = self.next_fetch_offset
        self._is_done = False
        """Whether no further batch is to be taken, though there may be one."""
        has_aborted = self._isolation_level == fetcher.READ_COMMITTED and self._aborted_transactions
        self._aborted = Aborted(self._aborted_transactions) if has_aborted else None

    def __next__(self) -> Record:
        taken = self.take(1)
        if not taken:
            raise StopIteration
        return taken[0]

    @property
    def is_exhausted(self) -> bool:
        """Whether there is nothing more to take."""
        return not self._unpacked and self._is_read

    @property
    def size_in_bytes(self) -> int:
        """What was fetched."""
        return self._records.size_in_bytes()

    @property
    def _is_read(self) -> bool:
        return self._is_done or not self._records.has_next()

    def take(self, count: int, room: Room | None = None) -> list[Record]:
        """The next records, up to `count`; of further batches none once there is no `room`.

        Raises:
            CorruptRecordException: the next batch is not as it was sent; it is to be fetched again.

        """
        taken, partition = self._unpacked, self._tp.partition
        while len(taken) < count and not self._is_read:
            if room is not None and not room.has_any(partition):
                break
            batch = self._records.next_batch()
            if self._check_crcs and not self._records.is_whole(batch):
                self._is_done = True
                if not taken:
                    raise kafka.CorruptRecordException(f"Invalid CRC - {self._tp}")
                # What came before is whole; the corrupt one is met again when it is fetched again.
                break
            if self._is_event(batch):
                records = self._from_position(self._records.unpacked(batch))
                if room is not None:
                    size = self._records.unpacked_bytes(batch, records)
                    fitting = room.take(partition, records, size)
                    if fitting < len(records):
                        # The rest is fetched again when there is room: unpacked, it would be held.
                        self._is_done = True
                        # By themselves: of what was fetched with them nothing is counted.
                        taken += map(kept, records[:fitting])
                        self._unpacked_end = taken[-1].offset + 1
                        break
                taken += records
            self._unpacked_end = batch.next_offset
        self._unpacked = taken[count:]
        del taken[count:]
        self.next_fetch_offset = taken[-1].offset + 1 if self._unpacked else self._unpacked_end
        return taken

    def _is_event(self, batch: Any) -> bool:  # noqa: ANN401  aiokafka's
        """Whether the batch's records are events: no transaction's marker, and of none that was aborted."""
        if self._aborted is not None and self._aborted.has(batch):
            return False
        return not batch.is_control_batch

    def _from_position(self, records: Sequence[Record]) -> Sequence[Record]:
        """A batch is sent whole, also where the position lies within it."""
        position = self._unpacked_end
        if records and records[0].offset < position:
            return [record for record in records if record.offset >= position]
        return records


class _Fetched(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka has no types
    """A partition's part of a fetch."""

    _partition_records: _WholeBatches | None

    @property
    def held_bytes(self) -> int:
        """What was fetched, where it is not taken to its end."""
        return 0 if self._partition_records is None else self._partition_records.size_in_bytes

    def getall(self, max_records: int | None = None) -> list[Record]:
        """See `FetchResult`; within `taking`, what there is room for."""
        records = self._partition_records
        if records is None or not self.check_assignment(self._topic_partition):
            return []
        taken = records.take(sys.maxsize if max_records is None else max_records, _room.get())
        self._update_position()
        if records.is_exhausted:
            self._partition_records = None
        return taken
