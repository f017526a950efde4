"""Polling the source: records for the partitions that have room, as long as there are any."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaError
from processor.waiting.retry import Delays, retried
from processor.worker.in_flight_bound import STARVED_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.errors import ProcessorError
    from processor.kafka.poll_room import Room
    from processor.kafka.source import Records, Source
    from processor.telemetry.status import Status
    from processor.worker.added_partitions import AddedPartitions
    from processor.worker.in_flight_bound import InFlightBound
    from processor.worker.partition import Partition

log = structlog.get_logger(__name__)

CONDITION: Final = "fetching"

_DELAYS: Final = Delays(1.0, 1.0)


class Poller:
    """Polls the source of one worker, and offers partitions what came. `partitions` are those that are worked on, at any time; `wake` is set when one has room again.

    `growth` returns what is known of partitions that were added to the source; None while none were.
    """

    def __init__(
        self,
        source: Source,
        partitions: Mapping[int, Partition],
        bound: InFlightBound,
        status: Status,
        *,
        wake: asyncio.Event,
        growth: Callable[[], AddedPartitions | None],
    ) -> None:
        self._source = source
        self._partitions = partitions
        self._bound = bound
        self._status = status
        self._wake = wake
        self._growth = growth

    async def run(self) -> None:
        """Poll until cancelled; after a failure, again a second later."""
        await retried(self._poll, errors=(KafkaError,), delays=_DELAYS, on_failure=self._failed)

    async def _poll(self) -> None:
        while True:
            batches = await self._source.poll(await self._room())
            self._status.healthy(CONDITION)
            for number, records in batches.items():
                # Between the poll and here nothing was awaited, but during the poll a partition may have gone.
                if number in self._partitions:
                    self._offer(number, records)

    async def _room(self) -> Room:
        """What may be taken next, once anything may be."""
        loop = asyncio.get_running_loop()
        while True:
            held = {number: partition.held_bytes for number, partition in self._partitions.items()}
            room = self._bound.room(held, loop.time())
            if room is not None:
                return room
            self._wake.clear()
            if held:
                self._status.held_back()
            await self._woken()

    async def _woken(self) -> None:
        """Wait until a partition has room, or for so long that those which get nothing get something."""
        try:
            async with asyncio.timeout(STARVED_AFTER_S):
                await self._wake.wait()
        except TimeoutError:
            return

    def _offer(self, number: int, records: Records) -> None:
        """Have a partition take what was fetched of it."""
        growth = self._growth()
        if growth is not None:
            records = growth.held_back(number, records, self._source)
        if records:
            reach = self._source.reach(number)
            self._partitions[number].offer(records, None if reach is None else reach.end)

    def _failed(self, error: ProcessorError, _: float) -> None:
        self._status.unhealthy(CONDITION, str(error))
        log.warning("fetching failed, trying again", reason=str(error))
