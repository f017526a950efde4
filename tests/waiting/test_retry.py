"""What waiting may cure is retried, with delays that double up to a bound."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from processor.errors import KafkaRefused, KafkaUnavailable, ProcessorError, StateUnavailable
from processor.waiting.retry import Delays, retried
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence

DELAYS = Delays(0.5, 3.0)


class Scripted:
    """Raises its failures one after the other, then returns; knows when it was attempted, and what was reported."""

    def __init__(self, failures: Sequence[Exception]) -> None:
        self.attempted_at_s: list[float] = []
        self.reported: list[tuple[str, float]] = []
        self._failures = list(failures)

    async def act(self) -> str:
        self.attempted_at_s.append(asyncio.get_running_loop().time())
        if self._failures:
            raise self._failures.pop(0)
        return "done"

    def report(self, error: ProcessorError, wait_s: float) -> None:
        self.reported.append((str(error), wait_s))

    async def retried(self, *errors: type[ProcessorError]) -> str:
        return await retried(self.act, errors=errors, delays=DELAYS, on_failure=self.report)


def test_what_succeeds_is_attempted_once() -> None:
    scripted = Scripted([])
    assert run_in_virtual_time(scripted.retried(KafkaUnavailable)) == "done"
    assert scripted.attempted_at_s == [0.0]
    assert not scripted.reported


def test_delays_double_up_to_their_bound() -> None:
    assert list(islice(DELAYS, 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert list(islice(Delays(1.0, 1.0), 3)) == [1.0, 1.0, 1.0]
    assert list(islice(Delays(2.0, 1.0), 2)) == [1.0, 1.0]


def test_what_fails_is_attempted_until_it_succeeds_and_each_failure_is_reported_before_its_wait() -> None:
    scripted = Scripted([KafkaUnavailable(f"no answer {n}") for n in range(4)])
    assert run_in_virtual_time(scripted.retried(KafkaUnavailable)) == "done"
    assert scripted.attempted_at_s == [0.0, 0.5, 1.5, 3.5, 6.5]
    assert scripted.reported == [
        ("no answer 0", 0.5),
        ("no answer 1", 1.0),
        ("no answer 2", 2.0),
        ("no answer 3", 3.0),
    ]


def test_each_of_several_errors_is_retried() -> None:
    scripted = Scripted([KafkaUnavailable("kafka"), StateUnavailable("disk")])
    assert run_in_virtual_time(scripted.retried(KafkaUnavailable, StateUnavailable)) == "done"
    assert [reason for reason, _ in scripted.reported] == ["kafka", "disk"]


def test_every_other_error_is_raised_at_once() -> None:
    scripted = Scripted([KafkaUnavailable("no answer"), KafkaRefused("no permission")])
    with pytest.raises(KafkaRefused):
        run_in_virtual_time(scripted.retried(KafkaUnavailable))
    assert scripted.attempted_at_s == [0.0, 0.5]
    assert scripted.reported == [("no answer", 0.5)]


@pytest.mark.parametrize("after_s", [0.0, 0.25])
def test_a_wait_can_be_cancelled(after_s: float) -> None:
    scripted = Scripted([KafkaUnavailable("no answer")] * 3)

    async def world() -> None:
        waiting = asyncio.create_task(scripted.retried(KafkaUnavailable))
        await asyncio.sleep(after_s)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_in_virtual_time(world())
    assert len(scripted.attempted_at_s) == 1


def test_an_attempt_can_be_cancelled() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def world() -> None:
        async with asyncio.timeout(1.0):
            await retried(never, errors=(KafkaUnavailable,), delays=DELAYS, on_failure=Scripted([]).report)

    with pytest.raises(TimeoutError):
        run_in_virtual_time(world())
