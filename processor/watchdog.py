"""The watchdog: finds a worker that has work and makes no progress, and ends it, so that it is started anew.

What waits for Kafka or Kinesis is no such worker: a new start would not help it. Two things are told apart from that.
A member whose heartbeats have ceased while a fresh connection is answered is a zombie. And a loop that does not
turn cannot look at itself: a thread looks at it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import ProcessorError, WorkerStalled
from processor.tail import CONDITION as OPEN_TRANSACTION
from processor.telemetry.status import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from processor.observer import Observer
    from processor.telemetry.loop_lag import LoopLag
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

_LOOKS: Final = 20
"""How often a stall's time is looked at; a clock that jumps, or a frozen process, counts as one look."""
_LEAVE_S: Final = 15.0
_ASK_S: Final = 10.0


class Watchdog:
    """Of one worker. `kafka_answers` tries a fresh connection to the group's coordinator."""

    def __init__(
        self, observer: Observer, status: Status, stall_s: float, kafka_answers: Callable[[], Awaitable[None]]
    ) -> None:
        self._observer = observer
        self._status = status
        self._stall_s = stall_s
        self._kafka_answers = kafka_answers

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            WorkerStalled: the worker should be ended.

        """
        seen, looks = self._observer.progress(), 0
        while True:
            await asyncio.sleep(self._stall_s / _LOOKS)
            now = self._observer.progress()
            looks = 0 if now != seen else looks + 1
            seen = now
            if looks >= _LOOKS:
                looks = 0
                why = await self._why_stalled()
                if why is not None and self._observer.progress() == seen:
                    self._observer.stalled = why
                    log.critical("the worker is stalled, ending it", reason=why)
                    raise WorkerStalled(f"{why}; it is ended to be started anew")

    async def _why_stalled(self) -> str | None:
        """What is wrong with a worker that has made no progress; None where nothing is."""
        conditions = set(self._status.conditions)
        if "draining" in conditions or self._observer.pipeline is None:
            return None  # both have deadlines, or patience, of their own
        # An open transaction keeps back what is not counted as work; the other partitions have theirs.
        outside = conditions - EXPECTED - {OPEN_TRANSACTION}
        if outside - {"kafka"}:
            return None
        try:
            async with asyncio.timeout(_ASK_S):
                await self._kafka_answers()
                work = await self._observer.work()
        except (ProcessorError, TimeoutError):
            return None  # Kafka is away, for all
        since = f"for {self._stall_s:g} s"
        if outside:
            return f"Kafka answers a new connection, but no heartbeat of this member was answered {since}"
        return None if work is None else f"{work}, and there was no progress {since}"


@contextmanager
def loop_guarded(lag: LoopLag, stall_s: float) -> Iterator[Callable[[], None]]:
    """Have a thread end the process when its loop does not turn; call what is given when it must end soon."""
    ended, leaving = threading.Event(), threading.Event()

    def watch() -> None:
        seen, still_s, leaving_s = -1, 0, 0
        while not ended.wait(1.0):
            still_s = still_s + 1 if lag.turns == seen else 0
            seen = lag.turns
            leaving_s += leaving.is_set()
            if still_s >= stall_s or leaving_s >= _LEAVE_S:
                log.critical("the event loop is stuck, ending the process", stuck_s=still_s)
                # Code and lines, no values.
                faulthandler.dump_traceback(sys.stderr)
                os._exit(1)

    thread = threading.Thread(target=watch, name="loop-guard", daemon=True)
    thread.start()
    try:
        yield leaving.set
    finally:
        ended.set()
        thread.join()
