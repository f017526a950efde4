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
        self._store = store
        self._pending: dict[bytes, bytes] = {}

    def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """The records of `profiles` as of the latest change, acknowledged or not."""
        pending = self._pending
        stored = [profile for profile in profiles if profile not in pending]
        found: dict[bytes, bytes | None] = dict(zip(stored, self._store.get_many(stored), strict=True))
        for profile in profiles:
            if profile in pending:
                found[profile] = pending[profile]
        return found

    def put(self, changes: Mapping[bytes, bytes]) -> None:
        """Changes that were made, and are on their way to being acknowledged."""
        self._pending.update(changes)

    def acknowledge(self, changes: Mapping[bytes, bytes]) -> None:
        """Changes that were put, and may go to the store now; in the order in which they were put."""
        self._store.apply(changes)
        pending = self._pending
        for profile, record in changes.items():
            if pending.get(profile) is record:
                del pending[profile]

    def forget(self, changes: Mapping[bytes, bytes]) -> None:
        """Delete acknowledged records, where they are still the profile's latest."""
        latest = self.get_many(list(changes))
        self._store.apply({p: None for p, record in changes.items() if latest[p] == record})

    def close(self) -> None:
        """Forget what is not acknowledged, and close the store."""
        self._pending.clear()
        self._store.close()
