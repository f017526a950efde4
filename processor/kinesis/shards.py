"""Which shard a partition key goes to: the MD5 of the key, unsigned, in the hash ranges of the open shards.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_SHARD: Final = ""
"""The name of the one lane where shards are not known."""

_HASH_BYTES: Final = 16
# The key is hashed to find its place, not to keep a secret: also where policy forbids MD5 for that.
_md5 = partial(md5, usedforsecurity=False)


class Shard(NamedTuple):
    """An open shard and the hash keys, first and last included, that go to it."""

    id: str
    first_hash: int
    last_hash: int


class ShardMap:
    """The open shards of a stream at one moment. It is advice: Kinesis itself decides where a record goes."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        in_order = sorted(shards, key=lambda shard: shard.first_hash)
        self.ids = [shard.id for shard in in_order] or [ANY_SHARD]
        self._starts = [shard.first_hash.to_bytes(_HASH_BYTES, "big") for shard in in_order]

    def shard_of(self, partition_key: str) -> str:
        """The id of the key's shard; `ANY_SHARD` where no shard is known."""
        if len(self.ids) == 1:
            return self.ids[0]
        # Hash keys of equal length compare as bytes as they do as numbers.
        place = bisect_right(self._starts, _md5(partition_key.encode()).digest())
        return self.ids[max(place - 1, 0)]


UNKNOWN_SHARDS: Final = ShardMap(())
