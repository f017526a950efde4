"""Shards: which one takes a record, what it answers, and the published limits where they are asked for."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_HASH_KEYS: Final = 2**128
_RECORDS_PER_S: Final = 1000
_BYTES_PER_S: Final = 1024 * 1024
THROTTLED: Final = b'{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"limit"}'


@dataclass(slots=True)
class _Shard:
    """A shard's answer to a record, and what it may still take now."""

    answer: bytes
    records: float = _RECORDS_PER_S
    size_bytes: float = _BYTES_PER_S
    filled_s: float = 0.0

    def takes(self, size_bytes: int, now_s: float) -> bool:
        passed_s, self.filled_s = now_s - self.filled_s, now_s
        self.records = min(_RECORDS_PER_S, self.records + passed_s * _RECORDS_PER_S)
        self.size_bytes = min(_BYTES_PER_S, self.size_bytes + passed_s * _BYTES_PER_S)
        if self.records < 1 or self.size_bytes < size_bytes:
            return False
        self.records -= 1
        self.size_bytes -= size_bytes
        return True


class Shards:
    """Shards of equal hash-key ranges."""

    def __init__(self, count: int, *, limited: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.count = count
        self.limited = limited
        self._starts = [(_HASH_KEYS * n // count).to_bytes(16, "big") for n in range(count)]
        self._shards = [_Shard(b'{"SequenceNumber":"1","ShardId":"shardId-%012d"}' % n) for n in range(count)]

    @property
    def only_answer(self) -> bytes | None:
        """The answer to every record, where there is but one."""
        return self._shards[0].answer if self.count == 1 and not self.limited else None

    def answer(self, key: bytes, size_bytes: int) -> bytes:
        """The answer to one record."""
        shard = self._shards[bisect_right(self._starts, md5(key, usedforsecurity=False).digest()) - 1]
        return shard.answer if not self.limited or shard.takes(size_bytes, self._clock()) else THROTTLED

    def described(self) -> list[dict[str, Any]]:
        """As ListShards tells of them."""
        edges = [int.from_bytes(start, "big") for start in self._starts] + [_HASH_KEYS]
        return [
            {
                "ShardId": f"shardId-{n:012d}",
                "HashKeyRange": {
                    "StartingHashKey": str(edges[n]),
                    "EndingHashKey": str(edges[n + 1] - 1),
                },
                "SequenceNumberRange": {"StartingSequenceNumber": "0"},
            }
            for n in range(self.count)
        ]
