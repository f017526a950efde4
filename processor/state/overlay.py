"""State changes that are not yet acknowledged, in front of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.state.latest_records import latest_records

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
        self.changed: list[Mapping[bytes, bytes]] = []
        """What was put since it was begun."""


class Overlay:
    """What the next batch must see: the latest change of each profile, then the store.

    A change stays until it is applied to the store, unless a later one of the same profile took its place. The
    store may be read ahead, while earlier batches are still worked on: what is put meanwhile is laid over it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pending = latest_records()
        self._under_way: list[LookUp] = []

    def begin(self, profiles: Iterable[bytes], tasks: asyncio.TaskGroup) -> LookUp:
        """Read ahead the records of `profiles`."""
        found: dict[bytes, bytes | None] = {}
        unknown = self.store.recall(self._pending.find(profiles, found), found)
        reading = tasks.create_task(self.store.get_many(unknown), name="look-up") if unknown else None
        look_up = LookUp(found, reading)
        self._under_way.append(look_up)
        return look_up

    async def finish(self, look_up: LookUp) -> dict[bytes, bytes | None]:
        """The records as of the latest change, acknowledged or not; no change may be put while this waits."""
        found = look_up.found
        try:
            if look_up.reading is not None:
                found.update(await look_up.reading)
        finally:
            self._under_way.remove(look_up)
        for changes in look_up.changed:
            for profile in changes.keys() & found.keys():
                found[profile] = changes[profile]
        return found

    def put(self, changes: Mapping[bytes, bytes]) -> None:
        """Changes that were made, and are on their way to being acknowledged; nobody changes them any more."""
        self._pending.put(changes, 0)
        for look_up in self._under_way:
            look_up.changed.append(changes)

    def holds(self, profile: bytes) -> bool:
        """Whether a change of the profile is not acknowledged yet."""
        return profile in self._pending

    async def acknowledge(self, changes: Mapping[bytes, bytes], position: int) -> None:
        """Changes that were put, and that the changelog has up to `position`; in the order in which they were put."""
        await self.store.apply(changes, position)
        self._pending.drop_same(changes)
