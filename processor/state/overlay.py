"""State changes that are not yet acknowledged, in front of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.state.store import Store


class Overlay:
    """What the next batch must see: the latest change of each profile, then the store.

    A change stays until it is applied to the store, unless a later one of the same profile took its place.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pending: dict[bytes, bytes] = {}

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """The records of `profiles` as of the latest change, acknowledged or not.

        Changes of these profiles must not be put while this waits; they may be acknowledged.
        """
        # The pending ones are taken before the wait: what is acknowledged meanwhile leaves the overlay, and the
        # store may have been asked before it got there.
        pending = self._pending
        found: dict[bytes, bytes | None] = {p: pending[p] for p in profiles if p in pending}
        stored = [profile for profile in dict.fromkeys(profiles) if profile not in found]
        if stored:
            found.update(zip(stored, await self.store.get_many(stored), strict=True))
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
        pending = self._pending
        for profile, record in changes.items():
            if pending.get(profile) is record:
                del pending[profile]
