"""The changelog's entries as batches for aiokafka's producer: made natively in one go where that is installed.

aiokafka's builder takes a record by a call, and computes checksums by a table: 0.55 µs an entry of 350 bytes, where all of
it takes 0.07 natively, with the CPU's own instruction. It touches names of aiokafka that are private: the producer asks a
batch for its bytes by them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka.producer.message_accumulator import BatchBuilder

OFFSET_HEADER = "offset"
BACKFILL_HEADER = "backfill"


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
            native.seal_batch(self._bytes, *self._producer)
            self._is_sealed = True
        return self._bytes


EntryBatch: TypeAlias = "BatchBuilder | WholeBatch"


def batches_of(
    entries: Mapping[bytes, bytes | Deletion], new_batch: Callable[[], BatchBuilder], bytes_max: int
) -> list[EntryBatch]:
    """Batches of fewer than `bytes_max` bytes, or of one record that is larger, that have the entries in order; closed."""
    if native is not None:
        now_ms = int(time.time() * 1000)
        made = native.record_batches(
            entries, bytes_max, now_ms, OFFSET_HEADER.encode(), BACKFILL_HEADER.encode()
        )
        if made is not None:
            return [WholeBatch(unsealed, records) for unsealed, records in made]
    return list(plain_batches_of(entries, new_batch))


def plain_batches_of(
    entries: Mapping[bytes, bytes | Deletion], new_batch: Callable[[], BatchBuilder]
) -> list[BatchBuilder]:
    """As `batches_of`, in plain Python, of batches that `new_batch` makes."""
    if not entries:
        return []
    builder = new_batch()
    builders = [builder]
    for profile, entry in entries.items():
        if isinstance(entry, Deletion):
            value, headers = None, [(OFFSET_HEADER, str(entry.offset).encode())]
            if entry.backfill:
                headers.append((BACKFILL_HEADER, str(entry.backfill).encode()))
        else:
            value, headers = entry, []
        if builder.append(timestamp=None, key=profile, value=value, headers=headers) is None:
            builder = new_batch()
            builders.append(builder)
            builder.append(timestamp=None, key=profile, value=value, headers=headers)
    for each in builders:
        each.close()
    return builders
