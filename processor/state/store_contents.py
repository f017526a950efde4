"""What is in a store, for commands that write it elsewhere while no service uses it."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from rocksdict import Options, Rdict, WriteBatch

from processor.errors import StateRefused
from processor.profile.state_record import has_departed, record_offset
from processor.state.rocksdb_store import (
    BACKFILL_KEY,
    CHANGELOG_KEY,
    CONSUMED_KEY,
    DEPARTED_PREFIX,
    IDENTITY_KEY,
    NUMBER,
    POSITION,
    POSITION_KEY,
    STREAM_KEY,
)
from processor.state.store_inspection import is_in_use, open_to_look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OWN_KEYS = b"\xff"


class Known(NamedTuple):
    """What a store knows of itself; see `Store`."""

    position: int
    highest_offset: int
    stream: str | None
    changelog: str | None


NOTHING: Final = Known(0, -1, None, None)
"""What a new store knows."""


class Contents:
    """A store's records, and what it knows of itself; see `Store`. Calls block."""

    def __init__(self, database: Rdict) -> None:
        self._database = database
        position, consumed = database.get(POSITION_KEY), database.get(CONSUMED_KEY)
        stream, changelog = database.get(STREAM_KEY), database.get(CHANGELOG_KEY)
        self.position: int
        self.highest_offset: int
        self.position, self.highest_offset = POSITION.unpack(position)[:2] if position else (0, -1)
        self.stream: str | None = stream.decode() if stream else None
        self.changelog: str | None = changelog.decode() if changelog else None
        self.backfill: bytes | None = database.get(BACKFILL_KEY)
        self._consumed: int | None = NUMBER.unpack(consumed)[0] if consumed else None
        self.cluster: str | None = json.loads(database.get(IDENTITY_KEY) or b"{}").get("cluster")

    @property
    def known(self) -> Known:
        """What stays known of it when it is closed."""
        return Known(self.position, self.highest_offset, self.stream, self.changelog)

    @property
    def consumed(self) -> int:
        """The source offset before which every event is in this state, as far as it knows."""
        return max(self._consumed or 0, self.highest_offset + 1)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Profiles with their records, as the changelog has them: without those whose deletion it has."""
        database = self._database
        for key, record in database.items():
            if not isinstance(key, bytes) or not isinstance(record, bytes) or key.startswith(_OWN_KEYS):
                continue
            if (
                has_departed(record)
                and DEPARTED_PREFIX + NUMBER.pack(record_offset(record)) + key not in database
            ):
                continue
            yield key, record

    def now_of(self, changelog: str | None, position: int) -> None:
        """Note that all of this is in another changelog, up to `position`."""
        batch = WriteBatch(raw_mode=True)
        now_ms = time.time_ns() // 1_000_000
        batch.put(POSITION_KEY, POSITION.pack(position, self.highest_offset, now_ms))
        if changelog is not None:
            batch.put(CHANGELOG_KEY, changelog.encode())
        self._database.write(batch)


@contextmanager
def looked_into(path: Path) -> Iterator[Contents]:
    """A store to read, also while a service uses it; what is in its memory alone is not seen.

    Raises:
        StateError: it cannot be read.

    """
    database = open_to_look(path)
    try:
        yield Contents(database)
    finally:
        database.close()


@contextmanager
def opened(path: Path) -> Iterator[Contents]:
    """A store that no service uses.

    Raises:
        StateRefused: a service uses it.

    """
    if is_in_use(path):
        raise StateRefused(f"{path} is in use: stop the service on this machine first")
    database = Rdict(str(path), Options(raw_mode=True))
    try:
        yield Contents(database)
    finally:
        database.close()
