"""State on disk: one RocksDB for each partition. It is a cache of the changelog: deleting it costs time, no data.

Profiles are UTF-8, so keys that begin with the byte 0xff are free for what the store knows about itself:

    ff 00                           position, highest source offset, time of the last write (ms): 3 big-endian i64
    ff 01                           whose state this is, as JSON (`Identity`)
    ff 02                           the stream that it was exported to
    ff 03 <offset: 8> <profile>     departed at this source offset, deletion not yet in the changelog
    ff 04 <time ms: 8> <profile>    deletion in the changelog since then, and its record, which stays a while, so that
                                    an older record that a zombie appends late is known to be older
    ff 05                           the source offset before which all was acknowledged: a big-endian i64
    ff 06                           the identity of the changelog that the position is an offset of
    ff 07                           the note of the partition's backfills (`BackfillNote`)
    ff 08 <digest: 16>              a mark: a backfill has met the profile whose bytes have this digest

Changes wait in memory until they are many, or some seconds old; then they are written at once, position included,
so that a store is always a prefix of the changelog. The write-ahead log is not synced. What a crash or a power cut
takes from the end is restored from the changelog.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
import xxhash
from rocksdict import WriteBatch

from processor.errors import StateError, StateUnavailable
from processor.profile.state_record import (
    encode_departed,
    has_departed,
    last_offset,
    record_offset,
    record_origin,
)
from processor.state.record_cache import HotRecords
from processor.state.store import Departed
from processor.state.store_errors import is_damage, state_error
from processor.state.unwritten import Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from rocksdict import Rdict

log = structlog.get_logger(__name__)

POSITION_KEY: Final = b"\xff\x00"
IDENTITY_KEY: Final = b"\xff\x01"
STREAM_KEY: Final = b"\xff\x02"
DAMAGED: Final = "DAMAGED"
"""A file that has a store thrown away when it is next opened."""

DEPARTED_PREFIX: Final = b"\xff\x03"
CONSUMED_KEY: Final = b"\xff\x05"
CHANGELOG_KEY: Final = b"\xff\x06"
BACKFILL_KEY: Final = b"\xff\x07"
_PURGED_PREFIX: Final = b"\xff\x04"
_MARK_PREFIX: Final = b"\xff\x08"
_MARKS_END: Final = b"\xff\x09"
POSITION: Final = struct.Struct(">qqq")
NUMBER: Final = struct.Struct(">q")
_OWN_KEYS: Final = b"\xff"
_KEYED_BYTES: Final = 10
_DROPPED_AT_ONCE: Final = 1000

UNWRITTEN_S: Final = 10.0
"""How long changes wait for the disk while others come: so much of the changelog is read again after a crash."""

_Result = TypeVar("_Result")


class RocksStore:
    """See `Store`. Blocking calls run in `executor`; one at a time for each store, and a flush at a time for all that share `writing`.

    The first is due after `due_after_s`, later ones ten seconds after each other.
    """

    def __init__(
        self,
        database: Rdict,
        executor: Executor,
        path: Path,
        *,
        cache_bytes: int,
        unwritten_bytes: int,
        purged_kept_ms: int,
        writing: asyncio.Lock,
        due_after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._database = database
        self._executor = executor
        self._cache_bytes = cache_bytes
        self._unwritten_bytes = unwritten_bytes
        self._hot = HotRecords(cache_bytes)
        self._unwritten = Unwritten()
        self._purged_kept_ms = purged_kept_ms
        self._one_at_a_time = asyncio.Lock()
        self._writing = writing
        self._clock = clock
        self._due_s = clock() + due_after_s
        self._may_hold_departed = True
        stored = database.get(POSITION_KEY)
        self.position, self.highest_offset = POSITION.unpack(stored)[:2] if stored else (0, -1)
        self._written_position = self.position
        self._is_broken = False
        """A call failed: nothing is written any more, for the disk may lack what it was to write."""
        self._trouble: str | None = None
        stream = database.get(STREAM_KEY)
        self.stream: str | None = stream.decode() if stream else None
        consumed, changelog = database.get(CONSUMED_KEY), database.get(CHANGELOG_KEY)
        self.consumed: int | None = NUMBER.unpack(consumed)[0] if consumed else None
        self.changelog: str | None = changelog.decode() if changelog else None
        self.backfill: bytes | None = database.get(BACKFILL_KEY)

    @property
    def trouble(self) -> str | None:
        """See `Store`."""
        return self._trouble

    @property
    def memory_bytes(self) -> int:
        """What the store holds in memory beside RocksDB's: hot records, and what waits for the disk."""
        return self._hot.size_bytes + self._unwritten.size_bytes

    def note(
        self, *, changelog: str | None = None, consumed: int | None = None, backfill: bytes | None = None
    ) -> None:
        """See `Store`."""
        if changelog is not None and changelog != self.changelog:
            self.changelog = changelog
            self._unwritten.put_key(CHANGELOG_KEY, changelog.encode())
        if consumed is not None:
            self.consumed = consumed
        if backfill is not None and backfill != self.backfill:
            self.backfill = backfill
            self._unwritten.put_key(BACKFILL_KEY, backfill)

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """See `Store`."""
        return self._hot.find(self._unwritten.find(profiles, found), found)

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """See `Store`."""
        found: dict[bytes, bytes | None] = {}
        unknown = self.recall(profiles, found)
        if unknown:
            read = await self._run(self._read, unknown)
            self._unwritten.find(unknown, read)  # changed while the disk was read
            self._hot.remember(read)
            found.update(read)
        return found

    async def apply(self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None) -> None:
        """See `Store`."""
        if not self._has_news:
            self._due_s = self._next_due_s()
        self._hot.outdate(self._unwritten.put(changes))
        self.highest_offset = max(self.highest_offset, last_offset(changes))
        self.position = position
        if stream is not None:
            self.stream = stream
            self._unwritten.put_key(STREAM_KEY, stream.encode())
        await self._flush_if_due()

    async def departed_before(self, offset: int, limit: int) -> list[Departed]:
        """See `Store`."""
        if self._is_broken:
            return []  # they are found by the next to open it
        found = await self._run(self._departed_before, offset, limit) if self._may_hold_departed else []
        return found + self._unwritten.departed_before(offset, limit - len(found))

    async def purge(self, departed: Sequence[Departed], position: int) -> None:
        """See `Store`."""
        now = NUMBER.pack(time.time_ns() // 1_000_000)
        unwritten = self._unwritten
        for profile, offset, backfill in departed:
            if not unwritten.drop_departed(profile, offset):
                unwritten.put_key(DEPARTED_PREFIX + NUMBER.pack(offset) + profile, None)
            unwritten.put_key(_PURGED_PREFIX + now + profile, encode_departed(offset, backfill))
        self.position = position
        await self._flush_if_due()

    async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        """See `Store`; of a profile the digest alone is kept, of 128 bits, so that no two ever have one."""
        return await self._run(self._mark, profiles) if profiles else set()

    async def clear_marks(self) -> None:
        """See `Store`."""
        await self._run(self._database.delete_range, _MARK_PREFIX, _MARKS_END)

    async def unmarked(self, after: bytes, limit: int) -> tuple[int, bytes | None]:
        """See `Store`; what is not on disk yet is not looked at."""
        return await self._run(self._unmarked, after, limit)

    async def clear(self) -> None:
        """See `Store`."""
        self._unwritten = Unwritten()
        await self._run(self._clear)
        self._hot = HotRecords(self._cache_bytes)
        self.position, self.highest_offset, self.stream = 0, -1, None
        self.consumed = self.changelog = self.backfill = None
        self._written_position = 0

    async def flush(self) -> None:
        """See `Store`; records of profiles that were purged long enough ago are dropped as well."""
        # Stores that fill alike are due together: all at once they would keep the loop from the CPU for a quarter of a second.
        async with self._writing, self._one_at_a_time:
            if not self._has_news or self._is_broken:
                return  # what it has not seen, or has lost, it must not claim to have
            # Nothing reads the disk now: what is taken is found among the hot records, or there after this.
            taken, self._unwritten = self._unwritten, Unwritten()
            in_order = taken.records.in_order()
            self._hot.correct(zip(*in_order, strict=True))
            self._due_s = self._next_due_s()
            self._written_position = self.position
            self._may_hold_departed = self._may_hold_departed or bool(taken.departed)
            now_ms = time.time_ns() // 1_000_000
            taken.put_key(POSITION_KEY, POSITION.pack(self.position, self.highest_offset, now_ms))
            if self.consumed is not None:
                taken.put_key(CONSUMED_KEY, NUMBER.pack(self.consumed))
            try:
                await self._in_thread(self._written, taken, in_order)
                purged = await self._in_thread(self._drop_purged, now_ms - self._purged_kept_ms)
            except StateUnavailable:
                # The changelog has it all: it is found in memory until this store is opened anew, and restored then.
                self._unwritten.put_under(taken)
                return
            self._hot.correct((profile, None) for profile in purged)

    async def close(self) -> None:
        """See `Store`."""
        try:
            await self.flush()
        finally:
            try:
                await self._run(self._database.close)
            except StateUnavailable as error:
                # RocksDB says once more what has failed; its files are released.
                log.info("a store was closed whose disk takes nothing", reason=str(error))

    async def _flush_if_due(self) -> None:
        if self._unwritten.size_bytes > self._unwritten_bytes or self._clock() > self._due_s:
            await self.flush()

    @property
    def _has_news(self) -> bool:
        return self.position != self._written_position or self._unwritten.size_bytes > 0

    def _next_due_s(self) -> float:
        """The next of the times, ten seconds apart, at which this store is due; another store's are others."""
        turns = math.floor((self._clock() - self._due_s) / UNWRITTEN_S) + 1
        return self._due_s + max(turns, 0) * UNWRITTEN_S

    async def _run(self, call: Callable[..., _Result], *arguments: Any) -> _Result:  # noqa: ANN401  passed on
        async with self._one_at_a_time:
            return await self._in_thread(call, *arguments)

    async def _in_thread(self, call: Callable[..., _Result], *arguments: Any) -> _Result:  # noqa: ANN401  passed on
        running = asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # A thread cannot be cancelled; the store must not be closed under it.
            await asyncio.wait([running])
            self._is_broken = self._is_broken or running.exception() is not None
            raise
        except Exception as error:  # rocksdict raises plain Exception
            self._is_broken = True
            if is_damage(error):
                self._mark_as_damaged(error)
            failure = state_error(error, self.path)
            if self._trouble is not None and not is_damage(error):
                # After such a failure RocksDB fails on, in words of its own.
                failure = StateUnavailable(self._trouble)
            elif isinstance(failure, StateUnavailable):
                self._trouble = str(failure)
            raise failure from error

    def _mark_as_damaged(self, damage: Exception) -> None:
        try:
            (self.path / DAMAGED).touch()
        except OSError as error:
            raise StateError(
                f"{self.path}: it is damaged ({damage}), and could not be marked as that ({error.strerror}): delete it, it "
                "is rebuilt from the changelog"
            ) from damage

    def _written(self, unwritten: Unwritten, in_order: tuple[list[bytes], list[bytes]]) -> None:
        batch = WriteBatch(raw_mode=True)
        put = batch.put
        # In their order RocksDB finds where each goes from the one before. 6,000 records of 290 bytes: 0.7 of the CPU, what
        # is flushed and compacted later included.
        for profile, record in zip(*in_order, strict=True):
            put(profile, record)
        for key, value in unwritten.keys.items():
            if value is None:
                batch.delete(key)
            else:
                put(key, value)
        # Behind what is deleted: a backfill may have a profile depart once more at the offset that it was purged at.
        for profile, offset in unwritten.departed.items():
            put(DEPARTED_PREFIX + NUMBER.pack(offset) + profile, b"")
        self._database.write(batch)

    def _read(self, profiles: list[bytes]) -> dict[bytes, bytes | None]:
        records: Any = self._database.get([*profiles])
        found: dict[bytes, bytes | None] = dict(zip(profiles, records, strict=True))
        # An event's key may be any bytes, those of the store's own keys as well.
        found.update(dict.fromkeys([each for each in profiles if each.startswith(_OWN_KEYS)]))
        return found

    def _clear(self) -> None:
        identity = self._database.get(IDENTITY_KEY)
        self._database.delete_range(b"", b"\xff\xff")
        self._database.put(IDENTITY_KEY, identity)

    def _departed_before(self, offset: int, limit: int) -> list[Departed]:
        found: list[Departed] = []
        unwritten = self._unwritten
        for key in self._keys(DEPARTED_PREFIX):
            if key in unwritten.keys:  # purged
                continue
            profile, departed_at = key[_KEYED_BYTES:], NUMBER.unpack(key[2:_KEYED_BYTES])[0]
            if departed_at >= offset or len(found) == limit:
                return found
            record = None if profile in unwritten.records else self._database.get(profile)
            if record is not None and has_departed(record) and record_offset(record) == departed_at:
                found.append(Departed(profile, *record_origin(record)))
            else:  # it came back meanwhile
                self._database.delete(key)
        self._may_hold_departed = bool(found)
        return found

    def _mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        marks = [_mark(profile) for profile in profiles]
        known: Any = self._database.get([*marks])
        batch, new = WriteBatch(raw_mode=True), set[bytes]()
        for profile, mark, found in zip(profiles, marks, known, strict=True):
            if found is None:
                batch.put(mark, b"")
                new.add(profile)
        self._database.write(batch)
        return new

    def _unmarked(self, after: bytes, limit: int) -> tuple[int, bytes | None]:
        members, last, looked_at = list[bytes](), None, 0
        for key, record in self._database.items(from_key=after + b"\x00"):
            if not isinstance(key, bytes) or key.startswith(_OWN_KEYS):
                last = None
                break
            if looked_at == limit:
                break
            last, looked_at = key, looked_at + 1
            if not has_departed(record):
                members.append(key)
        else:
            last = None
        found: Any = self._database.get([_mark(each) for each in members]) if members else []
        return sum(each is None for each in found), last

    def _drop_purged(self, before_ms: int) -> list[bytes]:
        purged: list[bytes] = []
        for key in self._keys(_PURGED_PREFIX):
            if len(purged) == _DROPPED_AT_ONCE or NUMBER.unpack(key[2:_KEYED_BYTES])[0] >= before_ms:
                break
            profile = key[_KEYED_BYTES:]
            if self._database.get(profile) == self._database.get(key):
                self._database.delete(profile)
                purged.append(profile)
            self._database.delete(key)
        return purged

    def _keys(self, prefix: bytes) -> Iterator[bytes]:
        for key in self._database.keys(from_key=prefix):
            if not isinstance(key, bytes) or not key.startswith(prefix):
                return
            yield key


def _mark(profile: bytes) -> bytes:
    return _MARK_PREFIX + xxhash.xxh3_128_digest(profile)
