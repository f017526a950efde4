"""Finding the record that Kinesis rejects: parts of a rejected call go by themselves, half by half.

A record that is rejected alone is a suspect: perhaps Kinesis takes none. That it is rejected alone when Kinesis has
just taken others is a proof, but no certain one, for Kinesis may have begun to reject all in between. So it takes
several, and each needs others that were sent after the proof before, and taken: then Kinesis would have had to begin
anew each time, in that very moment. What was sent before a rejection and is answered late proves nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.kinesis.ticket import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.kinesis.repeat_probe import Control
    from processor.kinesis.ticket import Item

PROOFS: Final = 4
"""So many convict a record."""


class Sent(NamedTuple):
    """A call's number, and that of the newest of those that were known to be taken when it was sent."""

    number: int
    newest_taken: int


class Verdict(Enum):
    """What follows from a rejection."""

    HALVED = auto()
    """More than one record: each half goes by itself."""
    CONVICTED = auto()
    """Kinesis takes this record under no circumstances."""
    SUSPECTED = auto()
    """It is not proven yet: this record is tried again when others were taken."""
    NONE_IS_TAKEN = auto()
    """The same, and it was tried again, and nothing else was taken meanwhile."""


class Bisection:
    """The parts that are to be sent alone, and the suspects, which wait.

    `stirred` is set when a part is due that was not before. Suspects are looked at every `slow_retry_s`, where nothing
    is taken meanwhile.
    """

    def __init__(self, slow_retry_s: float, control: Control) -> None:
        self.stirred = asyncio.Event()
        self._slow_retry_s = slow_retry_s
        self._control = control
        self._parts: deque[list[Item]] = deque()
        self._suspects: list[Item] = []
        self._begun = 0
        self._newest_taken = 0
        self._look: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Item]:
        for part in self._parts:
            yield from part
        yield from self._suspects

    def begun(self) -> Sent:
        """A call is sent now; to be told of with its answer."""
        self._begun += 1
        return Sent(self._begun, self._newest_taken)

    def next_part(self) -> list[Item]:
        """What is to be sent alone now; empty where nothing is."""
        return self._parts.popleft() if self._parts else []

    def rejected(self, part: list[Item], sent: Sent) -> Verdict:
        """Kinesis rejected a part."""
        for item in part:
            if item.case is None:
                item.case = Case(self._begun)
        if len(part) > 1:
            half = len(part) // 2
            self._parts.extend([part[:half], part[half:]])
            return Verdict.HALVED
        case = _case(part[0])
        case.alone += 1
        is_proof = case.rejected_at < sent.newest_taken
        if is_proof:
            case.rejected_at = self._begun
            case.proofs += 1
            if case.proofs == PROOFS:
                return Verdict.CONVICTED
        self._suspects.append(part[0])
        self._look_later()
        return Verdict.SUSPECTED if is_proof or case.alone == 1 else Verdict.NONE_IS_TAKEN

    def others_were_taken(self, sent: Sent) -> None:
        """Kinesis took records of a call: the suspects that were rejected before it was sent may be tried."""
        self._newest_taken = max(self._newest_taken, sent.number)
        waiting, self._suspects = self._suspects, []
        for suspect in waiting:
            if _case(suspect).rejected_at < sent.number:
                self._parts.append([suspect])
            else:
                self._suspects.append(suspect)

    def drop_abandoned(self) -> None:
        """Forget what was abandoned."""
        parts = ([item for item in part if not item.ticket.abandoned] for part in self._parts)
        self._parts = deque(part for part in parts if part)
        self._suspects = [item for item in self._suspects if not item.ticket.abandoned]

    def _look_later(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self._slow_retry_s, self._look_at_suspects)

    def _look_at_suspects(self) -> None:
        """Suspects have waited for long, and nothing was taken: perhaps what made Kinesis reject them is mended.

        They are tried once; after that the control is, whose answer will tell of all.
        """
        self._look = None
        if not self._suspects:
            return
        control = self._control
        if not control.is_under_way or any(map(control.is_it, self._suspects)):
            tried = [item for item in self._suspects if _case(item).alone > 1]
            repeated = control.repeated(tried) if tried else None
            if repeated is None:
                self._parts.extend([item] for item in self._suspects)
                self._suspects.clear()
            else:
                # What is of its profile queues behind it.
                self._suspects = [item for item in self._suspects if not repeated.is_of_the_profile_of(item)]
                self._parts.append([repeated])
            self.stirred.set()
        self._look_later()


def _case(rejected: Item) -> Case:
    if rejected.case is None:
        raise RuntimeError("a record that was never rejected is no suspect")
    return rejected.case
