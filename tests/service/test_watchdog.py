"""Who is ended as stalled, and who is not: on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from processor.errors import KafkaUnavailable, KinesisUnavailable, WorkerStalled
from processor.service.watchdog import CONDITION, Fresh, Watchdog
from processor.telemetry.status import EXPECTED, Status
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.service.progress import Part, Work

STALL_S = 10
LONG_S = 5 * STALL_S
"""For how long what is known to be wrong elsewhere is waited for."""


class Worker:
    """What the watchdog looks at: partition 3 goes on and partition 7 does not, if nothing else is said."""

    def __init__(self, *conditions: str) -> None:
        self.stalled: str | None = None
        self.status = Status()
        self.status.healthy("starting")
        for condition in conditions:
            self.status.unhealthy(condition, "it is away")
        self.standing: dict[Part, object] = {7: 0}
        self.steps = 0
        self.waiting_for: str | None = None
        self.to_do: str | None = "events of partition 7 are in flight"
        self.is_refused = self.is_kept_by_a_shard = False

    def report_stalled(self, why: str) -> None:
        self.stalled = why

    def marks(self) -> dict[Part, object]:
        self.steps += 1
        return {3: self.steps, **self.standing}

    async def of(self, number: int) -> str | None:
        assert number == 7
        return self.to_do

    def waits_for(self, _number: int) -> str | None:
        return self.waiting_for

    def is_condition(self, condition: str) -> bool:
        return condition.lower() in self.status.conditions


async def answers() -> None:
    return


async def kafka_is_away() -> None:
    raise KafkaUnavailable("away")


async def kinesis_is_away() -> None:
    raise KinesisUnavailable("away")


def ended_after_s(
    worker: Worker,
    kafka: Callable[[], Awaitable[None]] = answers,
    kinesis: Callable[[], Awaitable[None]] = answers,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> float | None:
    """When the worker was ended, of twenty stalls' time; None where it was not."""

    async def watched() -> float | None:
        loop = asyncio.get_running_loop()
        helping = None if beside is None else asyncio.ensure_future(beside())
        watchdog = Watchdog(
            cast("Work", worker), worker.status, STALL_S, Fresh(kafka, kinesis), worker.report_stalled
        )
        began_s = loop.time()
        try:
            async with asyncio.timeout(20 * STALL_S):
                await watchdog.run()
        except WorkerStalled:
            return loop.time() - began_s
        except TimeoutError:
            pass
        finally:
            if helping is not None:
                helping.cancel()
        return None

    return run_in_virtual_time(watched())


def test_one_partition_without_progress_ends_the_worker_though_all_others_go_on() -> None:
    worker = Worker()
    after_s = ended_after_s(worker)
    assert after_s is not None
    assert STALL_S < after_s < 2 * STALL_S
    why = "events of partition 7 are in flight, and there was no progress for 12.5 s"
    assert worker.stalled == why
    assert CONDITION in worker.status.conditions


def test_a_partition_without_work_is_left_alone() -> None:
    worker = Worker()
    worker.to_do = None
    assert ended_after_s(worker) is None
    assert worker.status.is_ready


def test_progress_however_slow_is_progress() -> None:
    worker = Worker()

    async def crawl() -> None:
        while True:
            await asyncio.sleep(0.9 * STALL_S)
            worker.standing = {7: worker.steps}

    assert ended_after_s(worker, beside=crawl) is None
    assert worker.status.is_ready


def test_what_goes_on_in_the_moment_that_it_is_seen_to_stand_still_is_not_ended() -> None:
    worker = Worker()

    async def go_on() -> None:
        while True:
            await asyncio.sleep(1.1 * STALL_S)
            worker.standing = {7: worker.steps}

    assert ended_after_s(worker, beside=go_on) is None
    assert worker.status.figures.conditions_begun[CONDITION] > 5


@pytest.mark.parametrize("condition", ["changelog", "dead letters"])
def test_what_is_known_to_be_wrong_has_its_time_and_then_no_more(condition: str) -> None:
    """Each attempt fails, and Kafka answers others: a new start may cure it, and its checks say what is wrong."""
    worker = Worker(condition)
    worker.waiting_for = condition
    after_s = ended_after_s(worker)
    assert after_s is not None
    assert LONG_S < after_s < LONG_S + STALL_S


@pytest.mark.parametrize(
    "condition", ["changelog", "kinesis", "dead-letter limit", "commits", "open files", "source"]
)
def test_what_is_wrong_elsewhere_is_no_excuse(condition: str) -> None:
    worker = Worker(condition)
    worker.waiting_for = None
    after_s = ended_after_s(worker)
    assert after_s is not None
    assert after_s < 2 * STALL_S


