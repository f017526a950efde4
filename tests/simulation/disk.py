"""A worker's disk: stores that outlive it, or lose what was not written or synced, or are gone."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from processor.errors import StateUnavailable
from processor.state import disk
from tests.simulation.broker import NOWHERE
from tests.simulation.loop import PROCESS
from tests.support.memory_store import MemoryStore

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from processor.state.store import Departed

_FULL = "the disk is full: make room"
_SYNCED = 0.2
"""The share of writes after which the disk has all of them for good."""


class NoDisk(disk.Disk):
    """One that nobody looks at: it has no figures, and takes all."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), list)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def check(self) -> None:
        return


class Disk(NoDisk):
    """What one machine keeps of its partitions' stores; `full_until_s` it takes nothing."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.full_until_s = 0.0
        self._rng = rng
        self._synced: dict[int, MemoryStore] = {}
        self._writes: dict[int, list[Callable[[MemoryStore], None]]] = {}

    def open(self, partition: int) -> Store:
        """The store as the disk has it."""
        store = Store(self, partition, self._rng)
        _copy(self._synced.setdefault(partition, MemoryStore()), store)
        for write in self._writes.setdefault(partition, []):
            write(store)
        return store

    def is_full(self) -> bool:
        loop = asyncio.get_running_loop()
        return bool(loop.now_s < self.full_until_s)  # type: ignore[attr-defined]  # the world's loop

    async def check(self) -> None:
        if self.is_full():
            raise StateUnavailable(_FULL)

    async def opened(self, partition: int) -> Store:
        """As a worker opens it: for that, too, there may be no room."""
        if self.is_full() and self._rng.random() < 0.5:
            raise StateUnavailable(_FULL)
        return self.open(partition)

    def write(self, partition: int, write: Callable[[MemoryStore], None]) -> None:
        """Keep a write; for good after the next sync."""
        self._writes[partition].append(write)
        if self._rng.random() < _SYNCED:
            self._sync(partition)

    def lose_power(self) -> None:
        """Of what was not synced the first writes are left, as many as it happens."""
        for partition, writes in self._writes.items():
            del writes[self._rng.randrange(len(writes) + 1) :]
            self._sync(partition)

    def lose_all(self) -> None:
        """A new disk."""
        self._synced.clear()
        self._writes.clear()

    def _sync(self, partition: int) -> None:
        for write in self._writes[partition]:
            write(self._synced[partition])
        self._writes[partition].clear()


class Store(MemoryStore):
    """One partition's store, opened: what is written reaches the disk a little later, unless the worker dies."""

    def __init__(self, disk: Disk, partition: int, rng: random.Random) -> None:
        super().__init__()
        self._disk = disk
        self._partition = partition
        self._rng = rng
        self.is_open = True
        self._notes: list[Callable[[MemoryStore], None]] = []
        """What the disk has with the next write."""

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        # A cache that knows all or nothing: both ways of a look-up are gone.
        return super().recall(profiles, found) if self._rng.random() < 0.3 else list(dict.fromkeys(profiles))

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        found = await super().get_many(profiles)
        await self._turn()
        return found

    async def apply(self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None) -> None:
        await self._written(lambda store: _applied(store, changes, position, stream))

    def note(
        self, *, changelog: str | None = None, consumed: int | None = None, backfill: bytes | None = None
    ) -> None:
        super().note(changelog=changelog, consumed=consumed, backfill=backfill)
        self._notes.append(
            lambda store: MemoryStore.note(store, changelog=changelog, consumed=consumed, backfill=backfill)
        )

    async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        new = set(profiles) - self._marked
        await self._written_at_once(lambda store: store._marked.update(profiles))
        return new

    async def clear_marks(self) -> None:
        await self._written_at_once(lambda store: store._marked.clear())

    async def departed_before(self, offset: int, limit: int) -> list[Departed]:
        await self._turn()
        if self.trouble is not None:
            return []
        return await super().departed_before(offset, limit)

    async def purge(self, departed: Sequence[Departed], position: int) -> None:
        await self._written(lambda store: _purged(store, departed, position))

    async def clear(self) -> None:
        await self._written(_cleared)

    async def close(self) -> None:
        await self._turn()
        self.is_open = False

    async def _written_at_once(self, write: Callable[[MemoryStore], None]) -> None:
        await self._written(write)
        if self.trouble is not None:
            raise StateUnavailable(self.trouble)

    async def _turn(self) -> None:
        await asyncio.sleep(self._rng.random() / 1000)

    async def _written(self, write: Callable[[MemoryStore], None]) -> None:
        process, loop = PROCESS.get(), asyncio.get_running_loop()
        landed = loop.create_future()
        awaited = [landed]
        writes, self._notes = [*self._notes, write], []

        def land() -> None:
            # A thread writes: it goes on when its task is cancelled, and ends when its process dies.
            if process is None or not process.is_dead:
                assert self.is_open, "a store was written after it was closed"
                write(self)
                if self.trouble is None and self._disk.is_full():
                    self.trouble = _FULL
                if self.trouble is None:
                    self._disk.write(self._partition, partial(_all_written, writes))
                for each in awaited:
                    if not each.done():
                        each.set_result(None)

        loop.call_later(self._rng.random() / 1000, land, context=NOWHERE)
        try:
            await landed
        except asyncio.CancelledError:
            if landed.cancelled():
                awaited.append(loop.create_future())
                await asyncio.wait([awaited[-1]])
            raise


def _copy(of: MemoryStore, to: MemoryStore) -> None:
    to.records = dict(of.records)
    to._departed = dict(of._departed)
    to.position, to.highest_offset, to.stream = of.position, of.highest_offset, of.stream
    to.changelog, to.consumed, to.backfill = of.changelog, of.consumed, of.backfill
    to._marked = set(of._marked)


def _all_written(writes: Sequence[Callable[[MemoryStore], None]], store: MemoryStore) -> None:
    for write in writes:
        write(store)


def _applied(store: MemoryStore, changes: Mapping[bytes, bytes], position: int, stream: str | None) -> None:
    _run(MemoryStore.apply(store, changes, position, stream))


def _purged(store: MemoryStore, departed: Sequence[Departed], position: int) -> None:
    # As RocksDB's, it keeps what it knows of them for a while: an older record may come late.
    for profile, offset, _ in departed:
        if store._departed.get(profile) == offset:
            del store._departed[profile]
    store.position = position


def _cleared(store: MemoryStore) -> None:
    _run(MemoryStore.clear(store))


def _run(coroutine: object) -> None:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]  # a coroutine
    except StopIteration:
        return
    raise AssertionError("it waited")
