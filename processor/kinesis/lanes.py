"""Lanes, one for each shard: what is ready for it, how much it may be given, and how calls are packed from all.

A lane whose shard takes nothing is tried again slowly, with a few records; the others go on.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.kinesis.shard_limiter import SHARD_RECORDS_PER_S, Limiter
from processor.kinesis.shards import ANY_SHARD, UNKNOWN_SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.kinesis.shards import ShardMap
    from processor.kinesis.ticket import Item

_UNLIMITED_SCALE: Final = 10_000.0
_SHARE_MIN: Final = 50
"""A run costs as much as some ten records: shares of a call that are smaller would not pay."""
_FAILING: Final = 2
_PROBE_RECORDS: Final = 10
_GATHER_S: Final = 0.02
"""A limited lane gathers this much of its rate before it takes part in a call again."""


class Run(NamedTuple):
    """The items of one lane in a call: from `start` to before `end`."""

    lane: Lane
    start: int
    end: int
    size_bytes: int


class Call(NamedTuple):
    """What one PutRecords call carries."""

    items: list[Item]
    runs: list[Run]
    size_bytes: int


def call_of_each(items: list[Item]) -> Call:
    """A call of what did not come from the lanes' queues: every item is a run."""
    runs = [Run(item.lane, at, at + 1, item.size_bytes) for at, item in enumerate(items)]
    return Call(items, runs, sum(item.size_bytes for item in items))


class Lane:
    """One shard's queue. `held_bytes` counts all that goes to it: ready, in flight, queued behind or sent again."""

    __slots__ = (
        "closed",
        "failures",
        "held_bytes",
        "held_bytes_max",
        "limiter",
        "not_before_s",
        "probing",
        "queued",
        "ready",
        "shard_id",
        "stored",
        "throttled",
    )

    def __init__(self, shard_id: str, now_s: float, held_bytes_max: float) -> None:
        self.shard_id = shard_id
        self.held_bytes_max = held_bytes_max
        self.limiter = Limiter(now_s, _UNLIMITED_SCALE if shard_id == ANY_SHARD else 1.0)
        self.ready: deque[Item] = deque()
        self.held_bytes = 0
        self.queued = False
        self.closed = False
        self.failures = 0
        """Answers in a row that stored nothing of this lane."""
        self.not_before_s = 0.0
        self.probing = False
        self.stored = 0
        self.throttled = 0

    @property
    def is_failing(self) -> bool:
        """Whether its shard takes nothing at present."""
        return self.failures >= _FAILING

    def answered(self, now_s: float, stored: int, throttled: int, failed: int) -> None:
        """Learn from the answer to a run of this lane: of `failed` ones some were `throttled`."""
        self.probing = False
        self.stored += stored
        self.throttled += throttled
        self.limiter.answered(now_s, stored, throttled)
        if stored:
            self.failures, self.not_before_s = 0, 0.0
        elif failed:
            self.failures += 1

    def take(self, now_s: float, records_max: int, bytes_max: int, items: list[Item]) -> int:
        """Move what may go now to `items`; its bytes."""
        if self.is_failing:
            if self.probing or now_s < self.not_before_s:
                return 0
            records_max = min(records_max, _PROBE_RECORDS)
        count = min(self.limiter.records_allowed(now_s), records_max, len(self.ready))
        if not count:
            return 0
        next_one = self.ready.popleft
        run = [next_one() for _ in range(count)]
        size_bytes = sum([item.size_bytes for item in run])
        if size_bytes > bytes_max or size_bytes > self.limiter.bytes_allowed:
            size_bytes = self._shortened(run, size_bytes, bytes_max, is_first=not items)
        if run:
            items += run
            self.limiter.spend(len(run), size_bytes)
            self.probing = self.is_failing
        return size_bytes

    def wait_s(self, now_s: float) -> float:
        """How long until it has something for a call; infinite where an answer must come first."""
        if self.probing:
            return math.inf
        paused_s = self.not_before_s - now_s if self.is_failing else 0.0
        gathered = int(self.limiter.scale * SHARD_RECORDS_PER_S * _GATHER_S)
        return max(paused_s, self.limiter.wait_s(max(1, min(len(self.ready), gathered))))

    def _shortened(self, run: list[Item], size_bytes: int, bytes_max: int, *, is_first: bool) -> int:
        """Give back what is too much; the bytes that are left. The last one may pass what the limiter allows."""
        allowed = self.limiter.bytes_allowed
        while run:
            last = run[-1]
            is_alone = is_first and len(run) == 1
            if is_alone or (size_bytes <= bytes_max and size_bytes - last.size_bytes < allowed):
                break
            self.ready.appendleft(run.pop())
            size_bytes -= last.size_bytes
        return size_bytes


