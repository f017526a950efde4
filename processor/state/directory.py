"""The state directory: a place for each partition's store, locks, and what is done about a store that is no good.

    <PROCESSOR_STATE_DIRECTORY>/<group>/<topic>/<partition>[.<fresh>]/

A store is thrown away, to be restored from the changelog, where it is damaged, is another cluster's or group's,
or was idle for longer than the changelog keeps deletions. Where a process that hangs still holds its lock, a
fresh directory beside it is used; it is removed when nobody uses it any more.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import structlog
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DataBlockIndexType,
    DBCompressionType,
    Options,
    Rdict,
    WriteBufferManager,
)

from processor.errors import ConfigurationError, Problem
from processor.state.disk import MAY_BE_FULL, write_probe
from processor.state.place import place_of
from processor.state.rocksdb_store import (
    DAMAGED,
    IDENTITY_KEY,
    POSITION_KEY,
    STREAM_KEY,
    UNWRITTEN_S,
    RocksStore,
)
from processor.state.store_errors import is_damage, is_locked, state_error
from processor.state.store_files import max_open_files
from processor.state.store_inspection import is_in_use

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from processor.settings import StateSettings

log = structlog.get_logger(__name__)

FORMAT: Final = 1
_MIB: Final = 1024 * 1024
_ARENA_LEAST_BYTES: Final = 4096
_THREADS: Final = 2
_GOLDEN: Final = 0.618
"""Whatever partitions a process has, multiples of it lie far apart: stores that were opened at once are not all due at once."""
_PROBE_BYTES: Final = 4096
_LOCK_LOOK_AGAIN_S: Final = 0.2
_COLUMN_FAMILY: Final = "default"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose state a store holds."""

    cluster: str
    group: str
    topic: str
    partition: int
    format: int = FORMAT


