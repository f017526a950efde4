"""What is known of the stream: its record maximum and its open shards, read at the start and kept current."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KinesisError, KinesisRefused
from processor.kinesis.connection import RECORD_BYTES_DEFAULT
from processor.kinesis.error_mapping import ACCESS_DENIED
from processor.kinesis.shards import ShardMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.kinesis.endpoint import Endpoint
    from processor.kinesis.lane import Lane
    from processor.kinesis.lanes import Lanes

log = structlog.get_logger(__name__)

_FACTS_REFRESH_S: Final = 300.0
_SHARDS_REFRESH_S: Final = 1.0
_FAILED_REFRESH_S: Final = 10.0


class StreamWatch:
    """Keeps `lanes` by the shards of the stream; `on_change` is called when they were renewed."""

    def __init__(self, stream: Endpoint, lanes: Lanes, on_change: Callable[[], None]) -> None:
        self.max_record_bytes = RECORD_BYTES_DEFAULT
        self.done_without: list[str] = []
        """What the credentials do not allow, and what that costs; a sentence each."""
        self._stream = stream
        self._lanes = lanes
        self._on_change = on_change
        self._is_stale = asyncio.Event()
        self._ignores_keys = False

    async def connect(self) -> None:
        """Read the record maximum and the shards; what the credentials do not allow is logged, and done without.

        Raises:
            KinesisRefused: there is no such stream, or the credentials cannot be used.
            KinesisUnavailable: Kinesis does not answer.

        """
        try:
            await self._read_facts()
        except KinesisRefused as error:
            if error.code != ACCESS_DENIED:
                raise
            self._do_without("the stream's record maximum is unknown, 1 MiB is assumed", error)
        if self._ignores_keys:
            return
        try:
            await self._read_shards()
        except KinesisRefused as error:
            if error.code != ACCESS_DENIED:
                raise
            self._do_without(
                "the stream's shards are unknown: one hot or dead shard holds back all others", error
            )

    def _do_without(self, what: str, error: KinesisRefused) -> None:
        self.done_without.append(f"{what} ({error})")
        log.warning(what, reason=str(error))

    async def run(self) -> None:
        """Keep what is known current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_facts(), name="stream-facts")
            tasks.create_task(self._follow_shards(), name="shards")

    def saw(self, lane: Lane, shard_id: str | None) -> None:
        """Note which shard a record of `lane` went to: where it is not the lane's, the shards have changed, and are read anew."""
        if (
            shard_id != lane.shard_id
            and shard_id is not None
            and not lane.is_closed
            and self._lanes.are_known
        ):
            self._is_stale.set()

    async def _follow_shards(self) -> None:
        """Read the shards anew, once for all answers that named another one."""
        while True:
            await self._is_stale.wait()
            wait_s = _SHARDS_REFRESH_S
            try:
                await self._read_shards()
            except KinesisError as error:
                log.warning("the stream's shards could not be read again", reason=str(error))
                wait_s = _FAILED_REFRESH_S
            await asyncio.sleep(wait_s)
            # What answers named meanwhile is named again by the next ones, if it still holds.
            self._is_stale.clear()

    async def _read_shards(self) -> None:
        shards = await self._stream.shards()
        self._lanes.use(ShardMap(shards), asyncio.get_running_loop().time())
        log.info("the stream's shards are known", open=len(shards))
        self._on_change()

    async def _follow_facts(self) -> None:
        while True:
            await asyncio.sleep(_FACTS_REFRESH_S)
            try:
                await self._read_facts()
            except KinesisError as error:
                log.debug("the stream could not be looked at again", reason=str(error))

    async def _read_facts(self) -> None:
        self.max_record_bytes, ignores_keys = await self._stream.facts()
        if ignores_keys and not self._ignores_keys:
            log.warning(
                "the stream spreads records by itself (RecordDistributionStrategy=AUTO): partition keys are "
                "ignored, the exports of a profile have no order in it, and consumers may see them in any"
            )
        self._ignores_keys = ignores_keys
