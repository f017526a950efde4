"""Work beside a body: it ends with the body, and its failure is the body's to look at."""

from __future__ import annotations

import asyncio

import pytest

from processor.service.background import failure_of, in_background
from tests.support.virtual_time import run_in_virtual_time


def test_work_goes_on_beside_the_body_and_ends_with_it() -> None:
    async def world() -> None:
        ended: list[str] = []

        async def work(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        async with in_background(work("a"), work("b")) as beside:
            await asyncio.sleep(5)
            assert not beside.done()
            assert ended == []
        assert beside.cancelled()
        assert sorted(ended) == ["a", "b"]

    run_in_virtual_time(world())


def test_what_fails_ends_the_others_and_is_raised_where_the_body_looks() -> None:
    async def world() -> float:
        async def fail() -> None:
            await asyncio.sleep(3)
            raise ValueError("it failed")

        async with in_background(fail(), asyncio.sleep(60)) as beside:
            with pytest.raises(ExceptionGroup) as raised:
                await failure_of(beside)
        assert raised.group_contains(ValueError, match="it failed")
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(world()) == 3


def test_who_looks_for_a_failure_may_be_cancelled_and_the_work_goes_on() -> None:
    async def world() -> None:
        async with in_background(asyncio.sleep(60)) as beside:
            looking = asyncio.create_task(failure_of(beside))
            await asyncio.sleep(1)
            looking.cancel()
            await asyncio.wait([looking])
            assert looking.cancelled()
            assert not beside.done()

    run_in_virtual_time(world())
