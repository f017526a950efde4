"""The disk that the stores are on: what they take of it, what is free, and whether it takes anything."""

from __future__ import annotations

import asyncio
import errno
import os
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.state.store_errors import state_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

log = structlog.get_logger(__name__)

MAY_BE_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_LOOK_S: Final = 10.0
_LITTLE: Final = 0.1
"""The share of a disk below which what is free is little, and a warning is logged."""
_ROOM_BYTES: Final = 2 * 1024 * 1024
"""What must fit on a disk that was full before a store is tried on it: some of its writes, and RocksDB's own files."""
_ASKED_AGAIN_S: Final = 1.0


class DiskFigures(NamedTuple):
    """Bytes: what this worker's open stores take, what is free to this user, and how large the disk is."""

    stores_bytes: int
    free_bytes: int
    size_bytes: int


class Disk:
    """Looks at the disk of one worker, whose open stores are at `stores`, all below `path`; `run` it beside the worker."""

    def __init__(self, path: Path, stores: Callable[[], Iterable[Path]]) -> None:
        self.figures: DiskFigures | None = None
        """As of the last look; None before the first, and where the system does not say."""
        self._path = path
        self._stores = stores
        self._is_little = False
        self._tried_s = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self.figures = await asyncio.to_thread(_looked_at, self._path, list(self._stores()))
            self._warn_if_little()
            await asyncio.sleep(_LOOK_S)

    async def check(self) -> None:
        """See that there is room for some writes; of many who ask at once, one tries.

        Raises:
            StateUnavailable: the disk takes nothing.
            StateError: it cannot be written for another reason.

        """
        async with self._one_at_a_time:
            if time.monotonic() < self._tried_s + _ASKED_AGAIN_S:
                return
            try:
                await asyncio.to_thread(write_probe, self._path, _ROOM_BYTES)
            except OSError as error:
                raise state_error(error, self._path) from error
            self._tried_s = time.monotonic()

    def _warn_if_little(self) -> None:
        figures = self.figures
        is_little = figures is not None and figures.free_bytes < _LITTLE * figures.size_bytes
        if is_little and not self._is_little and figures is not None:
            log.warning("the disk of the stores is nearly full", path=str(self._path), **figures._asdict())
        self._is_little = is_little


def write_probe(path: Path, size_bytes: int) -> None:
    """Write so much to the disk that `path` is on, and take it away again.

    Raises:
        OSError: it does not take it.

    """
    probe = path / f".{uuid.uuid4().hex}"
    try:
        with probe.open("wb") as file:
            file.write(bytes(size_bytes))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def _looked_at(path: Path, stores: Iterable[Path]) -> DiskFigures | None:
    try:
        disk = os.statvfs(path)
    except OSError:
        return None
    return DiskFigures(
        sum(map(_size_bytes, stores)), disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    )


def _size_bytes(store: Path) -> int:
    """What the files of a store take; RocksDB may remove one meanwhile."""
    total_bytes = 0
    try:
        for file in os.scandir(store):
            try:
                total_bytes += file.stat().st_blocks * 512
            except FileNotFoundError:
                continue
    except FileNotFoundError:
        return 0
    return total_bytes
