"""What is reported of backfills: by partition, of a worker, of all workers, and in the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from processor.telemetry.backfill_report import (
    Backfilling,
    BackfillReport,
    backfill_reports,
    backfilling,
    left_s,
    still_reported,
    still_s,
)
from processor.telemetry.backfills import Backfills, Begun, Cause, utc

CHANGED = Cause("f" * 32, "e" * 32, None)
ASKED_FOR = Cause("f" * 32, "f" * 32, "a-request")


def begun(offsets: int = 1_000, number: int = 7) -> Begun:
    return Begun(
        number=number, boundary=5_000, at_ms=1_790_000_000_000, source_begin=4_000, end=4_000 + offsets
    )


@dataclass
class Life:
    """The backfills of one worker, on a clock that stands until it is moved."""

    now_s: float = 100.0
    backfills: Backfills = field(init=False)

    def __post_init__(self) -> None:
        self.backfills = Backfills(lambda: self.now_s)

    def begin(self, partition: int, offsets: int = 1_000, cause: Cause = CHANGED) -> None:
        self.backfills.due(partition, cause, is_off=False)
        self.backfills.begin(partition, begun(offsets))

    def read_down_to(self, partition: int, down_to: int, *, took_s: float) -> None:
        self.now_s += took_s
        self.backfills.read(partition, down_to, events=10, size_bytes=400)

    @property
    def reports(self) -> list[BackfillReport]:
        return backfill_reports(self.backfills)

    def reported(self) -> Backfilling:
        found = backfilling([self.reports])
        assert found is not None
        return found


def test_a_backfill_goes_from_due_over_running_to_complete_and_is_forgotten_with_its_partition() -> None:
    life = Life()
    life.backfills.due(3, CHANGED, is_off=False)
    (report,) = life.reports
    assert (report.stage, report.share, report.remaining, report.offsets) == ("waiting", 0.0, None, None)
    life.backfills.begin(3, begun(1_000))
    life.read_down_to(3, 4_250, took_s=30)
    life.backfills.source_begins(3, 1_780_000_000_000)
    life.backfills.looked_at(3, 8, 5, Counter({"too-large": 1}), Counter({"No credit data": 2}))
    (report,) = life.reports
    assert (report.stage, report.share, report.remaining, report.offsets) == ("running", 0.75, 250, 1_000)
    assert (report.boundary, report.at_ms, report.running_s) == (5_000, 1_790_000_000_000, 30.0)
    assert (report.events, report.profiles, report.exported, report.refused) == (10, 8, 5, {"too-large": 1})
    life.backfills.unmet(3, 4)
    life.now_s += 10
    life.backfills.complete(3)
    life.now_s += 5
    (report,) = life.reports
    assert (report.stage, report.share, report.remaining, report.running_s) == ("complete", 1.0, 0, 40.0)
    assert (report.ended_s, report.unmet, report.source_from_ms) == (5.0, 4, 1_780_000_000_000)
    life.backfills.released(3)
    assert life.reports == []
    figures = life.backfills.figures
    assert (figures.begun, figures.completed, figures.read, figures.read_bytes) == (1, 1, 10, 400)
    assert (figures.profiles, figures.exported) == (8, 5)
    assert (figures.refused, figures.removed) == ({"too-large": 1}, {"No credit data": 2})


def test_what_is_reported_late_of_a_released_partition_counts_in_the_figures_alone() -> None:
    life = Life()
    life.begin(3)
    life.backfills.released(3)
    life.read_down_to(3, 4_500, took_s=1)
    life.backfills.looked_at(3, 8, 5, Counter(), Counter())
    life.backfills.source_begins(3, 1)
    life.backfills.unmet(3, 2)
    life.backfills.complete(3)
    life.backfills.begin(3, begun(number=8))
    assert life.reports == []
    figures = life.backfills.figures
    assert (figures.begun, figures.completed, figures.read, figures.profiles) == (1, 1, 10, 8)


def test_one_that_says_again_that_it_began_goes_on_where_it_was() -> None:
    life = Life()
    life.begin(3)
    life.read_down_to(3, 4_250, took_s=30)
    life.backfills.begin(3, begun())
    assert (life.reports[0].share, life.backfills.figures.begun) == (0.75, 1)


def test_a_partition_whose_source_is_empty_is_read_at_once() -> None:
    life = Life()
    life.begin(0, offsets=0)
    (report,) = life.reports
    assert (report.share, report.remaining) == (0.0, 0)
    life.backfills.complete(0)
    assert life.reports[0].share == 1.0


def test_what_is_left_is_worked_out_from_the_rate_so_far_with_those_that_wait_as_large_as_those_that_have_begun() -> (
    None
):
    life = Life()
    assert left_s(life.reports) == 0.0
    life.begin(0)
    life.backfills.due(1, CHANGED, is_off=False)
    assert left_s(life.reports) is None, "nothing was read yet"
    life.read_down_to(0, 4_500, took_s=50)
    assert left_s(life.reports) == 150.0, "500 offsets in 50 s; 500 are left of this one, 1,000 of the other"
    life.read_down_to(0, 4_000, took_s=50)
    life.backfills.complete(0)
    assert left_s(life.reports) == 100.0
    life.backfills.begin(1, begun(2_000))
    assert left_s(life.reports) == 200.0, "it turned out to be larger"


def test_those_that_nobody_has_begun_under_off_are_not_waited_for() -> None:
    life = Life()
    life.backfills.due(0, CHANGED, is_off=True)
    life.now_s += 7_200
    assert left_s(life.reports) == 0.0
    assert still_s(life.reports) == 0.0
    assert life.reported().partitions == {"off": 1, "waiting": 0, "running": 0, "complete": 0}
    assert life.reported().share == 0.0


def test_a_worker_stands_still_since_any_of_its_backfills_went_on() -> None:
    life = Life()
    life.begin(0)
    life.backfills.due(1, CHANGED, is_off=False)
    life.now_s += 600
    assert still_s(life.reports) == 600.0
    life.read_down_to(0, 4_900, took_s=60)
    life.now_s += 5
    assert still_s(life.reports) == 5.0, "the other waits for its turn"
    life.backfills.looked_at(0, 1, 0, Counter(), Counter())
    assert still_s(life.reports) == 0.0
    life.backfills.complete(0)
    life.now_s += 900
    assert still_s(life.reports) == 900.0, "the other's turn never came"
    life.backfills.released(1)
    assert still_s(life.reports) == 0.0


def test_all_workers_together_are_as_far_as_their_partitions_and_end_with_the_slowest() -> None:
    fast, slow, idle = Life(), Life(), Life()
    fast.begin(0)
    fast.read_down_to(0, 4_000, took_s=10)
    fast.backfills.source_begins(0, 2_000)
    fast.backfills.unmet(0, 3)
    fast.backfills.complete(0)
    slow.begin(1)
    slow.read_down_to(1, 4_500, took_s=40)
    slow.backfills.source_begins(1, 1_000)
    slow.backfills.looked_at(1, 9, 2, Counter({"bad-json": 2}), Counter())
    found = backfilling([fast.reports, slow.reports, idle.reports])
    assert found is not None
    assert found.partitions == {"off": 0, "waiting": 0, "running": 1, "complete": 1}
    assert (found.share, found.left_s) == (0.75, 40.0)
    assert (found.events, found.profiles, found.exported, found.refused) == (20, 9, 2, {"bad-json": 2})
    assert (found.unmet, found.source_from_ms) == (3, 2_000)
    assert found.causes == [("f" * 32, "e" * 32, None)]


def test_how_long_it_takes_is_not_known_while_one_worker_does_not_know_it() -> None:
    one, other = Life(), Life()
    one.begin(0)
    one.read_down_to(0, 4_500, took_s=40)
    other.begin(1)
    found = backfilling([one.reports, other.reports])
    assert found is not None
    assert found.left_s is None


def test_what_has_ended_is_reported_of_for_an_hour() -> None:
    life = Life()
    assert backfilling([life.reports]) is None, "there is none"
    life.begin(0, cause=ASKED_FOR)
    life.backfills.complete(0)
    assert life.reported().causes == [("f" * 32, "f" * 32, "a-request")]
    life.backfills.due(1, CHANGED, is_off=True)
    assert life.reported().causes == [("f" * 32, "e" * 32, None)], (
        "why the one that is complete was due is no matter now"
    )
    life.now_s += 3_600
    assert len(still_reported(life.reports)) == 2
    life.now_s += 1
    (left,) = still_reported(life.reports)
    assert left.partition == 1, "it is due, however long ago that was found"


def test_the_log_says_what_is_due_and_why_when_it_began_and_what_came_of_it() -> None:
    life = Life()
    with capture_logs() as lines:
        life.begin(3)
        life.read_down_to(3, 4_000, took_s=20)
        life.backfills.source_begins(3, 1_780_000_000_000)
        life.backfills.looked_at(3, 8, 5, Counter({"too-large": 1}), Counter())
        life.backfills.unmet(3, 4)
        life.backfills.complete(3)
    why = {"because": "the configuration has changed", "fingerprint": "f" * 32, "former": "e" * 32}
    assert lines[0] == {"event": "a backfill is due", "log_level": "info", "partition": 3, **why}
    assert lines[1] == {
        "event": "a backfill has begun",
        "log_level": "info",
        "partition": 3,
        **why,
        "number": 7,
        "boundary": 5_000,
        "at": "2026-09-21T14:13:20Z",
        "offsets_to_read": 1_000,
    }
    assert lines[2] == {
        "event": "a backfill is complete",
        "log_level": "info",
        "partition": 3,
        "fingerprint": "f" * 32,
        "took_s": 20.0,
        "events": 10,
        "events_per_s": 0.5,
        "profiles": 8,
        "exported": 5,
        "refused": {"too-large": 1},
        "source_from": "2026-05-28T20:26:40Z",
        "unmet": 4,
    }


def test_under_off_it_is_warned_of_once_for_all_partitions_with_both_fingerprints() -> None:
    life = Life()
    with capture_logs() as lines:
        life.backfills.due(3, CHANGED, is_off=True)
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert "PROCESSOR_BACKFILL=off" in warning["event"]
    assert (warning["fingerprint"], warning["former"]) == ("f" * 32, "e" * 32)
    assert "partition" not in warning, "the log holds back what says the same of the others"


def test_a_request_is_named_in_the_log() -> None:
    with capture_logs() as lines:
        Life().begin(3, cause=ASKED_FOR)
    assert {line["because"] for line in lines} == {"it was asked for"}
    assert {line["request"] for line in lines} == {"a-request"}


def test_a_time_outside_all_calendars_is_reported_as_its_number() -> None:
    assert utc(0) == "1970-01-01T00:00:00Z"
    assert utc(10**17) == "100000000000000000"
