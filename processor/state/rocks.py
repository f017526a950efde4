"""State on disk: one RocksDB for each partition. It is a cache of the changelog: deleting it costs time, no data.

Profiles are UTF-8, so keys that begin with the byte 0xff are free for what the store knows about itself:

    ff 00                           position, highest source offset, time of the last write (ms): 3 big-endian i64
    ff 01                           whose state this is, as JSON (`Identity`)
    ff 02                           the stream that it was exported to
    ff 03 <offset: 8> <profile>     left at this source offset, deletion not yet in the changelog
    ff 04 <time ms: 8> <profile>    deletion in the changelog since then; the record stays a while, so that an
                                    older record that a zombie appends late is known to be older

All of a batch is written at once, position included, so that a store is always a prefix of the changelog. The
write-ahead log is not synced: what a power cut takes from its end is restored from the changelog.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rocksdict import WriteBatch

from processor.errors import StateError
from processor.profile.record import has_left, highest_offset, left_in, record_offset
from processor.state.cache import HotRecords
from processor.state.store import Left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from rocksdict import Rdict

POSITION_KEY: Final = b"\xff\x00"
IDENTITY_KEY: Final = b"\xff\x01"
STREAM_KEY: Final = b"\xff\x02"
DAMAGED: Final = "DAMAGED"
"""A file that has a store thrown away when it is next opened."""

_LEFT_PREFIX: Final = b"\xff\x03"
_FORGOTTEN_PREFIX: Final = b"\xff\x04"
_POSITION: Final = struct.Struct(">qqq")
_NUMBER: Final = struct.Struct(">q")
_KEYED_BYTES: Final = 10
_PURGED_AT_ONCE: Final = 1000

_Result = TypeVar("_Result")


class RocksStore:
    """See `Store`. Blocking calls run in `executor`; one at a time for each store."""

    def __init__(
        self, database: Rdict, executor: Executor, path: Path, *, cache_bytes: int, forgotten_kept_ms: int
    ) -> None:
        self.path = path
        self._database = database
        self._executor = executor
        self._cache_bytes = cache_bytes
        self._hot = HotRecords(cache_bytes)
        self._forgotten_kept_ms = forgotten_kept_ms
        self._one_at_a_time = asyncio.Lock()
        self._purged_at_ms = 0
        stored = database.get(POSITION_KEY)
        self.position, self.highest_offset, self.used_at_ms = (
            _POSITION.unpack(stored) if stored else (0, -1, 0)
        )
        stream = database.get(STREAM_KEY)
        self.stream: str | None = stream.decode() if stream else None

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """See `Store`."""
        return self._hot.find(profiles, found)

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """See `Store`."""
        found: dict[bytes, bytes | None] = {}
        unknown = self._hot.find(profiles, found)
        if unknown:
            read = await self._run(self._read, unknown)
            self._hot.remember(read)
            found.update(read)
        return found

    async def apply(self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None) -> None:
        """See `Store`."""
        batch = WriteBatch(raw_mode=True)
        put = batch.put
        for profile, record in changes.items():
            put(profile, record)
        for profile, offset in left_in(changes):
            put(_LEFT_PREFIX + _NUMBER.pack(offset) + profile, b"")
        highest = max(self.highest_offset, highest_offset(changes))
        if stream is not None:
            batch.put(STREAM_KEY, stream.encode())
        await self._write(batch, position, highest)
        self._hot.correct(changes)
        self.stream = stream or self.stream

    async def left_before(self, offset: int, limit: int) -> list[Left]:
        """See `Store`."""
        return await self._run(self._left_before, offset, limit)

    async def forget(self, left: Sequence[Left], position: int) -> None:
        """See `Store`."""
        now_ms = time.time_ns() // 1_000_000
        batch = WriteBatch(raw_mode=True)
        for profile, offset in left:
            batch.delete(_LEFT_PREFIX + _NUMBER.pack(offset) + profile)
            batch.put(_FORGOTTEN_PREFIX + _NUMBER.pack(now_ms) + profile, b"")
        await self._write(batch, position, self.highest_offset)
        purged = await self._run(self._purge, now_ms - self._forgotten_kept_ms)
        self._hot.correct(dict.fromkeys(purged))

    async def clear(self) -> None:
        """See `Store`."""
        await self._run(self._clear)
        self._hot = HotRecords(self._cache_bytes)
        self.position, self.highest_offset, self.stream = 0, -1, None

    async def close(self) -> None:
        """See `Store`."""
        await self._run(self._database.close)

    async def _write(self, batch: WriteBatch, position: int, highest: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        batch.put(POSITION_KEY, _POSITION.pack(position, highest, now_ms))
        await self._run(self._database.write, batch)
        self.position, self.highest_offset, self.used_at_ms = position, highest, now_ms

    async def _run(self, call: Callable[..., _Result], *arguments: Any) -> _Result:  # noqa: ANN401  passed on
        async with self._one_at_a_time:
            running = asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # A thread cannot be cancelled; the store must not be closed under it.
                await asyncio.wait([running])
                raise
            except Exception as error:  # rocksdict raises plain Exception
                if is_damage(error):
                    (self.path / DAMAGED).touch()
                raise StateError(told(error, self.path)) from error

    def _read(self, profiles: list[bytes]) -> dict[bytes, bytes | None]:
        records: Any = self._database.get([*profiles])
        return dict(zip(profiles, records, strict=True))

    def _clear(self) -> None:
        identity = self._database.get(IDENTITY_KEY)
        self._database.delete_range(b"", b"\xff\xff")
        self._database.put(IDENTITY_KEY, identity)

    def _left_before(self, offset: int, limit: int) -> list[Left]:
        found: list[Left] = []
        for key in self._keys(_LEFT_PREFIX):
            profile, left_at = key[_KEYED_BYTES:], _NUMBER.unpack(key[2:_KEYED_BYTES])[0]
            if left_at >= offset or len(found) == limit:
                break
            record = self._database.get(profile)
            if record is not None and has_left(record) and record_offset(record) == left_at:
                found.append(Left(profile, left_at))
            else:  # it came back meanwhile
                self._database.delete(key)
        return found

    def _purge(self, before_ms: int) -> list[bytes]:
        purged: list[bytes] = []
        for key in self._keys(_FORGOTTEN_PREFIX):
            if len(purged) == _PURGED_AT_ONCE or _NUMBER.unpack(key[2:_KEYED_BYTES])[0] >= before_ms:
                break
            profile = key[_KEYED_BYTES:]
            record = self._database.get(profile)
            if record is not None and has_left(record):
                self._database.delete(profile)
                purged.append(profile)
            self._database.delete(key)
        return purged

    def _keys(self, prefix: bytes) -> Iterator[bytes]:
        for key in self._database.keys(from_key=prefix):
            if not isinstance(key, bytes) or not key.startswith(prefix):
                return
            yield key


def told(error: Exception, path: Path) -> str:
    """What RocksDB says, and what to do about it."""
    text = str(error)
    if "No space left" in text or "File too large" in text or "Disk quota" in text:
        return (
            f"{path}: the disk is full: make room; what was not kept is restored from the changelog ({text})"
        )
    if "Read-only file system" in text or "Permission denied" in text:
        return f"{path}: it cannot be written: see PROCESSOR_STATE_DIRECTORY ({text})"
    if is_damage(error):
        return f"{path}: it is damaged and will be rebuilt from the changelog at the next start ({text})"
    return f"{path}: the store failed ({text})"


def is_damage(error: Exception) -> bool:
    """Whether the store's files, not its surroundings, are at fault."""
    text = str(error)
    return "Corruption" in text or "checksum" in text or "Invalid argument" in text
