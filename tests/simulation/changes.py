"""What changes in a life beside its events: the files that its workers follow, and that somebody asks for a backfill."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.simulation.configurations import STEADY, Choice, configuration, first_choice, next_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.configurations import Configuration
    from tests.simulation.worker import Worker
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


class Plan(NamedTuple):
    """What a life begins with, and what changes in it."""

    first: Choice = STEADY
    changes: Sequence[Change] = ()


def has_changes(seed: int) -> bool:
    """Whether the configuration changes in the life of a seed: in every other one."""
    return seed % 2 == 1


def planned_changes(seed: int) -> Plan:
    """One to three configurations more, and now and then a request; nothing in a life without."""
    if not has_changes(seed):
        return Plan()
    rng = random.Random(seed + 5)
    first = first_choice(rng)
    is_split, within_s = rng.random() < 0.15, rng.choice([0.0, 0.0, _UNEVEN_S])
    moments_s = sorted(rng.uniform(0.2, _WITHIN_S) for _ in range(rng.choice([1, 2, 2, 3])))
    choices = [first]
    changes = []
    for at_s in moments_s:
        choices.append(next_choice(rng, choices))
        changes.append(Change(at_s, choices[-1], within_s, is_split))
    changes += [Change(rng.uniform(0.2, _WITHIN_S), None) for _ in range(rng.choice([0, 0, 1, 2]))]
    return Plan(first, sorted(changes, key=lambda change: change.at_s))


class Following:
    """Which configuration each machine follows, and how its worker hears of another one.

    A worker that is frozen hears of it when it thaws, one that starts later starts with the newest.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.choices = [plan.first]
        """All so far, in their order."""
        self.goes_back = False
        """A partition may have come from who followed the newer one to who did not yet."""
        self._world = world
        self._changes = plan.changes
        self._by_slot: dict[int, Choice] = {}
        self._requests = 0

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
        return configuration(self._by_slot.get(slot, self.choices[0]))

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
            self._give(slot, self.choices[-1])

    def _change(self, change: Change, choice: Choice) -> None:
        self.choices.append(choice)
        self._world.note(f"files {len(self.choices) - 1}: {choice}")
        for slot in range(len(self._world.disks)):
            if change.is_split and slot % 2:
                self.goes_back = True
            elif change.within_s:
                self.goes_back = True
                wait_s = self._world.rng.uniform(0.0, change.within_s)
                self._world.loop.call_later(wait_s, self._give, slot, choice)
            else:
                self._give(slot, choice)

    def _give(self, slot: int, choice: Choice) -> None:
        if choice == self._by_slot.get(slot):
            return
        self._by_slot[slot] = choice
        worker: Worker = self._world.workers[slot]
        if worker.process.frozen_until_s > self._world.loop.now_s:
            self.goes_back = True
        worker.follow(configuration(choice))
