"""A stream in memory: shards by hash range, records kept in order, and faults by a script."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from processor.errors import (
    KinesisRefused,
    KinesisRejected,
    KinesisTooLarge,
    KinesisUnavailable,
    KinesisUnreadable,
)
from processor.kinesis.connection import RECORD_BYTES_DEFAULT, StreamFacts
from processor.kinesis.error_mapping import from_fault
from processor.kinesis.fault import Fault
from processor.kinesis.kinesis_json import Answer, Result
from processor.kinesis.shards import Shard

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from processor.profile.structs import Export

HASH_KEYS = 2**128
RECORDS_MAX = 500
REQUEST_BYTES_MAX = 10 * 1024 * 1024
THROTTLED = "ProvisionedThroughputExceededException"
FAILED = "InternalFailure"
SHARD_RECORDS_PER_S = 1000.0
SHARD_BYTES_PER_S = 1024 * 1024.0


@functools.lru_cache(maxsize=1000)
def _hash_key(partition_key: str) -> int:
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def _size_bytes(record: Export) -> int:
    return len(record.data) + len(record.partition_key.encode())


class Stored(NamedTuple):
    """A record as a consumer reads it."""

    partition_key: str
    data: bytes


@dataclass
class ModelShard:
    """A range of hash keys, what was stored in it, and what it may still take in this second."""

    id: str
    first_hash: int
    last_hash: int
    records: list[Stored] = field(default_factory=list)
    is_open: bool = True
    share: float = 1.0
    """What other producers leave of the limits."""
    records_left: float = SHARD_RECORDS_PER_S
    bytes_left: float = SHARD_BYTES_PER_S
    filled_at_s: float = 0.0

    def takes(self, size_bytes: int, now_s: float) -> bool:
        """Whether the published limits leave room for a record."""
        passed_s, self.filled_at_s = now_s - self.filled_at_s, now_s
        records_per_s, bytes_per_s = self.share * SHARD_RECORDS_PER_S, self.share * SHARD_BYTES_PER_S
        self.records_left = min(records_per_s, self.records_left + passed_s * records_per_s)
        self.bytes_left = min(bytes_per_s, self.bytes_left + passed_s * bytes_per_s)
        if self.records_left < 1 or self.bytes_left < size_bytes:
            return False
        self.records_left -= 1
        self.bytes_left -= size_bytes
        return True


@dataclass
class Faults:
    """What goes wrong, as shares of records or of requests; a dead shard fails all of its records."""

    throttled: float = 0
    failed: float = 0
    lost_before: float = 0
    """Requests whose connection breaks before anything is stored."""
    lost_after: float = 0
    """Requests that are stored and whose answer is lost."""
    refused: str | None = None
    """Why every request is refused."""
    unavailable: float = 0
    dead_shards: set[str] = field(default_factory=set)
    limited: bool = False
    """Shards keep to their published limits."""
    unlisted: str | None = None
    """The code of the error with which the shards cannot be listed."""
    undescribed: str = ""
    """The code that DescribeStreamSummary is refused with."""
    unnamed: str = ""
    """The code that ListStreams is refused with."""
    is_poison: Callable[[bytes], bool] = lambda _: False
    """Data that Kinesis rejects, with the whole request that it is in."""
    black_hole: bool = False
    """No request is ever answered."""
    body_bytes_max: float = math.inf
    """What a proxy on the way takes of a request's data and keys; above it answers 413."""
    link_bytes_per_s: float = math.inf
    """What the way takes of all requests together."""
    call_s: float = math.inf
    """How long a call may take on it."""
    unreadable: Callable[[int], bool] = lambda _: False
    """By the number of a call's records: whether its answer cannot be read."""
    count: Callable[[int], int | None] = lambda failed: failed
    """What `FailedRecordCount` says of so many that failed, over HTTP."""
    latency_ms: tuple[float, float] = (1, 5)


