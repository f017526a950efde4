"""Stores in directories of a test."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.settings import StateSettings
from processor.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from processor.state.rocksdb_store import RocksStore


DAY_MS = 86_400_000


def member(offset: int) -> bytes:
    return encode_record(StateRecord(offset, memberships={"one": "2020-05-25T21:24:39Z"}))


def directory_at(
    path: Path, cluster: str = "c", clock: Callable[[], float] = time.monotonic, /, **changes: int
) -> StateDirectory:
    values = {"directory": path, "memory_bytes": 16 * 1024 * 1024, **changes}
    settings = StateSettings.model_validate(values)
    return StateDirectory(settings, "group", "topic", cluster, partitions=2, clock=clock)


@asynccontextmanager
async def opened(
    path: Path, number: int = 0, *, purged_kept_ms: int = 0, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[RocksStore]:
    """A partition's store on disk; closed again where nothing else was raised."""
    directory = directory_at(path, "c", clock)
    try:
        store = await directory.open(number, deletions_kept_ms=DAY_MS, purged_kept_ms=purged_kept_ms)
        yield store
        await store.close()
    finally:
        await asyncio.to_thread(directory.close)
