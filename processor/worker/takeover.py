"""Taking a partition over: see that all agrees, restore its state, and find out where to go on; tell what was never taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from processor.kafka.changelog import STREAM_KEY
from processor.worker.consistency import (
    check_changelog,
    check_identity,
    check_source,
    check_store,
    check_stream,
    passed_by_hand,
)
from processor.worker.restore import restore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from processor.kafka.changelog import Changelog
    from processor.kafka.commit_metadata import Committed
    from processor.kafka.offsets import Bounds
    from processor.kafka.source import Source
    from processor.kafka.topic_ids import TopicIdentity
    from processor.state.store import Store
    from processor.telemetry.lost_events import LostEvents

log = structlog.get_logger(__name__)


async def take_over(
    partition: int,
    source: Source,
    changelog: Changelog,
    store: Store,
    *,
    stream: str,
    offset_reset: Literal["earliest", "latest"],
    on_progress: Callable[[int, int], None],
    overrule: Callable[[Collection[bytes], int], Awaitable[None]],
    losses: LostEvents,
) -> int:
    """Bring `store` up to the changelog's end; the source offset to go on from.

    `on_progress` is told the changelog offset that is reached, and the one to reach; `overrule`, the profiles whose
    state must be appended again, and the offset that is reached; `losses`, events that were never taken.

    Raises:
        StateRefused: going on would lie to the destination.
        StateError: the store failed.
        KafkaRefused, KafkaUnavailable: Kafka failed; all may be begun again.

    """
    committed = await source.committed(partition)
    log_bounds = await changelog.bounds(partition)
    if is_of_use(partition, committed, store, changelog.identity, log_bounds):
        check_changelog(partition, committed, log_bounds, store.position)
    else:
        check_changelog(partition, committed, log_bounds, 0)
        if store.position:
            await store.clear()
    if changelog.identity is not None:
        store.note(changelog=changelog.identity.topic)

    def progress(position: int) -> None:
        on_progress(position, log_bounds.end)

    overruled = await restore(changelog, partition, store, log_bounds.end, progress)
    if overruled:
        await overrule(overruled, log_bounds.end)
    check_stream(partition, store.stream, stream)
    start = await _start(partition, source, committed, store, offset_reset=offset_reset, losses=losses)
    if committed is None:
        losses.begun_anew(partition, start)
    if store.stream is None:
        (marker,) = await changelog.append(partition, {STREAM_KEY: stream.encode()})
        await restore(changelog, partition, store, marker.first, progress)
        await store.apply({}, marker.end, stream)
    return start


class Known(Protocol):
    """What a store knows of itself; see `Store`."""

    @property
    def position(self) -> int:
        """See `Store`."""

    @property
    def highest_offset(self) -> int:
        """See `Store`."""

    @property
    def changelog(self) -> str | None:
        """See `Store`."""


def is_of_use(
    partition: int,
    committed: Committed | None,
    store: Known,
    identity: TopicIdentity | None,
    log_bounds: Bounds,
) -> bool:
    """Whether a store can be brought up to the changelog, or must be emptied first; `identity` is the changelog's.

    Raises:
        StateRefused: going on without what it has would lie to the destination.

    """
    if committed is None and log_bounds.end == 0:
        check_store(partition, store.position, store.highest_offset)
        return False
    if check_identity(partition, committed and committed.mark, store.changelog, identity):
        if store.position:
            log.warning(
                "the store is of a former changelog, and is made anew from this one", partition=partition
            )
        return False
    return True


async def _start(
    partition: int,
    source: Source,
    committed: Committed | None,
    store: Store,
    *,
    offset_reset: Literal["earliest", "latest"],
    losses: LostEvents,
) -> int:
    events = await source.bounds(partition)
    if committed is None:
        start = events.begin if offset_reset == "earliest" else events.takeable_end
        await source.commit_start(partition, start)
        return start
    check_source(partition, committed.offset, events, store.highest_offset)
    passed = passed_by_hand(committed, store.consumed, store.highest_offset)
    if passed is not None:
        losses.passed_by_hand(partition, *passed)
    if committed.offset < events.begin:
        losses.deleted(partition, committed.offset, events.begin)
    return max(committed.offset, events.begin)
