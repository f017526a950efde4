"""What changes in a life beside its events: the files that its workers follow, and that somebody asks for a backfill."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.simulation.configurations import STEADY, configuration, first_choice, next_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.configurations import Choice, Configuration
    from tests.simulation.world import World

_WITHIN_S: Final = 6.5
_UNEVEN_S: Final = 0.3
"""Within that time all machines have other files, where they do not have them at once."""


class Change(NamedTuple):
    """`choice` is what the files say from then on; None where a backfill is asked for."""

    at_s: float
    choice: Choice | None
    within_s: float = 0.0
    """Each machine has it at a moment of its own."""
    is_split: bool = False
    """The machines with odd numbers have it only when all is mended."""


def has_changes(seed: int) -> bool:
    """Whether the configuration changes in the life of a seed: in every other one."""
    return seed % 2 == 1


def planned_changes(seed: int) -> list[Change]:
    """One to three configurations more, and now and then a request; nothing in a life without."""
    if not has_changes(seed):
        return []
    rng = random.Random(seed + 5)
    is_split, within_s = rng.random() < 0.15, rng.choice([0.0, 0.0, _UNEVEN_S])
    moments_s = sorted(rng.uniform(0.2, _WITHIN_S) for _ in range(rng.choice([1, 2, 2, 3])))
    choices = [first_of(seed)]
    changes = []
    for at_s in moments_s:
        choices.append(next_choice(rng, choices))
        changes.append(Change(at_s, choices[-1], within_s, is_split))
    changes += [Change(rng.uniform(0.2, _WITHIN_S), None) for _ in range(rng.choice([0, 0, 1, 2]))]
    return sorted(changes, key=lambda change: change.at_s)


def first_of(seed: int) -> Choice:
    """What a life begins with."""
    return first_choice(random.Random(seed + 7)) if has_changes(seed) else STEADY


class Following:
    """Which configuration each machine follows, and how its worker hears of another one.

    A worker that is frozen hears of it when it thaws, one that starts later starts with the newest.
    """

    def __init__(self, world: World, first: Choice, changes: Sequence[Change]) -> None:
        self.choices = [first]
        """All so far, in their order."""
        self.goes_back = False
        """A partition may have come from who followed the newer one to who did not yet."""
        self._world = world
        self._changes = changes
        self._places: dict[int, int] = defaultdict(int)
        """Of each machine's files, among `choices`."""
        self._requests = 0

    @property
    def has_names(self) -> bool:
        """Whether no two configurations of this life have an export in common."""
        return all(choice.name is not None for choice in self.choices)

    @property
    def last(self) -> Configuration:
        """What all follow in the end."""
        return configuration(self.choices[-1])

    @property
    def request(self) -> str | None:
        """The newest request; None before the first."""
        return f"request {self._requests}" if self._requests else None

    def of(self, slot: int) -> Configuration:
        """What a worker of this machine begins with."""
        return configuration(self.choices[self._places[slot]])

    async def run(self) -> None:
        """Have all changes come at their moments."""
        for change in self._changes:
            await asyncio.sleep(max(0.0, change.at_s - self._world.loop.now_s))
            if change.choice is None:
                self.ask()
            else:
                self._change(change, change.choice)

    def ask(self) -> None:
        """Ask for a backfill."""
        self._requests += 1
        self._world.note(f"{self.request}")
        for worker in self._world.workers:
            worker.hear(self.request)

    def heal(self) -> None:
        """Have every machine follow the last configuration."""
        for slot in range(len(self._world.disks)):
            self._give(slot, len(self.choices) - 1)

    def _change(self, change: Change, choice: Choice) -> None:
        place = len(self.choices)
        self.choices.append(choice)
        self._world.note(f"files {place}: {choice}")
        for slot in range(len(self._world.disks)):
            if change.is_split and slot % 2:
                self.goes_back = True
            elif change.within_s:
                self.goes_back = True
                wait_s = self._world.rng.uniform(0.0, change.within_s)
                self._world.loop.call_later(wait_s, self._give, slot, place)
            else:
                self._give(slot, place)

    def _give(self, slot: int, place: int) -> None:
        if place <= self._places[slot]:
            return
        self._places[slot] = place
        worker = self._world.workers[slot]
        if worker.process.frozen_until_s > self._world.loop.now_s:
            self.goes_back = True
        worker.follow(self.of(slot))
