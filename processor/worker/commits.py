"""Committing to the group what is acknowledged: now and then while partitions are worked on, and at last."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaError
from processor.kafka.commit_metadata import Mark
from processor.worker.reach import advanced_reach

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from processor.kafka.source import Source
    from processor.telemetry.status import Status
    from processor.worker.partition import Partition
    from processor.worker.state_changelog import StateChangelog

log = structlog.get_logger(__name__)

CONDITION: Final = "commits"

_LAST_COMMIT_S: Final = 3.0


class Commits:
    """The commits of one worker, one at a time: an older one on its way must not arrive after a newer one."""

    def __init__(self, source: Source, changelog: StateChangelog, status: Status, interval_s: float) -> None:
        self._source = source
        self._changelog = changelog
        self._status = status
        self._interval_s = interval_s
        self._one_at_a_time = asyncio.Lock()

    async def run(self, partitions: Mapping[int, Partition]) -> None:
        """Commit every `interval_s` what is acknowledged of `partitions`, as they are by then, until cancelled.

        A commit that fails is a condition; the next one has all that it had.
        """
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.commit(list(partitions.values()))
            except KafkaError as error:
                self._status.unhealthy(CONDITION, str(error))
                log.warning("committing failed, trying again", reason=str(error))
            else:
                self._status.healthy(CONDITION)

    async def commit(self, partitions: Collection[Partition]) -> None:
        """Commit the next offset of each partition that has gone on since it was committed last.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka did not take it; the same or later offsets may be tried again.

        """
        async with self._one_at_a_time:
            for partition in partitions:
                advanced_reach(partition, self._source)
            offsets = {
                partition: partition.next_offset
                for partition in partitions
                if partition.next_offset is not None and partition.next_offset != partition.committed_offset
            }
            began_s = time.perf_counter()
            marks = {p.number: Mark(self._changelog.identity, p.changelog_position) for p in offsets}
            if offsets and await self._source.commit({p.number: o for p, o in offsets.items()}, marks):
                self._status.committed(time.perf_counter() - began_s)
                for partition, offset in offsets.items():
                    partition.committed(offset)

    async def commit_last(self, partitions: Collection[Partition]) -> None:
        """Commit partitions that are given up, within 3 s; where that fails, what it covers will be repeated."""
        try:
            async with asyncio.timeout(_LAST_COMMIT_S):
                await self.commit(partitions)
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or f"it was not answered within {_LAST_COMMIT_S:g} s"
            log.warning("the last commit failed; what it covers will be repeated", reason=reason)
