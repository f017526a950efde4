"""The latest event of each profile in what the source has of a partition, found from its end to its beginning.

Read forwards, a profile's latest event is known at the end only. So the partition is read in chunks, the last one first: of a
chunk's events of a profile the last one is its latest of all, where no later chunk has had one. Which profiles those were is
marked in the store, on disk: whatever a partition holds, no more than a chunk is in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.kafka.offsets import Bounds
from processor.profile.source_record import RECORD_OVERHEAD_BYTES, kept, size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from processor.kafka.source_history import SourceHistory
    from processor.profile.source_record import Record
    from processor.state.store import Store

CHUNK_BYTES: Final = 8 * 1024 * 1024
"""What the latest events of a chunk hold in memory, about, of which two are held: one that is read, and one that is taken."""

_FIRST_OFFSETS: Final = 4_000
_GROWTH_MAX: Final = 4
_AIMED_AT: Final = 0.75
"""Of what a chunk may hold: one that comes out larger has its earlier part read again."""
_READ_BYTES_MAX: Final = 8 * CHUNK_BYTES
"""What a chunk reads at most, about, where few profiles have many events: so much may be read twice, at worst."""
_STRUCK_AT_ONCE: Final = 5_000
_STRUCK_MAX: Final = 20_000
_MARKED_AT_ONCE: Final = 1_000
"""Some milliseconds' worth: a look-up of live events' profiles may have to wait behind it."""
_COUNTED_AT_ONCE: Final = 5_000


class Read(NamedTuple):
    """Events that were read: how many, their keys and values in bytes, and the first one's offset and time."""

    events: int
    size_bytes: int
    first_offset: int
    first_timestamp_ms: int


