"""What a worker that connects waits for, and what it does not: on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest
from structlog.testing import capture_logs

from processor.errors import (
    ConfigurationError,
    KafkaRefused,
    KafkaUnavailable,
    KinesisRefused,
    KinesisUnavailable,
    ProcessorError,
    StateRefused,
    StateUnavailable,
    WorkerStalled,
)
from processor.service.attempts import RETRIED_AFTER_A_RESTART, RETRIED_AT_FIRST, Attempts
from processor.settings import load_settings
from processor.telemetry.status import Status
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

ATTEMPT_MAX_S = 100.0


class Connected(NamedTuple):
    """How it came about."""

    after_s: float
    conditions: list[dict[str, str]]
    """As each attempt found them."""
    lines: Sequence[MutableMapping[str, object]]


def connected(status: Status, errors: tuple[type[ProcessorError], ...], *failures: Exception) -> Connected:
    """Connect to Kafka, which takes a second an attempt, and fails in these ways before it answers."""
    left, conditions = list(failures), list[dict[str, str]]()

    async def connect() -> str:
        conditions.append(dict(status.conditions))
        await asyncio.sleep(1)
        if left:
            raise left.pop(0)
        return "connected"

    async def world() -> float:
        attempts = Attempts(errors, ATTEMPT_MAX_S, status)
        assert await attempts.connected("kafka", connect) == "connected"
        return asyncio.get_running_loop().time()

    with capture_logs() as lines:
        after_s = run_in_virtual_time(world())
    return Connected(after_s, conditions, lines)


@pytest.fixture
def status() -> Status:
    status = Status()
    status.healthy("starting")
    return status


def test_what_answers_at_once_is_attempted_once(status: Status) -> None:
    assert connected(status, RETRIED_AT_FIRST) == Connected(1.0, [{}], [])
    assert status.is_ready


def test_what_is_away_is_a_condition_until_it_answers_and_is_logged_with_the_wait(status: Status) -> None:
    found = connected(status, RETRIED_AT_FIRST, *(KafkaUnavailable(f"no answer, {n}") for n in "ab"))
    assert found.after_s == 1 + 0.5 + 1 + 1.0 + 1
    assert found.conditions == [{}, {"kafka": "no answer, a"}, {"kafka": "no answer, b"}]
    assert [
        (line["to"], line["reason"], line["wait_s"])
        for line in found.lines
        if line["event"] == "not connected yet"
    ] == [("kafka", "no answer, a", 0.5), ("kafka", "no answer, b", 1.0)]
    assert status.is_ready


def test_waits_grow_up_to_their_bound(status: Status) -> None:
    found = connected(status, RETRIED_AT_FIRST, *(KafkaUnavailable("no answer") for _ in range(8)))
    waits = [line["wait_s"] for line in found.lines if line["event"] == "not connected yet"]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


@pytest.mark.parametrize(
    ("error", "at_first", "after_a_restart"),
    [
        (KafkaUnavailable("no answer"), True, True),
        (KinesisUnavailable("no answer"), True, True),
        (StateUnavailable("the disk is full"), True, True),
        (KafkaRefused("an ACL is missing"), False, True),
        (KinesisRefused("access denied"), False, True),
        (ConfigurationError([]), False, True),
        (StateRefused("a person must decide"), False, False),
        (TimeoutError(), False, False),
        (RuntimeError("a bug"), False, False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_a_worker_that_has_worked_before_waits_for_permissions_too(
    error: Exception, *, at_first: bool, after_a_restart: bool
) -> None:
    for errors, is_retried in ((RETRIED_AT_FIRST, at_first), (RETRIED_AFTER_A_RESTART, after_a_restart)):
        if is_retried:
            assert connected(Status(), errors, error).after_s == 2.5
        else:
            with pytest.raises(type(error)):
                connected(Status(), errors, error)


def attempted(action: Callable[[], Awaitable[None]]) -> float:
    async def world() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(WorkerStalled, match="an attempt to connect to kafka did not end within 100 s"):
            await Attempts(RETRIED_AT_FIRST, ATTEMPT_MAX_S, Status()).connected("kafka", action)
        return loop.time()

    return run_in_virtual_time(world())


def test_an_attempt_that_does_not_end_stalls_the_worker() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    assert attempted(never) == ATTEMPT_MAX_S


def test_every_attempt_has_the_whole_time() -> None:
    left = [60, 60]

    async def slow() -> None:
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(left.pop())
        raise KafkaUnavailable("no answer")

    assert attempted(slow) == 60 + 0.5 + 60 + 1.0 + ATTEMPT_MAX_S


@pytest.mark.parametrize(
    ("stall_ms", "request_ms", "within_s"), [(300_000, 10_000, 300), (60_000, 10_000, 100)]
)
def test_an_attempt_may_take_a_stalls_time_or_some_requests(
    stall_ms: int, request_ms: int, within_s: int
) -> None:
    settings = load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": "k:9092",
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "exports",
            "PROCESSOR_STALL_TIMEOUT_MS": str(stall_ms),
            "PROCESSOR_KAFKA_REQUEST_TIMEOUT_MS": str(request_ms),
        }
    )
    attempts = Attempts.of(settings, RETRIED_AT_FIRST, Status())

    async def world() -> float:
        with pytest.raises(WorkerStalled):
            await attempts.connected("kafka", asyncio.Event().wait)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(world()) == within_s
