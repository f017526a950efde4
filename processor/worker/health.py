"""Whether both ends answer, and whether the disk takes what it is given: the clients only retry, and say nothing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from processor.worker.reach import reached_and_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.kafka.heartbeats import Heartbeats
    from processor.kafka.source import Source
    from processor.kinesis.writer import Writer
    from processor.telemetry.status import Status
    from processor.worker.added_partitions import AddedPartitions
    from processor.worker.owned_partitions import OwnedPartitions

_LOOK_S: Final = 0.5


class Health:
    """Looks every half second at both ends of a worker and at its disks, and reports what it finds to `status`.

    `kafka` is a condition once no heartbeat was answered for `silence_max_s`. `growth` returns what is known of partitions that were added to the source;
    None while none were.
    """

    def __init__(
        self,
        source: Source,
        heartbeats: Heartbeats,
        writer: Writer,
        owned: OwnedPartitions,
        status: Status,
        *,
        silence_max_s: float,
        growth: Callable[[], AddedPartitions | None],
    ) -> None:
        self._source = source
        self._heartbeats = heartbeats
        self._writer = writer
        self._owned = owned
        self._status = status
        self._silence_max_s = silence_max_s
        self._growth = growth

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """Report what is wrong now, and what is again as it should be; begin anew what its disk has failed."""
        self._owned.begin_anew_what_failed()
        self._look_at_kafka()
        self._report("kinesis", self._kinesis_trouble())
        growth = self._growth()
        if growth is not None:
            ends = reached_and_end(self._owned.partitions, self._source)
            self._status.unhealthy("added partitions", growth.report(self._owned.numbers, ends))

    def _look_at_kafka(self) -> None:
        silence_s, refusal = self._heartbeats.silence_s, self._source.refusal
        self._report("group", refusal)
        # A coordinator that refuses a member answers it.
        is_silent = silence_s >= self._silence_max_s and not self._heartbeats.is_joining and refusal is None
        self._report("kafka", f"no heartbeat was answered for {silence_s:.0f} s" if is_silent else None)
        self._report("instance id", self._source.rival)
        gone = "topic {} does not exist any more: bring it back with its offsets, or start a new group on another"
        self._report("source", None if self._source.is_there else gone.format(self._source.topic))

    def _kinesis_trouble(self) -> str | None:
        writer, now_s = self._writer, asyncio.get_running_loop().time()
        # Where nothing waits, no call would end an outage.
        if writer.trouble is None and writer.figures.in_flight:
            return writer.size.description(now_s) or writer.outage.description(now_s)
        return writer.trouble

    def _report(self, condition: str, trouble: str | None) -> None:
        if trouble is None:
            self._status.healthy(condition)
        else:
            self._status.unhealthy(condition, trouble)
