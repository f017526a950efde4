"""What the writer needs of Kinesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.connection import StreamFacts
    from processor.kinesis.kinesis_json import Answer
    from processor.kinesis.shards import Shard
    from processor.profile.structs import Export


class Endpoint(Protocol):
    """One stream: the real one, `connection.Stream`, or a scripted one of the tests, the simulation or a benchmark."""

    async def facts(self) -> StreamFacts:
        """See `connection.Stream.facts`."""

    async def shards(self) -> list[Shard]:
        """See `connection.Stream.shards`."""

    async def put(self, records: Sequence[Export]) -> Answer:
        """See `connection.Stream.put`."""
