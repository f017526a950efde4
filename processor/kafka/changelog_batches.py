"""The changelog's entries as batches for aiokafka's producer: made natively in one go where that is installed.

aiokafka's builder takes a record by a call, and computes checksums by a table: 0.55 µs an entry of 350 bytes, where all of
it takes 0.07 natively, with the CPU's own instruction. Batches are compressed with Snappy, to a quarter: worker and broker
together spend no more than without, 0.99 of the CPU ("What was tried" in docs/performance.md has other codecs). Where one
would grow by that it is not, so that a record of the topic's largest size is taken. It touches names of aiokafka that are
private: the producer asks a batch for its bytes by them.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import google_crc32c
from aiokafka.codec import snappy_encode
from aiokafka.producer.message_accumulator import BatchBuilder

from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFSET_HEADER = "offset"
BACKFILL_HEADER = "backfill"

_LENGTH: Final = struct.Struct(">i")
_LENGTH_AT: Final = 8
_COUNTED_FROM: Final = 12
_CHECKSUM: Final = struct.Struct(">I")
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_CODEC_AT: Final = 22
_PRODUCER: Final = struct.Struct(">qhi")
_PRODUCER_AT: Final = 43
_HEAD_BYTES: Final = 61
_PLAIN: Final = 0
_SNAPPY: Final = 2
"""Of batches of format 2: https://kafka.apache.org/documentation/#recordbatch."""


class Deletion(NamedTuple):
    """The profile's state is gone as of this source offset, and of this backfill where one took it; 0 where an event did."""

    offset: int
    backfill: int = 0


class WholeBatch:
    """A batch that is made already, in the place of aiokafka's `BatchBuilder`, of which it has what the producer asks for."""

    def __init__(self, unsealed: bytearray, records: int) -> None:
        self._bytes = unsealed
        self._records = records
        self._producer = (-1, -1, 0)
        self._is_sealed = False

    def append(self, **_: object) -> None:
        """Take no record: None says so."""

    def close(self) -> None:
        """Nothing: it is closed."""

    def closed(self) -> bool:
        """Whether it takes no record any more."""
        return True

    def record_count(self) -> int:
        """How many records it has."""
        return self._records

    def size(self) -> int:
        """Its bytes."""
        return len(self._bytes)

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        if not self._is_sealed:
            seal(self._bytes, self._compressed(), *self._producer)
            self._is_sealed = True
        return self._bytes

    def _compressed(self) -> int:
        """Compress what follows the head, where it becomes less by it; by which codec it is then."""
        plain = bytes(memoryview(self._bytes)[_HEAD_BYTES:])
        compressed = snappy_encode(plain)
        if len(compressed) >= len(plain):
            return _PLAIN
        self._bytes[_HEAD_BYTES:] = compressed
        return _SNAPPY


def batches_of(entries: Mapping[bytes, bytes | Deletion], bytes_max: int) -> list[WholeBatch]:
    """Batches of fewer than `bytes_max` bytes, or of one record that is larger, that have the entries in order."""
    if native is not None:
        now_ms = int(time.time() * 1000)
        made = native.record_batches(
            entries, bytes_max, now_ms, OFFSET_HEADER.encode(), BACKFILL_HEADER.encode()
        )
        if made is not None:
            return [WholeBatch(unsealed, records) for unsealed, records in made]
    return plain_batches_of(entries, bytes_max)


def plain_batches_of(entries: Mapping[bytes, bytes | Deletion], bytes_max: int) -> list[WholeBatch]:
    """As `batches_of`, by aiokafka's builder."""
    builders: list[BatchBuilder] = []
    for profile, entry in entries.items():
        if isinstance(entry, Deletion):
            value, headers = None, [(OFFSET_HEADER, str(entry.offset).encode())]
            if entry.backfill:
                headers.append((BACKFILL_HEADER, str(entry.backfill).encode()))
        else:
            value, headers = entry, []
        record = {"timestamp": None, "key": profile, "value": value, "headers": headers}
        if not builders or builders[-1].append(**record) is None:
            builders.append(BatchBuilder(bytes_max, _PLAIN))
            builders[-1].append(**record)
    return [WholeBatch(builder._build(), builder.record_count()) for builder in builders]  # noqa: SLF001  see above


def seal(batch: bytearray, codec: int, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
    """Put into a batch its length, the codec of what follows its head, its producer's state, and the checksum of all."""
    if native is not None:
        sealed = native.seal_batch(batch, codec, producer_id, producer_epoch, base_sequence)
        if sealed is not None:
            return
    plain_seal(batch, codec, producer_id, producer_epoch, base_sequence)


def plain_seal(
    batch: bytearray, codec: int, producer_id: int, producer_epoch: int, base_sequence: int
) -> None:
    """As `seal`, in plain Python."""
    _LENGTH.pack_into(batch, _LENGTH_AT, len(batch) - _COUNTED_FROM)
    batch[_CODEC_AT] = codec
    _PRODUCER.pack_into(batch, _PRODUCER_AT, producer_id, producer_epoch, base_sequence)
    checked = bytes(memoryview(batch)[_CHECKED_FROM:])
    _CHECKSUM.pack_into(batch, _CHECKSUM_AT, google_crc32c.value(checked))
