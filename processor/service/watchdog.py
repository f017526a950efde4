"""The watchdog: finds a worker that has work and makes no progress, and ends it, so that it is started anew.

Every part of the work is looked at by itself (`processor/service/progress.py`): seven partitions that go on are no excuse for the
eighth. What waits for Kafka or Kinesis is not ended while these are away, for a new start would not help it; but that they
are is not taken from what the worker itself says of them. A fresh connection is tried, and what fails although that is
answered is ended after a longer time. Without an end are waits that only a person ends: they are conditions, so the
worker is unready, and says for what. A loop that does not turn cannot look at itself: see `loop_guard.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.errors import ProcessorError, WorkerStalled
from processor.service.progress import CALLS, COMMITS, GROUP, HEARTBEATS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.service.progress import Part, Work
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

CONDITION: Final = "standstill"
_STALLS_MAX: Final = 5
"""So many stalls' times are waited for what is a condition already, for it is wrong elsewhere."""
_LOOKS: Final = 20
"""How often a stall's time is looked at; a clock that jumps, or a frozen process, counts as one look."""
_ASK_S: Final = 10.0
_AGAIN: Final = 5
"""So many looks after it was seen that a part stands still it is looked at again, before the worker is ended for it."""


class Fresh(NamedTuple):
    """Attempts over fresh connections, at the group's coordinator and at the stream; each raises where it is not answered."""

    kafka: Callable[[], Awaitable[None]]
    kinesis: Callable[[], Awaitable[None]]


class Watchdog:
    """Watches one worker that is connected.

    `stall_s` is how long a part may have work and make no progress, in seconds; `on_stalled` is called with why the
    worker is to be ended, before it is.
    """

    def __init__(
        self, work: Work, status: Status, stall_s: float, fresh: Fresh, on_stalled: Callable[[str], None]
    ) -> None:
        self._work = work
        self._status = status
        self._stall_s = stall_s
        self._fresh = fresh
        self._on_stalled = on_stalled
        self._marks: dict[Part, object] = {}
        self._looks: dict[Part, int] = {}
        """For how many looks each part's mark has been the same."""
        self._candidates: set[Part] = set()
        """Parts that the worker is ended for, should the same be seen a little later."""
        self._reported: set[int] = set()
        """Partitions whose standstill is a condition now."""

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            WorkerStalled: the worker should be ended.

        """
        while True:
            await asyncio.sleep(self._stall_s / _LOOKS)
            if "draining" in self._status.conditions:
                continue  # it has a deadline of its own
            self._look(self._work.marks())
            due = [
                part
                for part, looks in self._looks.items()
                if looks >= _LOOKS and looks % _LOOKS in {0, _AGAIN}
            ]
            why = await self._why_stalled(due) if due else None
            if why is not None:
                self._on_stalled(why)
                log.critical("the worker is stalled, ending it", reason=why)
                raise WorkerStalled(f"{why}; it is ended to be started anew")

    def _look(self, marks: dict[Part, object]) -> None:
        moved = {part for part in self._marks if part not in marks or marks[part] != self._marks[part]}
        self._looks = {
            part: self._looks[part] + 1 if part in self._marks and part not in moved else 0 for part in marks
        }
        self._marks = marks
        self._candidates -= moved
        for number in self._reported & moved:
            self._reported.discard(number)
            self._status.healthy(CONDITION, number)

    async def _why_stalled(self, due: list[Part]) -> str | None:
        """Return why the worker should be ended for a part that stands still; None where it should not be."""
        try:
            async with asyncio.timeout(_ASK_S):
                await self._fresh.kafka()
        except (ProcessorError, TimeoutError):
            # Kafka is away, for all; when it is back, all have their time again.
            self._looks = dict.fromkeys(self._looks, 0)
            self._candidates.clear()
            return None
        for part in due:
            try:
                async with asyncio.timeout(_ASK_S):
                    why = await self._why_of(part)
            except (ProcessorError, TimeoutError):
                why = None  # it cannot be known now
            if why is None or self._work.marks().get(part) != self._marks[part]:
                self._candidates.discard(part)
            elif part in self._candidates:
                return why
            elif self._looks[part] % _LOOKS == 0:
                # What was away may have come back in this very moment: whoever waits for it has a little time.
                self._candidates.add(part)
        return None

    async def _why_of(self, part: Part) -> str | None:
        since_s = self._looks[part] * self._stall_s / _LOOKS
        since = f"for {since_s:g} s"
        is_long = self._looks[part] >= _STALLS_MAX * _LOOKS
        if isinstance(part, int):
            return await self._why_of_partition(part, since, is_long=is_long)
        why, is_waited_for = {
            HEARTBEATS: (
                f"Kafka answers a new connection, but no heartbeat of this member was answered {since}",
                False,
            ),
            COMMITS: (f"no offset could be committed {since}", not is_long),
            # What Kinesis refused may be tried again slowly.
            CALLS: (
                f"exports are ready, and no call to Kinesis was begun {since}",
                self._work.is_condition("kinesis") and not is_long,
            ),
            # To join would take the id from the other: which of the two is to have it, a person decides.
            GROUP: (
                f"the group is to be joined, and there was no progress {since}",
                self._work.is_condition("instance id") or (self._work.is_condition("group") and not is_long),
            ),
        }[part]
        return None if is_waited_for else why

    async def _why_of_partition(self, number: int, since: str, *, is_long: bool) -> str | None:
        work = await self._work.of(number)
        if work is None:
            self._reported.discard(number)
            self._status.healthy(CONDITION, number)
            return None
        why = f"{work}, and there was no progress {since}"
        self._reported.add(number)
        self._status.unhealthy(CONDITION, why, number)
        match self._work.waits_for(number):
            case "dead-letter limit":
                return None  # a new start would begin a new window: whether it may, a person decides
            case "Kinesis":
                return why if is_long and await self._is_kinesis_well() else None
            case "changelog" | "dead letters" as condition if self._work.is_condition(condition):
                return why if is_long else None
            case _:
                return why if is_long or not self._work.is_condition("fetching") else None

    async def _is_kinesis_well(self) -> bool:
        """Whether nothing that Kinesis itself does keeps exports back; calls that are not begun at all are apart."""
        if self._work.is_refused or self._work.is_kept_by_a_shard:
            return False
        if self._work.is_condition("kinesis"):
            await self._fresh.kinesis()
        return True
