"""A stream in memory: shards by hash range, records kept in order, and faults by a script."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.connection import RECORD_BYTES_DEFAULT

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from processor.profile.export import Export

HASH_KEYS = 2**128
RECORDS_MAX = 500
REQUEST_BYTES_MAX = 10 * 1024 * 1024
THROTTLED = "ProvisionedThroughputExceededException"
FAILED = "InternalFailure"


class Stored(NamedTuple):
    """A record as a consumer reads it."""

    partition_key: str
    data: bytes


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
    dead_shards: set[int] = field(default_factory=set)
    is_poison: Callable[[bytes], bool] = lambda _: False
    """Data that Kinesis rejects, with the whole request that it is in."""
    black_hole: bool = False
    """No request is ever answered."""
    latency_ms: tuple[float, float] = (1, 5)


class ScriptedKinesis:
    """One stream. `put` is what the writer sees; `shards` is what consumers see."""

    def __init__(self, rng: random.Random, shards: int = 4, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.record_bytes = RECORD_BYTES_DEFAULT
        self.shards: list[list[Stored]] = [[] for _ in range(shards)]
        self.requests: list[int] = []
        self.in_flight: list[Sequence[Export]] = []
        self.unknown_outcomes = 0
        self.check_order = True
        """Whether two records of one profile must never be in flight; writers of two members may overlap."""
        self._rng = rng

    async def max_record_bytes(self) -> int:
        """See `connection.Stream`."""
        return self.record_bytes

    async def put(self, records: Sequence[Export]) -> list[str | None]:
        """See `connection.Stream`."""
        self._check_limits(records)
        self.in_flight.append(records)
        try:
            return await self._answered(records)
        finally:
            self.in_flight.remove(records)

    @property
    def stored(self) -> list[Stored]:
        """All records, shard by shard, each in order."""
        return [record for shard in self.shards for record in shard]

    def shard_of(self, partition_key: str) -> int:
        """The shard whose range of hash keys the key falls into."""
        hashed = int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
        return hashed * len(self.shards) // HASH_KEYS

    async def _answered(self, records: Sequence[Export]) -> list[str | None]:
        faults, chance = self.faults, self._rng.random
        await asyncio.sleep(self._rng.uniform(*faults.latency_ms) / 1000)
        if faults.black_hole:
            await asyncio.Event().wait()
        if faults.refused:
            raise KinesisRefused(f"PutRecords: {faults.refused}")
        if chance() < faults.unavailable:
            raise KinesisUnavailable("PutRecords: InternalFailureException")
        if chance() < faults.lost_before:
            self.unknown_outcomes += len(records)
            raise KinesisUnavailable("PutRecords: the connection was reset", outcome_unknown=True)
        if any(faults.is_poison(record.data) for record in records):
            raise KinesisRejected("PutRecords: ValidationException")
        codes = [self._store(record) for record in records]
        await asyncio.sleep(self._rng.uniform(*faults.latency_ms) / 1000)
        if chance() < faults.lost_after:
            self.unknown_outcomes += len(records)
            raise KinesisUnavailable("PutRecords: the answer timed out", outcome_unknown=True)
        return codes

    def _store(self, record: Export) -> str | None:
        shard, faults = self.shard_of(record.partition_key), self.faults
        if shard in faults.dead_shards or self._rng.random() < faults.failed:
            return FAILED
        if self._rng.random() < faults.throttled:
            return THROTTLED
        self.shards[shard].append(Stored(record.partition_key, record.data))
        return None

    def _check_limits(self, records: Sequence[Export]) -> None:
        sizes = [len(record.data) + len(record.partition_key.encode()) for record in records]
        assert 1 <= len(records) <= RECORDS_MAX
        assert sum(sizes) <= REQUEST_BYTES_MAX
        assert max(sizes) <= self.record_bytes
        profiles = [record.profile for records in [records, *self.in_flight] for record in records]
        assert not self.check_order or len(profiles) == len(set(profiles)), (
            "two records of one profile are in flight"
        )
        self.requests.append(len(records))
