"""The loop of the simulated world: time, chance, and processes that die between any two awaits."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.simulation.faults import Fault
from tests.simulation.loop import Process, Simulation
from tests.simulation.world import World
from tests.support.virtual_time import Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = 6


def _run(act: Callable[[Process, list[int]], None]) -> list[int]:
    """The steps of a process to which `act` happens before it begins."""
    done: list[int] = []

    async def work() -> None:
        for step in range(_STEPS):
            done.append(step)
            await asyncio.sleep(0)

    async def life() -> None:
        process = Process("worker")
        process.start(work(), "work")
        act(process, done)
        await asyncio.sleep(10)

    Simulation(random.Random(1)).run(life())  # type: ignore[abstract]  # as in the world
    return done


@pytest.mark.parametrize("steps", range(_STEPS))
def test_a_process_can_be_killed_between_any_two_awaits(steps: int) -> None:
    assert _run(lambda process, _: process.after_steps(steps, lambda _: process.kill())) == list(range(steps))


@pytest.mark.parametrize("steps", range(_STEPS))
def test_a_process_that_is_frozen_between_two_awaits_goes_on_there(steps: int) -> None:
    met: list[tuple[str, list[int]]] = []

    def act(process: Process, done: list[int]) -> None:
        def freeze(step: str) -> None:
            met.append((step, done[:]))
            process.freeze(5.0)
            process.after_steps(0, lambda step: met.append((step, done[:])))

        process.after_steps(steps, freeze)

    assert _run(act) == list(range(_STEPS))
    assert met == [("work", list(range(steps)))] * 2


def test_a_process_that_two_plans_kill_before_one_step_is_killed_once() -> None:
    kills: list[str] = []

    def act(process: Process, _: list[int]) -> None:
        def kill(step: str) -> None:
            kills.append(step)
            process.kill()

        process.after_steps(2, kill)
        process.after_steps(2, kill)

    assert _run(act) == [0, 1]
    assert kills == ["work"]


def test_plans_that_are_forgotten_come_to_nothing() -> None:
    def act(process: Process, _: list[int]) -> None:
        process.after_steps(2, lambda _: process.kill())
        process.forget_plans()

    assert _run(act) == list(range(_STEPS))


def test_an_hour_takes_no_time() -> None:
    async def life() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert Simulation(random.Random(1)).run(life()) == 3600  # type: ignore[abstract]  # as in the world


def test_a_world_where_nothing_can_happen_any_more_is_stuck() -> None:
    with pytest.raises(Stuck):
        Simulation(random.Random(1)).run(asyncio.Event().wait())  # type: ignore[abstract]  # as in the world


def test_workers_are_killed_before_steps_of_all_kinds() -> None:
    struck = set[str]()
    for seed in range(100):
        rng = random.Random(seed)
        crashes = [Fault(0.3 + n * 0.5, "crash", rng.randrange(2**32)) for n in range(10)]
        struck |= {step.rpartition("-")[0] or step for step in World(seed, faults=crashes).run().struck}
        if struck.issuperset(_EVERYWHERE):
            return
    pytest.fail(f"no worker was killed before {_EVERYWHERE - struck}")


_EVERYWHERE = {"work", "settle", "put", "writer", "append", "poll", "partition", "commits", "look"}
