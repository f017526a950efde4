"""What the demo promises, checked: all that should arrive did, in each profile's order, and nothing else."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.errors import InvalidEvent

if TYPE_CHECKING:
    from processor.demo.workload import DemoEvent
    from processor.profile.core import Core


@dataclass(slots=True)
class Ledger:
    """Both sides of the books: what the events must export, by the core alone, and what came out of the stream."""

    core: Core
    events: int = 0
    dead_letters: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    _states: dict[bytes, bytes] = field(default_factory=dict)
    _expected: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _arrived: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def produced(self, event: DemoEvent) -> None:
        """Note that an event went into the topic."""
        offset = self.events
        self.events += 1
        try:
            transition = self.core.apply(
                event.key,
                event.value,
                (),
                timestamp_ms=event.timestamp_ms,
                offset=offset,
                state=self._states.get(event.key),
            )
        except InvalidEvent:
            self.dead_letters += 1
            return
        if transition.state is not None:
            self._states[event.key] = transition.state
        for removal in transition.removed:
            self.removed[f"{removal.policy}: {removal.item.kind} {removal.item.name}"] += 1
        if transition.export is not None:
            self._expected[transition.export.partition_key].append(transition.export.data)

    def arrived(self, partition_key: str, data: bytes) -> None:
        """Note that a record came out of the stream."""
        self._arrived[partition_key].append(data)
        for segments in json.loads(data)["segmentMembership"].values():
            self.statuses.update(entry["status"] for entry in segments.values())

    @property
    def expected_count(self) -> int:
        """How many records must arrive."""
        return sum(map(len, self._expected.values()))

    @property
    def arrived_count(self) -> int:
        """How many records have arrived."""
        return sum(map(len, self._arrived.values()))

    @property
    def profiles(self) -> int:
        """How many profiles have an export."""
        return len(self._expected)

    def lost(self) -> int:
        """Return how many exports did not arrive."""
        return sum((Counter(self._all(self._expected)) - Counter(self._all(self._arrived))).values())

    def invented(self) -> int:
        """Return how many records arrived that should not be there."""
        return sum((Counter(self._all(self._arrived)) - Counter(self._all(self._expected))).values())

    def out_of_order(self) -> list[str]:
        """Return the profiles whose records are not the expected ones, in the expected order."""
        return [key for key, exports in self._expected.items() if self._arrived.get(key, []) != exports]

    def is_settled(self, dead_lettered: int) -> bool:
        """Whether all that should arrive did, in order, and nothing else; `dead_lettered` is what the service counted."""
        return (
            not self.lost()
            and not self.invented()
            and not self.out_of_order()
            and dead_lettered == self.dead_letters
        )

    @staticmethod
    def _all(side: dict[str, list[bytes]]) -> list[tuple[str, bytes]]:
        return [(key, data) for key, exports in side.items() for data in exports]
