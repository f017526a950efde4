"""`python -m tests.simulation --seeds 10000`: many lives on all cores; `--seed N`: one, in detail, and shrunk."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from tests.simulation.definition_world import DefinitionWorld, failure_of_definition
from tests.simulation.shrinking import Life, fails_as, failure, shrunk
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

_SEEDS_AT_ONCE = 20
_COLLECT_EVERY = 100
_console = Console(highlight=False)


def main() -> int:
    """1 where a life failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many lives")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--seed", type=int, help="one life, with its trace; one that fails is shrunk")
    parser.add_argument(
        "--definition-seed", type=int, help="one life of the definition in Kafka, with its trace"
    )
    options = parser.parse_args()
    if options.seed is not None:
        return _replay(options.seed)
    if options.definition_seed is not None:
        return _replay_definition(options.definition_seed)
    seeds = range(options.first, options.first + options.seeds)
    failed = [
        _many(seeds, _failure_of, "lives of the workers", "SEED"),
        _many(seeds, _failure_of_definition, "lives of the definition in Kafka", "DEFINITION_SEED"),
    ]
    return 1 if any(failed) else 0


def _many(seeds: range, failure_of: Callable[[int], tuple[int, str | None]], what: str, variable: str) -> int:
    """How many failed."""
    began_s, failed = time.monotonic(), 0
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        found = pool.imap_unordered(failure_of, seeds, _SEEDS_AT_ONCE)
        for seed, wrong in track(found, "simulating", total=len(seeds), console=_console):
            if wrong is not None:
                failed += 1
                _console.print(
                    f"seed {seed}: {wrong}\n  make simulate {variable}={seed}", markup=False, soft_wrap=True
                )
    minutes = (time.monotonic() - began_s) / 60
    _console.print(f"{len(seeds)} {what}, {failed} failed, {len(seeds) / minutes:,.0f} a minute")
    return failed


def _failure_of(seed: int) -> tuple[int, str | None]:
    if seed % _COLLECT_EVERY == 0:
        # What a life leaves behind is frozen by the next one, and would never be looked at: a megabyte each.
        gc.collect()
    return seed, failure(seed)


def _failure_of_definition(seed: int) -> tuple[int, str | None]:
    if seed % _COLLECT_EVERY == 0:
        gc.collect()
    return seed, failure_of_definition(seed)


def _replay(seed: int) -> int:
    world = World(seed)
    wrong = _told(world)
    if wrong is None:
        _console.print(f"seed {seed}: all that must hold does")
        return 0
    life = shrunk(Life.of(seed), fails_as(wrong))
    _console.print(f"\nshrunk to {len(life.places)} events and {len(life.faults)} faults:\n")
    _told(World(*life))
    return 1


def _replay_definition(seed: int) -> int:
    wrong = _told(DefinitionWorld(seed))
    if wrong is None:
        _console.print(f"seed {seed}: all that must hold does")
    return 0 if wrong is None else 1


def _told(world: World | DefinitionWorld) -> str | None:
    wrong = None
    try:
        world.run()
    except Exception as error:  # noqa: BLE001  see `failure`
        wrong = f"{type(error).__name__}: {error}"
    for line in world.trace:
        _console.print(line, markup=False, soft_wrap=True)
    if wrong is not None:
        _console.print(wrong, markup=False, soft_wrap=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
