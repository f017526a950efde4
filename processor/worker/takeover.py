"""Taking a partition over: see that all agrees, restore its state, and find out where to go on; report what was never taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import structlog

from processor.errors import KafkaUnavailable
from processor.kafka.changelog import STREAM_KEY
from processor.state.overlay import Overlay
from processor.waiting.retry import Delays, retried
from processor.worker.checkpoint import Checkpoint
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
    from collections.abc import Callable

    from processor.errors import ProcessorError
    from processor.kafka.commit_metadata import Committed
    from processor.kafka.offsets import Bounds
    from processor.kafka.source import Source
    from processor.kafka.topic_ids import TopicIdentity
    from processor.state.store import Store
    from processor.telemetry.lost_events import LostEvents
    from processor.telemetry.status import Status
    from processor.worker.state_changelog import StateChangelog

log = structlog.get_logger(__name__)

_DELAYS: Final = Delays(1.0, 1.0)
_LOGGED_EVERY_S: Final = 5.0


class Start(NamedTuple):
    """The source's offset to go on from, and the one before which all may have been taken by who had the partition before."""

    offset: int
    caught_up_at: int


class Takeover:
    """Brings partitions up for a worker that exports to `stream`; a group without offsets begins where `offset_reset` says."""

    def __init__(
        self,
        source: Source,
        changelog: StateChangelog,
        status: Status,
        lost_events: LostEvents,
        *,
        stream: str,
        offset_reset: Literal["earliest", "latest"],
    ) -> None:
        self._source = source
        self._changelog = changelog
        self._status = status
        self._lost_events = lost_events
        self._stream = stream
        self._offset_reset: Literal["earliest", "latest"] = offset_reset

    async def take_over(self, partition: int, store: Store) -> Start:
        """Bring `store` up to the changelog's end, and return where to go on from.

        Where Kafka does not answer, all is begun again a second later; what was restored by then stays.

        Raises:
            StateRefused: going on would lie to the destination.
            StateUnavailable: the store's disk takes nothing now.
            StateError, InvalidStateRecord: the store failed, or another release wrote the changelog.
            KafkaRefused: this member may not read or write what it must.

        """
        progress = _Progress(partition, self._status)

        def report(error: ProcessorError, _: float) -> None:
            log.warning("restoring failed, trying again", partition=partition, reason=str(error))

        return await retried(
            lambda: self._attempt(partition, store, progress.reached),
            errors=(KafkaUnavailable,),
            delays=_DELAYS,
            on_failure=report,
        )

    async def _attempt(self, partition: int, store: Store, on_progress: Callable[[int, int], None]) -> Start:
        committed = await self._source.committed(partition)
        end = await self._agreed_end(partition, committed, store)
        await self._restore(partition, store, end, on_progress)
        check_stream(partition, store.stream, self._stream)
        start = await self._start(partition, committed, store)
        if committed is None:
            self._lost_events.begun_anew(partition, start.offset)
        if store.stream is None:
            await self._name_stream(partition, store, end, on_progress)
        return start

    async def _agreed_end(self, partition: int, committed: Committed | None, store: Store) -> int:
        """The changelog's end, once all agrees that the store can be brought up to it; one that is of no use is emptied."""
        changelog = self._changelog
        bounds = await changelog.bounds(partition)
        if is_of_use(partition, committed, store, changelog.identity, bounds):
            check_changelog(partition, committed, bounds, store.position)
        else:
            check_changelog(partition, committed, bounds, 0)
            if store.position:
                await store.clear()
        if changelog.identity is not None:
            store.note(changelog=changelog.identity.topic)
        return bounds.end

    async def _restore(
        self, partition: int, store: Store, end: int, on_progress: Callable[[int, int], None]
    ) -> None:
        outdated = await restore(
            self._changelog, partition, store, end, lambda position: on_progress(position, end)
        )
        if outdated:
            checkpoint = Checkpoint(partition, self._changelog, Overlay(store), self._status)
            await checkpoint.reassert(outdated, end)

    async def _name_stream(
        self, partition: int, store: Store, end: int, on_progress: Callable[[int, int], None]
    ) -> None:
        """Note in changelog and store where the state is exported to, and restore what was appended before that."""
        (marker,) = await self._changelog.append(partition, {STREAM_KEY: self._stream.encode()})
        await restore(
            self._changelog, partition, store, marker.first, lambda position: on_progress(position, end)
        )
        await store.apply({}, marker.end, self._stream)

    async def _start(self, partition: int, committed: Committed | None, store: Store) -> Start:
        source, lost_events = self._source, self._lost_events
        events = await source.bounds(partition)
        if committed is None:
            start = events.begin if self._offset_reset == "earliest" else events.takeable_end
            await source.commit_start(partition, start)
            return Start(start, events.takeable_end)
        check_source(partition, committed.offset, events, store.highest_offset)
        passed = passed_by_hand(committed, store.consumed, store.highest_offset)
        if passed is not None:
            lost_events.passed_by_hand(partition, *passed)
        if committed.offset < events.begin:
            lost_events.deleted(partition, committed.offset, events.begin)
        return Start(max(committed.offset, events.begin), events.takeable_end)


class _Progress:
    """How far a partition's restore is: always in the status, now and then in the log."""

    def __init__(self, partition: int, status: Status) -> None:
        self._partition = partition
        self._status = status
        self._logged_at_s = asyncio.get_running_loop().time()

    def reached(self, position: int, end: int) -> None:
        """The changelog is restored to before `position`, and is to be to before `end`."""
        self._status.restoring(self._partition, position, end)
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._logged_at_s + _LOGGED_EVERY_S:
            self._logged_at_s = now_s
            log.info("restoring", partition=self._partition, changelog_offset=position, of=end)


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
