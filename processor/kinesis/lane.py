"""A lane, what is on its way to one shard; and its items, one for each export.

A lane whose shard takes nothing is tried again slowly, with a few records.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from processor.kinesis.evidence import Evidence
from processor.kinesis.shard_limiter import SHARD_RECORDS_PER_S, Limiter
from processor.kinesis.shards import ANY_SHARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.kinesis.ticket import Ticket
    from processor.profile.structs import Export

_UNLIMITED_SCALE: Final = 10_000.0
_FAILING: Final = 2
_PROBE_RECORDS: Final = 10
_GATHER_S: Final = 0.02
"""A limited lane gathers this much of its rate before it takes part in a call again."""


class Item(msgspec.Struct, gc=False, eq=False):
    """An export on its way.

    The garbage collector need not look at it: nothing that it refers to leads back to it once it is settled or
    abandoned.
    """

    export: Export
    ticket: Ticket
    position: int
    """Of the export in its ticket."""
    lane: Lane
    size_bytes: int
    """Of the export's data and its partition key."""
    attempts: int = 0
    """How often it failed by itself, in a call whose other records were taken."""
    evidence: Evidence | None = None
    """What speaks against it, once a call with it was rejected."""

    def is_of_the_profile_of(self, other: Item) -> bool:
        """Whether the order of the two matters: they are of one profile of one partition."""
        return self.ticket.partition == other.ticket.partition and self.export.profile == other.export.profile

    def count_attempt(self) -> int:
        """Note that it failed by itself, and return how often it has."""
        self.attempts += 1
        return self.attempts

    def add_evidence(self, newest_begun: int) -> None:
        """Begin to gather evidence, where a call with it was rejected when `newest_begun` was the newest call."""
        if self.evidence is None:
            self.evidence = Evidence(newest_begun)

    def clear_evidence(self) -> None:
        """Drop the evidence against it: it goes among others again."""
        self.evidence = None

    def move_to(self, lane: Lane) -> None:
        """Count it in another lane, whether there is room or not: its shard has closed."""
        self.lane.release(self.size_bytes)
        lane.hold(self.size_bytes)
        self.lane = lane


class Lane:
    """What is on its way to one shard. Times are the loop's, in seconds."""

    __slots__ = (
        "_is_probing",
        "_not_before_s",
        "failures",
        "held_bytes",
        "held_bytes_max",
        "is_closed",
        "limiter",
        "ready",
        "shard_id",
        "stored",
        "throttled",
    )

    def __init__(self, shard_id: str, now_s: float, held_bytes_max: float) -> None:
        self.shard_id = shard_id
        self.limiter = Limiter(now_s, _UNLIMITED_SCALE if shard_id == ANY_SHARD else 1.0)
        self.ready: deque[Item] = deque()
        """What may go in the next call, in order."""
        self.held_bytes = 0
        """Of all items of the lane: ready, in flight, queued behind others of their profile, or to be sent again."""
        self.is_closed = False
        """Whether the shard takes no records any more."""
        self.failures = 0
        """Answers in a row that stored nothing of this lane."""
        self.stored = 0
        """Records that its shard has stored."""
        self.throttled = 0
        """How often a record was throttled."""
        self.held_bytes_max = held_bytes_max
        """What it may hold; math.inf where there is no bound."""
        self._not_before_s = 0.0
        self._is_probing = False

    @property
    def is_failing(self) -> bool:
        """Whether its shard takes nothing at present."""
        return self.failures >= _FAILING

    @staticmethod
    def admit(lanes: Sequence[Lane], sizes_bytes: Sequence[int]) -> int:
        """Count bytes as held, of one item in each of `lanes`, in order, until one has no room; how many items had.

        A lane may stand there several times. One that holds nothing has room for one item of any size.
        """
        admitted = 0
        for lane, size_bytes in zip(lanes, sizes_bytes, strict=True):
            held_bytes = lane.held_bytes
            if held_bytes + size_bytes > lane.held_bytes_max and held_bytes:
                break
            lane.held_bytes = held_bytes + size_bytes
            admitted += 1
        return admitted

    @staticmethod
    def queue(items: Iterable[Item]) -> list[Lane]:
        """Have items be ready, in order, each at the end of its lane; the lanes that had nothing ready before."""
        filled = []
        for item in items:
            lane = item.lane
            ready = lane.ready
            if not ready:
                filled.append(lane)
            ready.append(item)
        return filled

    def put_back(self, item: Item) -> bool:
        """Have an item of the lane that failed be ready before all others; whether nothing was ready before."""
        was_empty = not self.ready
        self.ready.appendleft(item)
        return was_empty

    def hold(self, size_bytes: int) -> None:
        """Count so many bytes as held, whether there is room or not."""
        self.held_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Count so many bytes as no longer held: what they are of is stored, rejected, abandoned or moved."""
        self.held_bytes -= size_bytes

    def close(self) -> deque[Item]:
        """The shard takes no records any more: return what was ready, to be moved to other lanes."""
        self.is_closed = True
        moving, self.ready = self.ready, deque()
        return moving

    def drop_abandoned(self) -> None:
        """Drop ready items whose tickets were abandoned."""
        self.ready = deque(item for item in self.ready if not item.ticket.is_abandoned)

    def answered(self, now_s: float, stored: int, throttled: int, failed: int) -> None:
        """Learn from the answer to a run of this lane: so many were stored, and of `failed` ones some were `throttled`."""
        self._is_probing = False
        self.stored += stored
        self.throttled += throttled
        self.limiter.answered(now_s, stored, throttled)
        if stored:
            self.failures, self._not_before_s = 0, 0.0
        elif failed:
            self.failures += 1

    def pause_until(self, until_s: float) -> None:
        """While the shard fails, have nothing go before `until_s`."""
        self._not_before_s = until_s

    def end_probe(self) -> None:
        """A call with items of the lane ended without an answer about them: where it was a probe, another may go."""
        self._is_probing = False

    def take(self, now_s: float, records_max: int, bytes_max: int, items: list[Item]) -> int:
        """Move what may go now to the end of `items`, and return its bytes; 0 where nothing may.

        While the shard fails, that is a probe of a few records, and nothing more before the probe has ended. Where
        `items` is empty, the first record may be larger than `bytes_max`.
        """
        if self.is_failing:
            if self._is_probing or now_s < self._not_before_s:
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
            self._is_probing = self.is_failing
        return size_bytes

    def wait_s(self, now_s: float) -> float:
        """How long until it has something for a call, in seconds; infinite where an answer must come first."""
        if self._is_probing:
            return math.inf
        paused_s = self._not_before_s - now_s if self.is_failing else 0.0
        gathered = int(self.limiter.scale * SHARD_RECORDS_PER_S * _GATHER_S)
        return max(paused_s, self.limiter.wait_s(max(1, min(len(self.ready), gathered))))

    def _shortened(self, run: list[Item], size_bytes: int, bytes_max: int, *, is_first: bool) -> int:
        """Give back what is too much, and return the bytes that are left. The last one may pass the limiter's limit."""
        allowed = self.limiter.bytes_allowed
        while run:
            last = run[-1]
            is_alone = is_first and len(run) == 1
            if is_alone or (size_bytes <= bytes_max and size_bytes - last.size_bytes < allowed):
                break
            self.ready.appendleft(run.pop())
            size_bytes -= last.size_bytes
        return size_bytes
