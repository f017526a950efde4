"""The order of a profile's records: one of them is on its way, and its later ones queue behind it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.kinesis.lane import Item


HOT: Final = 8
"""So many records that queue behind one of their profile have it go at once."""


class Admitted(NamedTuple):
    """Of items that were taken: those that go now; and whether one of them is the one with which its profile became hot."""

    going: list[Item]
    has_become_hot: bool


class ProfileOrder:
    """Which records may go now, so that no two of one profile are on their way at once. No other profile waits."""

    def __init__(self) -> None:
        self._partitions: dict[int, dict[bytes, deque[Item] | None]] = {}
        """By partition, then profile: what queues behind the item that is on its way; None where that is nothing."""

    def __iter__(self) -> Iterator[Item]:
        """What queues behind others; not what is on its way."""
        for profiles in self._partitions.values():
            for queue in profiles.values():
                yield from queue or ()

    def admit(self, items: Sequence[Item], partition: int) -> Admitted:
        """Take items of a partition, in order; those that do not go now queue behind theirs."""
        profiles = self._partitions.get(partition)
        if profiles is None:
            profiles = self._partitions[partition] = {}
        going, has_become_hot = [], False
        for item in items:
            profile = item.export.profile
            if profile in profiles:
                queue = profiles[profile]
                if queue is None:
                    profiles[profile] = queue = deque()
                queue.append(item)
                has_become_hot = has_become_hot or len(queue) == HOT
            else:
                profiles[profile] = None
                going.append(item)
        return Admitted(going, has_become_hot)

    def done(self, items: Sequence[Item]) -> list[tuple[Item, int]]:
        """Items that were on their way are settled: what of their profiles goes now, and how much queues behind each.

        Raises:
            KeyError: an item was not on its way, or its partition has been released; none is done then.

        """
        following = []
        for position in _done(self._partitions, items):
            item = items[position]
            queue = self._partitions[item.ticket.partition][item.export.profile]
            if queue:
                following.append((queue.popleft(), len(queue)))
        return following

    def go_before(self, candidates: Sequence[Item], partition: int, profile: bytes) -> bool:
        """Give the profile's turn to a record that is sent again, and return True where it may have it.

        It may where nothing of the profile is on its way, or only one of the `candidates`, which queues behind it then,
        before all that queued already. Otherwise nothing changes, and False is returned.
        """
        profiles = self._partitions.setdefault(partition, {})
        if profile not in profiles:
            profiles[profile] = None
            return True
        behind = [
            item
            for item in candidates
            if item.ticket.partition == partition and item.export.profile == profile
        ]
        if not behind:
            return False
        profiles[profile] = deque([*behind, *(profiles[profile] or ())])
        return True

    def release(self, partition: int) -> None:
        """Drop a partition, and all that queues in it."""
        self._partitions.pop(partition, None)


def _done(partitions: Mapping[int, dict[bytes, deque[Item] | None]], items: Sequence[Item]) -> Sequence[int]:
    """Take out the profiles of items behind which nothing queues; the positions of the others.

    Compiled where the build is (native/src/kinesis/profile_order.rs).
    """
    if native is not None:
        done = native.profiles_done(partitions, items)
        if done is not None:
            return done
    queues = [partitions[item.ticket.partition][item.export.profile] for item in items]
    followed = []
    for position, (item, queue) in enumerate(zip(items, queues, strict=True)):
        if queue:
            followed.append(position)
        else:
            del partitions[item.ticket.partition][item.export.profile]
    return followed
