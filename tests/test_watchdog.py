"""Who is ended as stalled, and who is not: on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from processor.errors import KafkaUnavailable, WorkerStalled
from processor.telemetry.status import Status
from processor.watchdog import Watchdog
from tests.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.observer import Observer


class Seen:
    """What the watchdog looks at."""

    def __init__(self) -> None:
        self.pipeline: object | None = object()
        self.stalled: str | None = None
        self.steps = 0
        self.to_do: str | None = "7 events are in flight"

    def progress(self) -> tuple[object, ...]:
        return (self.steps,)

    async def work(self) -> str | None:
        return self.to_do


async def answers() -> None:
    return


async def does_not_answer() -> None:
    raise KafkaUnavailable("away")


def ready() -> Status:
    status = Status()
    status.healthy("starting")
    return status


def outcome(
    seen: Seen,
    status: Status,
    kafka: Callable[[], Awaitable[None]] = answers,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> str | None:
    """Why the worker was ended within ten stalls' time; None where it was not."""

    async def watched() -> str | None:
        helping = None if beside is None else asyncio.ensure_future(beside())
        try:
            async with asyncio.timeout(100):
                await Watchdog(cast("Observer", seen), status, 10, kafka).run()
        except WorkerStalled as error:
            return str(error)
        except TimeoutError:
            pass
        finally:
            if helping is not None:
                helping.cancel()
        return None

    return run_in_virtual_time(watched())


def test_work_without_progress_ends_the_worker() -> None:
    seen = Seen()
    why = "7 events are in flight, and there was no progress for 10 s"
    assert outcome(seen, ready()) == f"{why}; it is ended to be started anew"
    assert seen.stalled == why


def test_a_worker_without_work_is_left_alone() -> None:
    seen = Seen()
    seen.to_do = None
    assert outcome(seen, ready()) is None


def test_progress_however_slow_is_progress() -> None:
    seen = Seen()

    async def crawl() -> None:
        while True:
            await asyncio.sleep(9)
            seen.steps += 1

    assert outcome(seen, ready(), beside=crawl) is None


@pytest.mark.parametrize("what", ["kinesis", "changelog", "dead letters", "dead-letter limit", "commits"])
def test_a_new_start_does_not_help_where_something_else_must_be_mended(what: str) -> None:
    status = ready()
    status.unhealthy(what, "it is away")
    assert outcome(Seen(), status) is None


def test_an_open_transaction_of_one_partition_hides_no_stall_of_another() -> None:
    status = ready()
    status.unhealthy("open transaction", "partition 3 waits", 3)
    seen = Seen()
    assert "7 events are in flight" in str(outcome(seen, status))
    seen.to_do = None  # nothing that may be taken is left: no reason to end the worker
    assert outcome(seen, status) is None


def test_an_outage_of_kafka_is_waited_for() -> None:
    status = ready()
    status.unhealthy("kafka", "no heartbeat was answered")
    assert outcome(Seen(), status, does_not_answer) is None


def test_a_member_whose_heartbeats_ceased_while_kafka_answers_others_is_a_zombie() -> None:
    status = ready()
    status.unhealthy("kafka", "no heartbeat was answered")
    assert "no heartbeat of this member" in str(outcome(Seen(), status))


@pytest.mark.parametrize("what", ["starting", "draining"])
def test_the_start_and_the_end_have_deadlines_of_their_own(what: str) -> None:
    seen, status = Seen(), ready()
    status.unhealthy(what, "…")
    if what == "starting":
        seen.pipeline = None
    assert outcome(seen, status) is None
