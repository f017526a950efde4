"""The ends of a worker's partitions, where offsets stand that are no events, and transactions that are open.

A partition that is read to the end of what may be taken has no lag. What lies behind that end belongs to transactions
that are open, or stands behind one: it is reported, for whoever runs the producer must end it. And a partition whose last
records compaction took looks to a consumer as if they were to come: it is looked at, and read on behind them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.errors import KafkaError
from processor.worker.reach import advanced_reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.offsets import Reach
    from processor.kafka.source import Source
    from processor.settings import KafkaSettings
    from processor.telemetry.status import Status
    from processor.worker.partition import Partition

log = structlog.get_logger(__name__)

CONDITION: Final = "open transaction"

_LOOK_S: Final = 1.0
_STILL_S: Final = 3.0
"""A partition that stands still short of its end for so long is looked at; most have something on the way to them."""
_LOOKS_AT_ONCE: Final = 8


class Held(NamedTuple):
    """What a partition's open transaction keeps back: so many offsets, for so long."""

    records: int
    since_s: float


@dataclass(slots=True)
class _Seen:
    """A partition's reach, and since when each part of it stands."""

    reach: Reach
    position_since_s: float
    open_since_s: float
    """Since when its end stands short of the high watermark."""


class PartitionEnds:
    """Watches the ends of the partitions that a worker works on; a topic that is compacted `may_have_gaps`."""

    def __init__(
        self,
        settings: KafkaSettings,
        source: Source,
        partitions: Mapping[int, Partition],
        status: Status,
        *,
        may_have_gaps: bool,
    ) -> None:
        self._topic = settings.topic
        self._reported_after_s = settings.transaction_timeout_ms / 1000
        self._source = source
        self._partitions = partitions
        self._status = status
        self._may_have_gaps = may_have_gaps
        self._seen: dict[int, _Seen] = {}

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now_s = asyncio.get_running_loop().time()
            self._look(now_s)
            self._report()
            if self._may_have_gaps:
                await self._pass_gaps(now_s)

    def held_back(self, number: int) -> Held | None:
        """What an open transaction keeps back of a partition that is read up to it; None where there is none."""
        seen = self._seen.get(number)
        if (
            seen is None
            or seen.reach.high_watermark <= seen.reach.end
            or seen.reach.position < seen.reach.end
        ):
            return None
        return Held(
            seen.reach.high_watermark - seen.reach.end, asyncio.get_running_loop().time() - seen.open_since_s
        )

    def _look(self, now_s: float) -> None:
        for gone in self._seen.keys() - self._partitions.keys():
            del self._seen[gone]
        for number, partition in self._partitions.items():
            reach = advanced_reach(partition, self._source)
            if reach is None:
                self._seen.pop(number, None)
                continue
            seen = self._seen.setdefault(number, _Seen(reach, now_s, now_s))
            if reach.position != seen.reach.position:
                seen.position_since_s = now_s
            was_open = seen.reach.end < seen.reach.high_watermark
            if reach.end != seen.reach.end or not was_open:
                seen.open_since_s = now_s
            seen.reach = reach

    def _report(self) -> None:
        for number in list(self._partitions):
            held = self.held_back(number)
            if held is None or held.since_s < self._reported_after_s:
                self._status.healthy(CONDITION, number)
                continue
            self._status.unhealthy(CONDITION, self._why(number, held), number)

    def _why(self, number: int, held: Held) -> str:
        first, place = self._seen[number].reach.end, f"--topic {self._topic} --partition {number}"
        return (
            f"a transaction that is open since offset {first} of partition {number} of {self._topic} keeps "
            f"{held.records} offsets back, for {held.since_s:.0f} s now: its producer must commit or abort it. Where "
            f"that is gone, find it with kafka-transactions.sh --bootstrap-server … find-hanging {place}, and end it "
            f"with kafka-transactions.sh --bootstrap-server … abort {place} --start-offset {first}"
        )

    async def _pass_gaps(self, now_s: float) -> None:
        still = [
            number
            for number, seen in self._seen.items()
            if seen.reach.position < seen.reach.end and now_s >= seen.position_since_s + _STILL_S
        ]
        for number in still[:_LOOKS_AT_ONCE]:
            partition = self._partitions.get(number)
            if partition is None or not partition.is_idle:
                continue
            try:
                await self._source.pass_gap(number)
            except KafkaError as error:
                log.info("a partition's end could not be looked at", partition=number, reason=str(error))
            # Not again at once: there may be events, and no room for them.
            self._seen[number].position_since_s = now_s