class LatestEvents:
    """The search in one partition, whose marks are `store`'s.

    A chunk is read by `read`, while what was found of the one before is taken by `take`; `advance` goes over to it. Profiles that
    are struck out are found no more. `on_read` is called with what was read, again and again; `is_at_home` says whether a
    profile's state is this partition's.
    """

    def __init__(
        self, store: Store, on_read: Callable[[Read], None], is_at_home: Callable[[bytes], bool] | None = None
    ) -> None:
        self._store = store
        self._on_read = on_read
        self._is_at_home = is_at_home
        self._reading: dict[bytes, Record] = {}
        self._next: dict[bytes, Record] = {}
        self._found: dict[bytes, Record] = {}
        self.held_bytes = 0
        """What the events that are found hold in memory, about."""
        self._struck: set[bytes] = set()
        self._marking = asyncio.Lock()
        self._offsets = _FIRST_OFFSETS

    @property
    def found(self) -> int:
        """How many latest events may be taken."""
        return len(self._found)

    @property
    def has_struck_many(self) -> bool:
        """Whether so many profiles were struck out that they should be marked."""
        return len(self._struck) >= _STRUCK_AT_ONCE

    @property
    def has_struck_too_many(self) -> bool:
        """Whether so many profiles were struck out that no more may be before they are marked."""
        return len(self._struck) >= _STRUCK_MAX

    def take(self, most: int) -> list[Record]:
        """Take some of the events that were found, `most` at most."""
        found = self._found
        taken = [found.popitem()[1] for _ in range(min(most, len(found)))]
        self.held_bytes -= sum(map(_held_bytes, taken))
        return taken

    def advance(self) -> bool:
        """Have what was found of the chunk that was read last be taken, where all of the one before was; whether there is anything."""
        if not self._found:
            self._found, self._next = self._next, {}
        return bool(self._found)

    def strike_out(self, profiles: Collection[bytes]) -> None:
        """Find profiles no more, and let go what was found of them: they have had a later event."""
        for profile in self._reading.keys() & profiles:
            del self._reading[profile]
        for events in (self._found, self._next):
            for profile in events.keys() & profiles:
                self.held_bytes -= _held_bytes(events.pop(profile))
        self._struck.update(profiles)

    async def mark_struck(self) -> None:
        """Mark what was struck out.

        Raises:
            StateError: the store cannot be read or written.

        """
        # One at a time: who asks the store next what is new must find there what another has begun to mark.
        async with self._marking:
            if self._struck:
                struck, self._struck = self._struck, set()
                try:
                    await self._store.mark(list(struck))
                except BaseException:
                    # Broken off before the store had its turn: what is marked twice does no harm.
                    self._struck |= struck
                    raise

    async def read(self, history: SourceHistory, partition: int, span: Bounds) -> int:
        """Read the last chunk of a span, have what is found of it be next, and return where the chunk began.

        What was next before must have been gone over to. Where Kafka failed, it may be called again.

        Raises:
            KafkaRefused, KafkaUnavailable: the source cannot be read.
            StateError: the store cannot be read or written.

        """
        chunk = await self._read_chunk(
            history, partition, Bounds(max(span.begin, span.end - self._offsets), span.end)
        )
        fits = min(
            _GROWTH_MAX,
            _AIMED_AT * CHUNK_BYTES / max(chunk.held_bytes, 1),
            _READ_BYTES_MAX / max(chunk.read_bytes, 1),
        )
        self._offsets = max(int((span.end - chunk.begin) * fits), 1)
        # Before the store is asked: what was struck out meanwhile is no longer to be found.
        await self.mark_struck()
        await self._find_new(list(self._reading))
        return chunk.begin

    async def _find_new(self, profiles: Sequence[bytes]) -> None:
        """Have those of the events that were read be next whose profiles were met in no later chunk, nor struck out."""
        reading = self._reading
        for at in range(0, len(profiles), _MARKED_AT_ONCE):
            some = profiles[at : at + _MARKED_AT_ONCE]
            new = await self._store.mark(some)
            for profile in some:
                # What was struck out while the store answered is there no more.
                event = reading.pop(profile, None)
                if event is None or profile not in new:
                    continue
                if self._is_at_home is None or self._is_at_home(profile):
                    self._next[profile] = event
                    self.held_bytes += _held_bytes(event)

    async def _read_chunk(self, history: SourceHistory, partition: int, span: Bounds) -> _Chunk:
        """Keep the latest event of each profile; where that is more than a chunk may hold, of the later part of the span alone."""
        reading: dict[bytes, Record] = {}
        self._reading = reading
        begin, held_bytes, read_bytes = span.begin, 0, 0
        async with aclosing(history.read(partition, span)) as batches:
            async for records in batches:
                read = Read(
                    len(records),
                    size_bytes(records) - RECORD_OVERHEAD_BYTES * len(records),
                    records[0].offset,
                    records[0].timestamp,
                )
                self._on_read(read)
                read_bytes += read.size_bytes
                if held_bytes > CHUNK_BYTES:
                    reading.clear()
                    begin, held_bytes = records[0].offset, 0
                for record in records:
                    key = record.key
                    if key is None:
                        continue
                    earlier = reading.pop(key, None)
                    if earlier is not None:
                        held_bytes -= _held_bytes(earlier)
                    reading[key] = kept(record)
                    held_bytes += _held_bytes(record)
                if self.has_struck_many:
                    await self.mark_struck()
        # Where the source has lost its first events meanwhile, a profile's later event may have been among them.
        first = (await history.bounds(partition)).begin
        if first > span.begin:
            for profile in [profile for profile, record in reading.items() if record.offset < first]:
                del reading[profile]
        return _Chunk(begin, held_bytes, read_bytes)


async def count_unmet(store: Store) -> int:
    """Return how many profiles have state in `store`, and no mark: no event of theirs was found, nor struck out.

    Raises:
        StateError: the store cannot be read or written.

    """
    await store.flush()
    profiles, after = 0, b""
    while True:
        found, last = await store.unmarked(after, _COUNTED_AT_ONCE)
        profiles += found
        if last is None:
            return profiles
        after = last


class _Chunk(NamedTuple):
    begin: int
    held_bytes: int
    read_bytes: int


def _held_bytes(record: Record) -> int:
    return size_bytes([record])