class ScriptedKinesis:
    """One stream. `put` is what the writer sees; `stored` is what consumers see."""

    def __init__(self, rng: random.Random, shards: int = 4, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.record_bytes = RECORD_BYTES_DEFAULT
        self.ignores_keys = False
        self.all_shards: list[ModelShard] = []
        """The closed ones, too, parents before their children."""
        for n in range(shards):
            self._open(HASH_KEYS * n // shards, HASH_KEYS * (n + 1) // shards - 1)
        self.callers: set[str] = set()
        """What those who call over HTTP say of themselves."""
        self.listings = 0
        self.throttled = 0
        self.requests: list[int] = []
        self.in_flight: list[Sequence[Export]] = []
        self.unknown_outcomes = 0
        self.check_order = True
        """Whether two records of one profile must never be in flight; writers of two members may overlap."""
        self._rng = rng
        self._on_link = 0

    async def facts(self) -> StreamFacts:
        """See `connection.Stream`."""
        if self.faults.refused:
            raise KinesisRefused(f"DescribeStreamSummary: {self.faults.refused}", code=self.faults.refused)
        return StreamFacts(self.record_bytes, self.ignores_keys)

    async def shards(self) -> list[Shard]:
        """See `connection.Stream`."""
        await asyncio.sleep(self.way_s())
        if self.faults.unlisted:
            raise from_fault(Fault(400, "", self.faults.unlisted, ""), "ListShards", "exports")
        self.listings += 1
        return [Shard(each.id, each.first_hash, each.last_hash) for each in self.open_shards]

    async def put(self, records: Sequence[Export]) -> Answer:
        """See `connection.Stream`. A call without records is only refused or rejected."""
        self.begin(records)
        self.in_flight.append(records)
        try:
            await asyncio.sleep(self.way_s())
            await self._pass_link(sum(map(_size_bytes, records)))
            if self.faults.black_hole:
                await asyncio.Event().wait()
            answer = self.take(records)
            await asyncio.sleep(self.way_s())
            return self.give(answer)
        finally:
            self.in_flight.remove(records)

    def begin(self, records: Sequence[Export]) -> None:
        """See that a call may be made: the first of four parts, for a caller that passes time in its own way."""
        if not records:
            if self.faults.refused:
                raise KinesisRefused(f"PutRecords: {self.faults.refused}")
            raise KinesisRejected("PutRecords: ValidationException")
        self._check_limits(records)

    def way_s(self) -> float:
        """How long the way of a call takes, or that of its answer."""
        least_ms, most_ms = self.faults.latency_ms
        return (least_ms + (most_ms - least_ms) * self._rng.random()) / 1000

    def take(self, records: Sequence[Export]) -> Answer:
        """Store what a call brings, now that it is there."""
        faults, chance = self.faults, self._rng.random
        if faults.refused:
            raise KinesisRefused(f"PutRecords: {faults.refused}")
        if chance() < faults.unavailable:
            raise KinesisUnavailable("PutRecords: InternalFailureException")
        if chance() < faults.lost_before:
            self.unknown_outcomes += len(records)
            raise KinesisUnavailable("PutRecords: the connection was reset", outcome_unknown=True)
        if sum(map(_size_bytes, records)) > faults.body_bytes_max:
            raise KinesisTooLarge("PutRecords: HTTP 413")
        if any(faults.is_poison(record.data) for record in records):
            raise KinesisRejected("PutRecords: ValidationException")
        results = [self._store(record) for record in records]
        return Answer(results, sum(result.error_code is not None for result in results))

    def give(self, answer: Answer) -> Answer:
        """Give an answer, unless it is lost on its way."""
        if self.faults.unreadable(len(answer.results)):
            self.unknown_outcomes += len(answer.results)
            raise KinesisUnreadable("PutRecords: the answer cannot be read")
        if self._rng.random() < self.faults.lost_after:
            self.unknown_outcomes += len(answer.results)
            raise KinesisUnavailable("PutRecords: the answer timed out", outcome_unknown=True)
        return answer

    @property
    def stored(self) -> list[Stored]:
        """All records, shard by shard, each in order."""
        return [record for shard in self.all_shards for record in shard.records]

    @property
    def open_shards(self) -> list[ModelShard]:
        """Those that take records."""
        return [shard for shard in self.all_shards if shard.is_open]

    def shard_of(self, partition_key: str) -> ModelShard:
        """The shard whose range of hash keys the key falls into."""
        hashed = _hash_key(partition_key)
        for shard in self.all_shards:
            if shard.is_open and shard.first_hash <= hashed <= shard.last_hash:
                return shard
        raise AssertionError("the shards cover all hash keys")

    def split(self, shard: ModelShard) -> None:
        """Close a shard, and open two for its range."""
        shard.is_open = False
        middle = (shard.first_hash + shard.last_hash) // 2
        self._open(shard.first_hash, middle)
        self._open(middle + 1, shard.last_hash)

    def merge(self, one: ModelShard, next_one: ModelShard) -> None:
        """Close two shards that touch, and open one for their range."""
        one.is_open = next_one.is_open = False
        self._open(one.first_hash, next_one.last_hash)

    async def _pass_link(self, size_bytes: float) -> None:
        """Requests share the way, as TCP has them; one that takes too long leaves it, and nobody knows how far it came."""
        faults, began_s = self.faults, asyncio.get_running_loop().time()
        if faults.link_bytes_per_s == math.inf:
            return
        self._on_link += 1
        try:
            while size_bytes > 0:
                await asyncio.sleep(0.02)
                size_bytes -= faults.link_bytes_per_s * 0.02 / self._on_link
                if asyncio.get_running_loop().time() > began_s + faults.call_s:
                    raise KinesisUnavailable("PutRecords: it did not end in time", outcome_unknown=True)
        finally:
            self._on_link -= 1

    def _open(self, first_hash: int, last_hash: int) -> None:
        shard_id = f"shardId-{len(self.all_shards):012d}"
        self.all_shards.append(ModelShard(shard_id, first_hash, last_hash))

    def _store(self, record: Export) -> Result:
        shard, faults = self.shard_of(record.partition_key), self.faults
        if shard.id in faults.dead_shards or self._rng.random() < faults.failed:
            return Result(FAILED)
        is_over = faults.limited and not shard.takes(_size_bytes(record), asyncio.get_running_loop().time())
        if is_over or self._rng.random() < faults.throttled:
            self.throttled += 1
            return Result(THROTTLED)
        shard.records.append(Stored(record.partition_key, record.data))
        return Result(None, shard.id)

    def _check_limits(self, records: Sequence[Export]) -> None:
        sizes = [_size_bytes(record) for record in records]
        assert 1 <= len(records) <= RECORDS_MAX
        assert sum(sizes) <= REQUEST_BYTES_MAX
        assert max(sizes) <= self.record_bytes
        if self.check_order:
            profiles = [record.profile for records in [records, *self.in_flight] for record in records]
            assert len(profiles) == len(set(profiles)), "two records of one profile are in flight"
        self.requests.append(len(records))
