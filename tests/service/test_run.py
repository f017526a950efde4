"""A worker that is to stop before it is connected, and what fails beside it: on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from processor.errors import KafkaRefused, WorkerStalled
from processor.service.background import in_background
from processor.service.run import _unless_stopped, _watched
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from processor.service.watchdog import Watchdog
    from processor.worker.pipeline import Pipeline

PIPELINE = cast("Pipeline", object())


class Connecting:
    """Takes five seconds, then returns or raises; knows whether it was broken off."""

    def __init__(self, error: Exception | None = None) -> None:
        self.is_broken_off = False
        self._error = error

    async def __call__(self) -> Pipeline:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            self.is_broken_off = True
            raise
        if self._error is not None:
            raise self._error
        return PIPELINE


async def connected(
    connecting: Connecting, *, stopped_after_s: float = 3600, beside: Coroutine[Any, Any, None] | None = None
) -> Pipeline | None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(stopped_after_s, stop.set)
    async with in_background(beside or asyncio.sleep(3600)) as task:
        return await _unless_stopped(connecting(), stop, task)


async def fail_after(seconds: float, error: Exception) -> None:
    await asyncio.sleep(seconds)
    raise error


def test_a_worker_that_is_connected_has_its_pipeline() -> None:
    assert run_in_virtual_time(connected(Connecting())) is PIPELINE


def test_what_connecting_fails_with_is_raised() -> None:
    with pytest.raises(KafkaRefused):
        run_in_virtual_time(connected(Connecting(KafkaRefused("an ACL is missing"))))


def test_a_worker_that_is_to_stop_before_it_is_connected_breaks_that_off() -> None:
    connecting = Connecting()
    assert run_in_virtual_time(connected(connecting, stopped_after_s=2)) is None
    assert connecting.is_broken_off


def test_what_fails_beside_it_ends_a_worker_that_connects() -> None:
    connecting = Connecting()
    with pytest.raises(ExceptionGroup) as raised:
        run_in_virtual_time(connected(connecting, beside=fail_after(2, ValueError("a bug"))))
    assert raised.group_contains(ValueError)
    assert connecting.is_broken_off


class Scripted:
    """A pipeline that runs until it is to stop, and a watchdog that sees it stall after so many seconds."""

    def __init__(self, stalls_after_s: float = 3600) -> None:
        self.is_done = self.is_left_soon = False
        self._stalls_after_s = stalls_after_s

    async def watched(self, stops_after_s: float, beside: Coroutine[Any, Any, None]) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(stops_after_s, stop.set)
        async with in_background(beside) as task:
            await _watched(cast("Pipeline", _Pipeline(self)), stop, self._watchdog(), self._leave_soon, task)

    def _leave_soon(self) -> None:
        self.is_left_soon = True

    def _watchdog(self) -> Watchdog:
        return cast("Watchdog", _Watchdog(self._stalls_after_s))


class _Pipeline:
    def __init__(self, scripted: Scripted) -> None:
        self._scripted = scripted

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._scripted.is_done = True


class _Watchdog:
    def __init__(self, stalls_after_s: float) -> None:
        self._stalls_after_s = stalls_after_s

    async def run(self) -> None:
        await fail_after(self._stalls_after_s, WorkerStalled("no progress"))


def test_a_worker_that_stops_is_watched_no_more() -> None:
    scripted = Scripted()
    run_in_virtual_time(scripted.watched(10, asyncio.sleep(3600)))
    assert scripted.is_done
    assert not scripted.is_left_soon


def test_a_worker_that_stalls_is_ended_and_has_to_leave_soon() -> None:
    scripted = Scripted(stalls_after_s=5)
    with pytest.raises(ExceptionGroup) as raised:
        run_in_virtual_time(scripted.watched(10, asyncio.sleep(3600)))
    assert raised.group_contains(WorkerStalled)
    assert scripted.is_left_soon
    assert not scripted.is_done


def test_what_fails_beside_it_ends_a_worker_that_works() -> None:
    scripted = Scripted()
    with pytest.raises(ExceptionGroup) as raised:
        run_in_virtual_time(scripted.watched(10, fail_after(5, ValueError("a bug"))))
    assert raised.group_contains(ValueError)
    assert not scripted.is_left_soon
    assert not scripted.is_done
