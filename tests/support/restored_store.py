"""A store that a changelog was restored into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.worker.restore import restore
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from tests.kafka.model import MemoryChangelog


def member(offset: int, backfill: int = 0) -> bytes:
    return encode_record(StateRecord(offset, memberships={"one": "t"}, backfill=backfill))


def restored(changelog: MemoryChangelog, *breaks: int) -> MemoryStore:
    """A store after restores that stop at `breaks`, and then at the end."""
    return restored_and_outdated(changelog, *breaks)[0]


def restored_and_outdated(changelog: MemoryChangelog, *breaks: int) -> tuple[MemoryStore, set[bytes]]:
    store, outdated = MemoryStore(), set[bytes]()

    async def run() -> None:
        nonlocal outdated
        for end in (*breaks, len(changelog.records)):
            outdated = await restore(changelog, 0, store, end, lambda _: None)

    run_in_virtual_time(run())
    return store, outdated
