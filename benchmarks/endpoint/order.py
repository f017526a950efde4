"""Whether each profile's records come in the order of its events."""

from __future__ import annotations

from benchmarks.workload import newest_time_text


class Order:
    """Compares each record with those before it that have the same key, by the newest time in its data."""

    def __init__(self) -> None:
        self._newest: dict[bytes, bytes] = {}
        self._broken: set[bytes] = set()
        self._stale: set[bytes] = set()

    def see(self, key: bytes, data: bytes) -> None:
        """A record was taken."""
        time = newest_time_text(data)
        if time < self._newest.get(key, b""):
            self._broken.add(key)
            self._stale.add(key)
        else:
            self._newest[key] = time
            self._stale.discard(key)

    def as_dict(self) -> dict[str, int]:
        """How many profiles there are, of how many a record came after a later one, and of how many the last one did."""
        return {
            "profiles": len(self._newest),
            "out_of_order": len(self._broken),
            "stale_at_the_end": len(self._stale),
        }
