"""When dead letters are held back: on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from processor.dead_letter_limit import CONDITION, DeadLetterLimit
from processor.settings import ServiceSettings
from processor.telemetry.status import Status
from tests.virtual_time import run_in_virtual_time


def limit_of(status: Status, count: int = 10, share: float = 0.5) -> DeadLetterLimit:
    settings = ServiceSettings.model_validate(
        {
            "dead_letter_limit_count": count,
            "dead_letter_limit_share": share,
            "dead_letter_limit_window_ms": 60_000,
        }
    )
    return DeadLetterLimit(settings, status)


def held(batches: list[tuple[int, int]], every_s: float = 0.0, count: int = 10) -> int:
    """How many of the batches (letters, processed) pass before the limit holds."""

    async def world() -> int:
        status = Status()
        limit, passed = limit_of(status, count), 0
        for letters, processed in batches:
            try:
                async with asyncio.timeout(1):
                    await limit.passed(letters, processed)
            except TimeoutError:
                assert CONDITION in status.conditions
                return passed
            passed += 1
            await asyncio.sleep(every_s)
        assert CONDITION not in status.conditions
        return passed

    return run_in_virtual_time(world())


def test_a_topic_of_bad_events_is_not_drained() -> None:
    assert held([(5, 5)] * 100) == 2


def test_some_bad_events_among_many_pass() -> None:
    assert held([(5, 100)] * 100) == 100


def test_few_bad_events_pass_though_they_are_all_there_is() -> None:
    assert held([(1, 1)] * 10) == 10


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert held([(5, 5)] * 20, every_s=45) == 20


def test_no_count_is_no_limit() -> None:
    assert held([(500, 500)] * 20, count=0) == 20


@pytest.mark.parametrize("letters", [0, 3])
def test_only_what_has_dead_letters_stands_still(letters: int) -> None:
    async def world() -> bool:
        limit = limit_of(Status())
        stands_still = [asyncio.create_task(limit.passed(20, 20))]
        await asyncio.sleep(0)
        stands_still.append(asyncio.create_task(limit.passed(letters, 50)))
        await asyncio.sleep(1)
        still = not stands_still[1].done()
        limit.lift()
        await asyncio.gather(*stands_still)
        return still

    assert run_in_virtual_time(world()) == bool(letters)


def test_lifting_begins_a_new_window() -> None:
    async def world() -> dict[str, str]:
        status = Status()
        status.healthy("starting")
        limit = limit_of(status)
        waiting = asyncio.create_task(limit.passed(20, 20))
        await asyncio.sleep(1)
        assert not status.is_ready
        limit.lift()
        await waiting
        await limit.passed(9, 9)
        return status.conditions

    assert run_in_virtual_time(world()) == {}