class Lanes:
    """All lanes, by the shards of a map."""

    def __init__(self, now_s: float, lane_bytes_max: float) -> None:
        self._lane_bytes_max = lane_bytes_max
        self._map = UNKNOWN_SHARDS
        self._lanes = {ANY_SHARD: Lane(ANY_SHARD, now_s, math.inf)}
        self._in_order = list(self._lanes.values())
        self._queue: deque[Lane] = deque()

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    @property
    def are_known(self) -> bool:
        """Whether there is a map of shards."""
        return self._map is not UNKNOWN_SHARDS

    @property
    def ready_records(self) -> int:
        """What is ready in all lanes."""
        return sum([len(lane.ready) for lane in self._queue])

    def of(self, partition_keys: Sequence[bytes]) -> list[Lane]:
        """The lane of each key."""
        in_order = self._in_order
        return [in_order[place] for place in self._map.places_of(partition_keys)]

    def add(self, item: Item) -> None:
        """Queue an item at the end of its lane."""
        lane = self._current_lane(item)
        lane.ready.append(item)
        if not lane.queued:
            self.queue(lane)

    def put_back(self, item: Item) -> None:
        """Queue an item that failed before all others of its lane."""
        lane = self._current_lane(item)
        lane.ready.appendleft(item)
        if not lane.queued:
            self.queue(lane)

    def queue(self, lane: Lane) -> None:
        """Have a lane that has something take its turns."""
        lane.queued = True
        self._queue.append(lane)

    def use(self, shards: ShardMap, now_s: float) -> None:
        """Go by another map. Lanes of shards that stay keep what they learned; what waits for others moves."""
        former, self._map = self._lanes, shards
        self._lanes = {name: former.get(name) or self._opened(name, now_s) for name in shards.ids}
        self._in_order = list(self._lanes.values())
        for name, lane in former.items():
            if name not in self._lanes:
                lane.closed = True
                moving, lane.ready = lane.ready, deque()
                for item in moving:
                    self.add(item)

    def drop_abandoned(self) -> None:
        """Forget what was abandoned."""
        for lane in self._lanes.values():
            lane.ready = deque(item for item in lane.ready if not item.ticket.abandoned)

    def packed(self, now_s: float, records_max: int, bytes_max: int) -> Call:
        """A call of what may go now, spread over all lanes that have something; empty where nothing may."""
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
                else:
                    lane.queued = False
        # What is too large beside others goes when its lane is the first, so each must be.
        queue.rotate(-1)
        return Call(items, runs, size_bytes)

    def wait_s(self, now_s: float) -> float:
        """How long until any lane has something for a call; infinite where something else must happen first."""
        return min((lane.wait_s(now_s) for lane in self._queue), default=math.inf)

    def _opened(self, shard_id: str, now_s: float) -> Lane:
        return Lane(shard_id, now_s, math.inf if shard_id == ANY_SHARD else self._lane_bytes_max)

    def _current_lane(self, item: Item) -> Lane:
        lane = item.lane
        if lane.closed:
            lane.held_bytes -= item.size_bytes
            lane = item.lane = self.of([item.export.partition_key.encode()])[0]
            lane.held_bytes += item.size_bytes
        return lane