class StateDirectory:
    """Opens the stores of one process; all of them together keep within `memory_bytes`.

    Of these, a quarter is for hot records, an eighth for changes that wait for the disk, an eighth for RocksDB's write
    buffers, the rest for its blocks, indexes and bloom filters.

    Raises:
        ConfigurationError: the directory cannot be made or written.
        StateUnavailable: its disk takes nothing now.

    """

    def __init__(
        self,
        settings: StateSettings,
        group: str,
        topic: str,
        cluster: str,
        *,
        partitions: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = place_of(settings, group, topic)
        self._settings = settings
        self._clock = clock
        self._identity = cluster, group, topic
        self._hot_bytes = settings.memory_bytes // 4 // max(partitions, 1)
        self._unwritten_bytes = self._hot_bytes // 2
        self._block_cache = Cache(settings.memory_bytes // 2)
        self._write_buffers = WriteBufferManager(settings.memory_bytes // 8, False)
        # RocksDB counts what it has reserved: at its own MiB a store, few stores would fill the bound while empty, and
        # each write would be a table file of its own.
        self._arena_bytes = min(
            _MIB, max(_ARENA_LEAST_BYTES, settings.memory_bytes // 32 // max(partitions, 1))
        )
        self._max_open_files = max_open_files(partitions)
        self._stores: WeakSet[RocksStore] = WeakSet()
        self._writing = asyncio.Lock()
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="state")
        self._check_writable()
        self._remove_fresh()

    @property
    def paths(self) -> list[Path]:
        """Where the stores are that are open."""
        return [store.path for store in self._stores]

    async def open(self, partition: int, *, deletions_kept_ms: int, purged_kept_ms: int) -> RocksStore:
        """The store of a partition, empty where there was none that is of use.

        Raises:
            StateUnavailable: the disk takes nothing now.
            StateError: it cannot be opened, nor made anew.

        """
        opening = asyncio.get_running_loop().run_in_executor(
            self._executor, self._open, partition, deletions_kept_ms, purged_kept_ms
        )
        try:
            store = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: what it opened is closed as any other, its errors are raised as theirs.
            await asyncio.wait([opening])
            if opening.exception() is None:
                await opening.result().close()
            raise
        self._stores.add(store)
        return store

    def close(self) -> None:
        """End the threads and release memory; the stores are closed before."""
        self._executor.shutdown()

    @property
    def memory_used_bytes(self) -> int:
        """Hot records, what waits for the disk, write buffers, blocks, indexes and filters in memory now."""
        own = sum(store.memory_bytes for store in self._stores)
        return own + self._block_cache.get_usage() + self._write_buffers.get_usage()

    def _open(self, partition: int, deletions_kept_ms: int, purged_kept_ms: int) -> RocksStore:
        path = self.path / str(partition)
        identity = Identity(*self._identity, partition)
        deadline_s = time.monotonic() + self._settings.lock_wait_ms / 1000
        while True:
            try:
                if (path / DAMAGED).exists():
                    log.warning("throwing a damaged store away", partition=partition)
                    shutil.rmtree(path)
                path, database = self._checked(path, self._database(path), identity, deletions_kept_ms)
                return self._store(partition, path, database, purged_kept_ms)
            except Exception as error:  # rocksdict raises plain Exception
                if is_locked(error):
                    if time.monotonic() < deadline_s:
                        time.sleep(_LOCK_LOOK_AGAIN_S)  # in a thread of its own
                        continue
                    path = self.path / f"{partition}.{uuid.uuid4().hex[:8]}"
                    log.warning(
                        "a process that hangs holds the store, using a fresh one", partition=partition
                    )
                elif is_damage(error):
                    log.warning(
                        "the store is damaged, making a new one", partition=partition, reason=str(error)
                    )
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    raise state_error(error, path) from error

    def _store(self, partition: int, path: Path, database: Rdict, purged_kept_ms: int) -> RocksStore:
        return RocksStore(
            database,
            self._executor,
            path,
            cache_bytes=self._hot_bytes,
            unwritten_bytes=self._unwritten_bytes,
            purged_kept_ms=purged_kept_ms,
            writing=self._writing,
            due_after_s=UNWRITTEN_S * (partition * _GOLDEN % 1.0),
            clock=self._clock,
        )

    def _checked(
        self, path: Path, database: Rdict, identity: Identity, deletions_kept_ms: int
    ) -> tuple[Path, Rdict]:
        wanted = json.dumps(asdict(identity)).encode()
        try:
            found = database.get(IDENTITY_KEY)
            database.get([POSITION_KEY, STREAM_KEY])
        except Exception:
            database.close()
            raise
        reason = None
        if found is not None and found != wanted:
            reason = f"it is {found.decode(errors='replace')}"
        elif found is not None and (idle_ms := _idle_ms(database)) > deletions_kept_ms:
            reason = f"it was idle for {idle_ms / 3_600_000:.0f} h and may have missed deletions"
        if reason is not None:
            log.warning(
                "the store is of no use, making a new one", partition=identity.partition, reason=reason
            )
            database.close()
            shutil.rmtree(path)
            database = self._database(path)
            found = None
        if found is None:
            database.put(IDENTITY_KEY, wanted)
        return path, database

    def _database(self, path: Path) -> Rdict:
        # To a database that exists, rocksdict applies only the options that are given by column family: without
        # them it would have neither our cache nor filters.
        return Rdict(str(path), self._options(), column_families={_COLUMN_FAMILY: self._options()})

    def _options(self) -> Options:
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._block_cache)
        blocks.set_bloom_filter(10, block_based=False)
        # Else their memory would grow with the profiles, outside every bound.
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        blocks.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_write_buffer_size(min(64 * _MIB, max(_MIB, self._settings.memory_bytes // 8)))
        # A look-up of a cold profile costs a third less than with LZ4, the disk half as much again.
        options.set_compression_type(DBCompressionType.none())
        options.set_arena_block_size(self._arena_bytes)
        options.set_max_open_files(self._max_open_files)
        # One shard holds the number; of RocksDB's 64 each keeps one file open at least.
        options.set_table_cache_num_shard_bits(0)
        # Else each store that is opened starts up to 16 threads for it.
        options.set_max_file_opening_threads(1)
        options.set_keep_log_file_num(2)
        # Figures of RocksDB's own that nobody reads, by the minute and store.
        options.set_stats_dump_period_sec(0)
        options.set_stats_persist_period_sec(0)
        options.set_max_background_jobs(2)
        return options

    def _check_writable(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_probe(self.path, _PROBE_BYTES)
        except OSError as error:
            if error.errno in MAY_BE_FULL:
                raise state_error(error, self.path) from error
            problem = Problem(
                source="environment",
                line=None,
                member="PROCESSOR_STATE_DIRECTORY",
                message=f"{self.path}: {error.strerror}",
                remedy="Name a directory that can be written",
            )
            raise ConfigurationError([problem]) from error

    def _remove_fresh(self) -> None:
        """Remove what stood in for a store that a hanging process held, where nobody holds it now."""
        for path in self.path.glob("*.*"):
            if not is_in_use(path):
                shutil.rmtree(path, ignore_errors=True)


def _idle_ms(database: Rdict) -> int:
    stored = database.get(POSITION_KEY)
    if not stored:
        return 0
    return time.time_ns() // 1_000_000 - int.from_bytes(stored[16:24], "big", signed=True)
