"""What calls of our own look at, in memory: a sample of given events, and streams by a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.api.own.looked_at import LookedAt
from processor.definition.sealing import Sealing
from processor.kinesis.stream_look import StreamSeen
from processor.operations.kept_sample import KeptSample
from processor.operations.streams_seen import StreamsSeen
from processor.operations.suggestions import Sample
from processor.operations.topic_sample import SampleRead
from tests.support.flow_service_calls import SEALING_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from processor.definition.model import Definition
    from processor.governance.destination import Connection


def sample_of(events: Sequence[tuple[bytes, bytes | None]]) -> SampleRead:
    """What a topic of one partition with these events, by key and value, is read as."""
    sample = Sample()
    for number, (key, value) in enumerate(events):
        sample.add(key, value, (), 1_700_000_000_000 + number)
    return SampleRead(sample.suggestions(), 1, 1, sample.latest)


async def two_streams(_: Connection, stream: str | None) -> StreamsSeen:
    """A region with the streams `exports` and `others`."""
    names = ["exports", "others"]
    seen = StreamSeen(True, "ACTIVE", "ON_DEMAND", 4) if stream in names else StreamSeen(False)
    return StreamsSeen(names, None if stream is None else seen)


def looked_at(
    current: Callable[[], Definition],
    events: Sequence[tuple[bytes, bytes | None]] = (),
    see_streams: Callable[[Connection, str | None], Awaitable[StreamsSeen]] = two_streams,
    environ: Mapping[str, str] | None = None,
    sealing: Sealing | None = None,
    read: Callable[[], Awaitable[SampleRead]] | None = None,
) -> LookedAt:
    """All of it, over the definition that `current` returns."""

    async def read_events() -> SampleRead:
        return sample_of(events)

    sealed = Sealing([SEALING_KEY]) if sealing is None else sealing

    return LookedAt(
        topic="profiles",
        definition=current,
        sample=KeptSample(read_events if read is None else read),
        see_streams=see_streams,
        sealing=lambda: sealed,
        environ={} if environ is None else environ,
        backfills="auto",
    )
