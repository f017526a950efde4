"""Finding the record that Kinesis rejects: parts of a rejected call go by themselves, half by half.

A record that is rejected alone is a candidate: perhaps Kinesis takes none. That it is rejected alone when Kinesis has
just taken others is a proof, but no certain one, for Kinesis may have begun to reject all in between. So it takes
several, and each needs others that were sent after the proof before, and taken: then Kinesis would have had to begin
anew each time, in that very moment. What was sent before a rejection and is answered late proves nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.kinesis.evidence import Evidence
    from processor.kinesis.lane import Item
    from processor.kinesis.repeat_probe import RepeatProbe

PROOFS: Final = 4
"""So many confirm that a record is rejected for itself."""


class Sent(NamedTuple):
    """A call's number, and that of the newest of those that were known to be taken when it was sent."""

    number: int
    newest_taken: int


class Verdict(Enum):
    """What follows from a rejection."""

    HALVED = auto()
    """More than one record: each half goes by itself."""
    CONFIRMED = auto()
    """Kinesis takes this record under no circumstances."""
    CANDIDATE = auto()
    """It is not proven yet: this record is tried again when others were taken."""
    NONE_IS_TAKEN = auto()
    """The same, and it was tried again, and nothing else was taken meanwhile."""


class Bisection:
    """The parts that are to be sent alone, and the candidates, which wait.

    `wake` is called when a part is due that was not before. Where nothing is taken meanwhile, candidates are looked at
    every `slow_retry_s` seconds.
    """

    def __init__(self, slow_retry_s: float, probe: RepeatProbe, wake: Callable[[], None]) -> None:
        self._slow_retry_s = slow_retry_s
        self._probe = probe
        self._wake = wake
        self._parts: deque[list[Item]] = deque()
        self._candidates: list[Item] = []
        self._begun = 0
        self._newest_taken = 0
        self._look: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Item]:
        """All items that are to be sent alone, now or later."""
        for part in self._parts:
            yield from part
        yield from self._candidates

    def begun(self) -> Sent:
        """A call is sent now; what is returned is to be given back with its answer."""
        self._begun += 1
        return Sent(self._begun, self._newest_taken)

    @property
    def has_parts(self) -> bool:
        """Whether anything is to be sent alone now."""
        return bool(self._parts)

    def next_part(self) -> list[Item]:
        """Take what is to be sent alone now; empty where nothing is."""
        return self._parts.popleft() if self._parts else []

    def rejected(self, part: list[Item], sent: Sent) -> Verdict:
        """Kinesis rejected a call of these records."""
        for item in part:
            item.add_evidence(self._begun)
        if len(part) > 1:
            half = len(part) // 2
            self._parts.extend([part[:half], part[half:]])
            return Verdict.HALVED
        evidence = _evidence(part[0])
        is_proof = evidence.add_rejection_alone(newest_taken=sent.newest_taken, newest_begun=self._begun)
        if is_proof and evidence.proofs == PROOFS:
            return Verdict.CONFIRMED
        self._candidates.append(part[0])
        self._look_later()
        return Verdict.CANDIDATE if is_proof or evidence.alone == 1 else Verdict.NONE_IS_TAKEN

    def others_were_taken(self, sent: Sent) -> None:
        """Kinesis took records of a call: the candidates that were rejected before it was sent may be tried."""
        self._newest_taken = max(self._newest_taken, sent.number)
        waiting, self._candidates = self._candidates, []
        for candidate in waiting:
            if _evidence(candidate).rejected_at < sent.number:
                self._parts.append([candidate])
            else:
                self._candidates.append(candidate)

    def drop_abandoned(self) -> None:
        """Drop items whose tickets were abandoned."""
        parts = ([item for item in part if not item.ticket.is_abandoned] for part in self._parts)
        self._parts = deque(part for part in parts if part)
        self._candidates = [item for item in self._candidates if not item.ticket.is_abandoned]

    def _look_later(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self._slow_retry_s, self._look_at_candidates)

    def _look_at_candidates(self) -> None:
        """Candidates have waited for long, and nothing was taken: perhaps what made Kinesis reject them is mended.

        They are tried once; after that the probe is, whose answer is evidence for or against all of them.
        """
        self._look = None
        if not self._candidates:
            return
        probe = self._probe
        if not probe.is_under_way or any(map(probe.is_it, self._candidates)):
            tried = [item for item in self._candidates if _evidence(item).alone > 1]
            repeated = probe.begin(tried) if tried else None
            if repeated is None:
                self._parts.extend([item] for item in self._candidates)
                self._candidates.clear()
            else:
                # What is of its profile queues behind it.
                self._candidates = [
                    item for item in self._candidates if not repeated.is_of_the_profile_of(item)
                ]
                self._parts.append([repeated])
            self._wake()
        self._look_later()


def _evidence(rejected: Item) -> Evidence:
    if rejected.evidence is None:
        raise RuntimeError("a record that was never rejected is no candidate")
    return rejected.evidence
