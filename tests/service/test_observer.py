"""What is reported of a worker, from before it is connected, and which files it follows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from processor.configuration import Files
from processor.configuration.plan import plan_of
from processor.kinesis.writer import Writer
from processor.service.figures_log import FiguresLog
from processor.service.observer import Observer
from processor.service.reload import Changes, follow_changes, log_refused
from processor.settings import load_settings
from processor.telemetry import metrics
from processor.telemetry.backfills import Begun, Cause
from processor.telemetry.exposition import exposition
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from tests.support.scrape import parsed, unaccounted
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from processor.governance.destination import Connection
    from processor.profile.core import Core
    from processor.worker.pipeline import Pipeline

SETTINGS = load_settings(
    {
        "PROCESSOR_KAFKA_SERVERS": "k:9092",
        "PROCESSOR_KAFKA_TOPIC": "profiles",
        "PROCESSOR_KAFKA_GROUP": "exports",
    }
)
DESTINATION = """\
name: {name}
connection: {{region: eu-west-1, accessKeyId: {key}, secretKey: s}}
stream: profile-exports
marketingActions: [exportToThirdParty]
segments: [{{id: one}}]
"""


def files(name: str = "First", key: str = "k1") -> Files:
    return Files((DESTINATION.format(name=name, key=key), "destination.yaml"), None, [])


WRONG = Files(("name: 5\n", "destination.yaml"), None, [])


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def observer(status: Status) -> Observer:
    writer = Writer(cast("Any", object()), SETTINGS.kinesis, random.Random(0), Fence(lambda: 0.0, 1.0))
    return Observer(3, SETTINGS, plan_of(files()), status, writer)


def series(observer: Observer, name: str) -> float:
    scrape = parsed(exposition({"3": observer.observe().samples}).decode())
    return next(value for (each, _), value in scrape.items() if each == name)


def test_a_worker_that_is_not_connected_yet_is_reported(observer: Observer, status: Status) -> None:
    status.assigned(7)
    status.restoring(7, 10, 40)
    report = observer.observe().report
    assert (report.worker, report.topic, report.group) == (3, "profiles", "exports")
    assert report.destination.name == "First"
    assert not report.is_ready
    assert set(report.conditions) == {"starting", "restoring"}
    (partition,) = report.partitions
    assert (partition.partition, partition.restored, partition.restore_goal) == (7, 10, 40)
    assert partition.lag_records is None
    assert report.flow.in_flight_limit_bytes == SETTINGS.service.in_flight_bytes
    assert [shard.shard for shard in report.shards] == [""], "they are not known yet"
    assert report.rates == {}


def test_samples_are_of_the_same_moment_and_add_up(observer: Observer, status: Status) -> None:
    status.received(5, 100)
    status.abandoned(2)
    found = observer.observe()
    assert found.report.flow.in_flight == 3
    assert unaccounted(parsed(exposition({"3": found.samples}).decode())) == {"3": 0.0}
    assert set(found.samples) <= set(metrics.METRICS)


def test_a_stall_is_reported_once_the_watchdog_reports_it(observer: Observer) -> None:
    assert observer.observe().report.stalled is None
    observer.report_stalled("no progress")
    assert observer.observe().report.stalled == "no progress"


def test_rates_are_of_what_was_counted_between_two_looks(observer: Observer, status: Status) -> None:
    async def world() -> None:
        looking = asyncio.create_task(observer.run())
        await asyncio.sleep(0.5)
        status.received(5)
        assert observer.observe().report.rates == {}
        await asyncio.sleep(1)
        assert observer.observe().report.rates["received"] > 0
        looking.cancel()
        await asyncio.wait([looking])

    run_in_virtual_time(world())


def test_problems_of_files_are_reported_and_the_former_plan_goes_on(observer: Observer) -> None:
    before = observer.plan
    with capture_logs() as lines:
        log_refused(["line 1: it is wrong", "line 2: so is this"], observer)
    assert [line["problem"] for line in lines] == ["line 1: it is wrong", "line 2: so is this"]
    assert observer.plan is before
    report = observer.observe().report
    assert report.destination.name == "First"
    assert report.destination.problems == ["line 1: it is wrong", "line 2: so is this"]
    assert series(observer, "processor_configuration_problems") == 2


class Following:
    """A pipeline that is connected: the cores that it was given, and how often it was to let dead letters through."""

    def __init__(self) -> None:
        self.cores: list[Core] = []
        self.let_through_count = 0

    def follow(self, core: Core) -> None:
        self.cores.append(core)

    def let_through(self) -> None:
        self.let_through_count += 1


async def test_changed_files_are_taken_or_refused_whole_and_of_several_the_newest(
    observer: Observer, status: Status
) -> None:
    changes, used, pipeline = Changes(), list["Connection"](), Following()
    following = asyncio.create_task(follow_changes(changes, observer, status, used.append))

    async def until_reloaded(taken: int, refused: int) -> None:
        while (status.figures.reloads["taken"], status.figures.reloads["refused"]) != (taken, refused):
            await asyncio.sleep(0.01)

    changes.offer(files("Not taken", "k1"))
    changes.offer(files("Second", "k2"))
    await until_reloaded(1, 0)
    assert observer.plan.destination.name == "Second"
    assert used == [observer.plan.destination.connection]
    changes.offer(WRONG)
    await until_reloaded(1, 1)
    assert observer.plan.destination.name == "Second"
    assert observer.observe().report.destination.problems
    observer.follow(cast("Pipeline", pipeline))
    changes.offer(files("Third", "k3"))
    await until_reloaded(2, 1)
    assert [len(pipeline.cores), pipeline.let_through_count] == [1, 1]
    assert observer.plan.destination.name == "Third"
    following.cancel()
    await asyncio.wait([following])


def test_a_backfill_is_in_the_report_in_the_samples_and_in_the_log_while_it_goes_on(
    observer: Observer, status: Status
) -> None:
    figures = FiguresLog(observer, interval_s=1.0)
    backfills = status.backfills
    assert figures.figures()["backfills_due"] == 0
    for stage in ("off", "waiting", "running", "complete"):
        assert stage_of(observer, stage) == 0
    backfills.due(1, Cause("f" * 32, "e" * 32, None), is_off=False)
    backfills.begin(1, Begun(number=2, boundary=100, at_ms=0, source_begin=0, end=100))
    backfills.read(1, down_to=40, events=30, size_bytes=3_000)
    backfills.looked_at(1, 20, 10, Counter({"too-large": 2}), Counter({"No credit data": 3}))
    backfills.hold(500)
    (report,) = observer.observe().report.backfills
    assert (report.partition, report.stage, report.share) == (1, "running", 0.6)
    assert stage_of(observer, "running") == 1
    for name, value in (
        ("remaining_offsets", 40),
        ("events_read_total", 30),
        ("read_bytes_total", 3_000),
        ("profiles_total", 20),
        ("exported_total", 10),
        ("refused_total", 2),
        ("items_removed_total", 3),
        ("held_bytes", 500),
    ):
        assert series(observer, f"processor_backfill_{name}") == value
    assert series(observer, "processor_backfills_begun_total") == 1
    assert unaccounted(parsed(exposition({"3": observer.observe().samples}).decode())) == {"3": 0.0}

    async def logged() -> list[dict[str, Any]]:
        with capture_logs() as lines:
            logging = asyncio.create_task(figures.run())
            await asyncio.sleep(2.5)
            backfills.complete(1)
            await asyncio.sleep(2)
            logging.cancel()
            await asyncio.wait([logging])
        return [dict(line) for line in lines if line["event"] == "backfills"]

    first, second = run_in_virtual_time(logged())
    for line in (first, second):
        assert (line["share"], line["running"], line["remaining_offsets"]) == (0.6, [1], 40)
        assert (line["profiles"], line["exported"], line["refused"]) == (20, 10, {"too-large": 2})
    found = figures.figures()
    assert (found["backfills_due"], found["backfill_exported"], found["exported"]) == (0, 10, 0)
    assert series(observer, "processor_backfills_completed_total") == 1


def stage_of(observer: Observer, stage: str) -> float:
    scrape = parsed(exposition({"3": observer.observe().samples}).decode())
    return scrape["processor_backfill_partitions", frozenset({("worker", "3"), ("stage", stage)})]
