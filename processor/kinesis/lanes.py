"""All lanes, one for each open shard: which one a record goes to, and calls that are packed from all.

A shard that is slow or takes nothing holds back its own lane; the others go on.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from processor.kinesis.call import Call, Run
from processor.kinesis.lane import Lane
from processor.kinesis.shards import ANY_SHARD, UNKNOWN_SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processor.kinesis.lane import Item
    from processor.kinesis.shards import ShardMap

_SHARE_MIN: Final = 50
"""A run costs as much as some ten records: shares of a call that are smaller would not pay."""


class Lanes:
    """The lanes by the shards of a map; one alone while no shards are known. Times are the loop's, in seconds."""

    def __init__(self, now_s: float, lane_bytes_max: float) -> None:
        self._lane_bytes_max = lane_bytes_max
        self._map = UNKNOWN_SHARDS
        self._lanes = {ANY_SHARD: Lane(ANY_SHARD, now_s, math.inf)}
        self._in_order = list(self._lanes.values())
        self._queue: deque[Lane] = deque()
        """The lanes that have something ready, in the order of their turns."""

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    @property
    def are_known(self) -> bool:
        """Whether there is a map of shards."""
        return self._map is not UNKNOWN_SHARDS

    @property
    def ready_records(self) -> int:
        """How many records are ready in all lanes."""
        return sum([len(lane.ready) for lane in self._queue])

    def of(self, partition_keys: Sequence[bytes]) -> list[Lane]:
        """The lane of each key, in UTF-8."""
        return list(map(self._in_order.__getitem__, self._map.places_of(partition_keys)))

    def admit(self, partition_keys: Sequence[bytes], sizes_bytes: Sequence[int]) -> list[Lane]:
        """Count items of these keys and sizes as held, in order, until a lane has no room; the lane of each that had."""
        lanes = self.of(partition_keys)
        return lanes[: Lane.admit(lanes, sizes_bytes)]

    def add(self, items: Iterable[Item]) -> None:
        """Queue items of open lanes, in order, each at the end of its lane."""
        self._queue.extend(Lane.queue(items))

    def add_waited(self, items: Sequence[Item]) -> None:
        """Queue items that waited outside the lanes, in order, at the ends of the lanes that are theirs by now."""
        for item in items:
            self._current_lane(item)
        self.add(items)

    def put_back(self, items: Sequence[Item]) -> None:
        """Queue items that failed, in order, before all others of their lanes."""
        for item in reversed(items):
            lane = self._current_lane(item)
            if lane.put_back(item):
                self._queue.append(lane)

    def use(self, shards: ShardMap, now_s: float) -> None:
        """Go by another map. Lanes of shards that stay keep what they learned; what waits for others moves."""
        former, self._map = self._lanes, shards
        self._lanes = {name: former.get(name) or self._opened(name, now_s) for name in shards.ids}
        self._in_order = list(self._lanes.values())
        moving = [item for name, lane in former.items() if name not in self._lanes for item in lane.close()]
        self._queue_again()
        self.add_waited(moving)

    def drop_abandoned(self) -> None:
        """Drop ready items whose tickets were abandoned."""
        for lane in self._lanes.values():
            lane.drop_abandoned()
        self._queue_again()

    def packed(self, now_s: float, records_max: int, bytes_max: int) -> Call:
        """A call of what may go now, spread over all lanes that have something; empty where nothing may.

        It has at most `records_max` records and `bytes_max` bytes; a record that is larger goes alone.
        """
        items: list[Item] = []
        runs: list[Run] = []
        queue, size_bytes = self._queue, 0
        share, progress = max(_SHARE_MIN, -(-records_max // max(len(queue), 1))), True
        while progress and len(items) < records_max:
            progress = False
            for _ in range(len(queue)):
                lane = queue.popleft()
                start = len(items)
                taken_bytes = 0
                if start < records_max:
                    room = min(share, records_max - start)
                    taken_bytes = lane.take(now_s, room, bytes_max - size_bytes, items)
                if taken_bytes:
                    size_bytes += taken_bytes
                    runs.append(Run(lane, start, len(items), taken_bytes))
                    progress = True
                if lane.ready:
                    queue.append(lane)
        # What is too large beside others goes when its lane is the first, so each must be.
        queue.rotate(-1)
        return Call(items, runs, size_bytes)

    def wait_s(self, now_s: float) -> float:
        """How long until any lane has something for a call, in seconds; infinite where something must happen first."""
        return min((lane.wait_s(now_s) for lane in self._queue), default=math.inf)

    def _queue_again(self) -> None:
        self._queue = deque(lane for lane in self._queue if lane.ready)

    def _opened(self, shard_id: str, now_s: float) -> Lane:
        return Lane(shard_id, now_s, math.inf if shard_id == ANY_SHARD else self._lane_bytes_max)

    def _current_lane(self, item: Item) -> Lane:
        if item.lane.is_closed:
            (lane,) = self.of([item.export.partition_key.encode()])
            item.move_to(lane)
        return item.lane
