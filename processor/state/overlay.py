"""State changes that are not yet acknowledged, in front of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.state.records import drop_same

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from processor.state.store import Store


class LookUp:
    """Profiles whose records are being read from the store; `Overlay.finish` makes them current."""

    def __init__(
        self, found: dict[bytes, bytes | None], reading: asyncio.Task[dict[bytes, bytes | None]] | None
    ) -> None:
        self.found = found
        self.reading = reading


class Overlay:
    """What the next batch must see: the latest change of each profile, then the store.

    A change stays until it is applied to the store, unless a later one of the same profile took its place. The
    store may be read ahead, while earlier batches are still worked on: what changes meanwhile is laid over it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pending: dict[bytes, bytes] = {}
        self._under_way = 0
        self._acknowledged_meanwhile: dict[bytes, bytes] = {}

    def begin(self, profiles: Iterable[bytes], tasks: asyncio.TaskGroup) -> LookUp:
        """Read ahead the records of `profiles`."""
        self._under_way += 1
        found: dict[bytes, bytes | None] = {}
        unknown = []
        for profile in self.store.recall(profiles, found):
            if profile in self._pending:
                found[profile] = None  # its change is laid over it, acknowledged by then or not
            else:
                unknown.append(profile)
        reading = tasks.create_task(self.store.get_many(unknown), name="look-up") if unknown else None
        return LookUp(found, reading)

    async def finish(self, look_up: LookUp) -> dict[bytes, bytes | None]:
        """The records as of the latest change, acknowledged or not; no change may be put while this waits."""
        found = look_up.found
        if look_up.reading is not None:
            found.update(await look_up.reading)
        for changes in (self._acknowledged_meanwhile, self._pending):
            for profile in changes.keys() & found.keys():
                found[profile] = changes[profile]
        self._under_way -= 1
        if not self._under_way:
            self._acknowledged_meanwhile = {}
        return found

    def put(self, changes: Mapping[bytes, bytes]) -> None:
        """Changes that were made, and are on their way to being acknowledged."""
        self._pending.update(changes)

    def holds(self, profile: bytes) -> bool:
        """Whether a change of the profile is not acknowledged yet."""
        return profile in self._pending

    async def acknowledge(self, changes: Mapping[bytes, bytes], position: int) -> None:
        """Changes that were put, and that the changelog has up to `position`; in the order in which they were put."""
        await self.store.apply(changes, position)
        if self._under_way:
            # A look-up may have asked the store before these were there.
            self._acknowledged_meanwhile.update(changes)
        drop_same(self._pending, changes)