@pytest.mark.parametrize("condition", ["fetching", "commits"])
def test_fetches_and_commits_that_fail_while_kafka_answers_end_in_time(condition: str) -> None:
    worker = Worker(condition)
    if condition == "commits":
        worker.standing = {condition: 1}
    after_s = ended_after_s(worker)
    assert after_s is not None
    assert LONG_S < after_s < LONG_S + STALL_S


def test_the_dead_letter_limit_is_a_persons_to_lift_and_is_a_condition() -> None:
    worker = Worker("dead-letter limit")
    worker.waiting_for = "dead-letter limit"
    assert ended_after_s(worker) is None
    assert CONDITION in worker.status.conditions


def test_an_outage_of_kafka_is_waited_for_however_long_and_what_comes_back_has_its_time() -> None:
    worker = Worker("kafka")
    worker.standing = {"kafka": 1, 7: 0, "calls": 0, "group": 0}
    assert ended_after_s(worker, kafka_is_away) is None
    looks = 0

    async def back_in_the_worst_moment() -> None:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise KafkaUnavailable("away")

    async def soon_after() -> None:
        await asyncio.sleep(3.15 * STALL_S)
        worker.standing, worker.to_do = {7: 1}, None
        worker.status.healthy("kafka")

    assert ended_after_s(worker, back_in_the_worst_moment, beside=soon_after) is None
    assert looks > 3


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("kafka", "Kafka answers a new connection, but no heartbeat of this member was answered for 12.5 s"),
        ("group", "the group is to be joined, and there was no progress for 12.5 s"),
        ("calls", "exports are ready, and no call to Kinesis was begun for 12.5 s"),
    ],
)
def test_what_is_no_partition_is_looked_at_by_itself(part: str, why: str) -> None:
    worker = Worker()
    worker.standing = {part: 0}
    assert ended_after_s(worker) is not None
    assert worker.stalled == why


def test_a_member_whose_id_another_has_does_not_take_it_back_by_being_started_anew() -> None:
    worker = Worker("instance id", "rebalancing")
    worker.standing = {"group": 0}
    assert ended_after_s(worker) is None
    assert not worker.status.is_ready


def test_a_member_that_the_group_refuses_is_waited_for_longer_and_not_for_ever() -> None:
    worker = Worker("group", "rebalancing")
    worker.standing = {"group": 0}
    refused_s = ended_after_s(worker)
    worker = Worker("rebalancing")
    worker.standing = {"group": 0}
    silent_s = ended_after_s(worker)
    assert refused_s is not None
    assert silent_s is not None
    assert refused_s > 4 * silent_s


@pytest.mark.parametrize("keeps", ["refused", "shard", "away"])
def test_what_kinesis_keeps_back_is_waited_for_and_is_a_condition(keeps: str) -> None:
    worker = Worker("kinesis")
    worker.waiting_for = "Kinesis"
    worker.is_refused, worker.is_kept_by_a_shard = keeps == "refused", keeps == "shard"
    assert ended_after_s(worker, kinesis=kinesis_is_away if keeps == "away" else answers) is None
    assert CONDITION in worker.status.conditions


@pytest.mark.parametrize("conditions", [(), ("kinesis",)])
def test_a_writer_that_gets_nowhere_while_kinesis_answers_others_is_ended_in_time(
    conditions: tuple[str, ...],
) -> None:
    worker = Worker(*conditions)
    worker.waiting_for = "Kinesis"
    after_s = ended_after_s(worker)
    assert after_s is not None
    assert LONG_S < after_s < LONG_S + STALL_S


@pytest.mark.parametrize("what", ["starting", "draining"])
def test_before_there_is_any_part_and_in_the_end_no_worker_is_ended(what: str) -> None:
    worker = Worker(what)
    if what == "starting":
        worker.standing = {}
    assert what in EXPECTED
    assert ended_after_s(worker) is None


def test_the_condition_of_a_partition_ends_when_that_goes_on() -> None:
    worker = Worker("dead-letter limit")
    worker.waiting_for = "dead-letter limit"
    seen: list[bool] = []

    async def lift() -> None:
        await asyncio.sleep(1.5 * STALL_S)
        seen.append(CONDITION in worker.status.conditions)
        worker.standing, worker.to_do = {7: 1}, None
        await asyncio.sleep(STALL_S)
        seen.append(CONDITION in worker.status.conditions)

    assert ended_after_s(worker, beside=lift) is None
    assert seen == [True, False]
