"""What a worker reports of its backfills, and when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from processor.backfill.messages import Reported
from processor.backfill.note import BackfillNote
from processor.backfill.reporting import REPORTED_EVERY_S, Reporting
from processor.telemetry.backfills import Backfills, Begun, Cause
from tests.backfill.parts import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

CAUSE = Cause("new", "old", "id")


class World:
    """A worker's backfills, what it reports of them, and the topic that all of it goes to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.backfills = Backfills(self.clock)
        self.notes: dict[int, BackfillNote] = {}
        self.reporting = Reporting(self.backfills, lambda: self.notes, "worker-0", lambda: 7.0)
        self.topic: dict[int, Reported] = {}

    def report(self) -> Mapping[int, Reported]:
        due = self.reporting.due(self.topic)
        self.topic |= due
        self.reporting.reported(due)
        return due

    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds

    def begin(self, number: int = 3) -> None:
        self.backfills.due(0, CAUSE, is_off=False)
        self.backfills.begin(0, Begun(number, 100, 5_000, 0, 100))


def test_where_nothing_is_due_nothing_is_reported() -> None:
    assert World().report() == {}


def test_every_stage_is_reported_at_once_and_once() -> None:
    world = World()
    world.backfills.due(0, CAUSE, is_off=True)
    reported = [world.report(), world.report()]
    world.backfills.due(0, CAUSE, is_off=False)
    reported += [world.report(), world.report()]
    world.begin()
    reported += [world.report(), world.report()]
    world.backfills.complete(0)
    reported += [world.report(), world.report()]
    stages = [{partition: each.stage for partition, each in due.items()} for due in reported]
    assert stages == [{0: "off"}, {}, {0: "waiting"}, {}, {0: "running"}, {}, {0: "complete"}, {}]


def test_what_runs_is_reported_every_ten_seconds_with_how_far_it_is() -> None:
    world = World()
    world.begin()
    world.report()
    world.backfills.read(0, 60, 40, 4_000)
    world.backfills.source_begins(0, 1_234)
    world.backfills.looked_at(0, 30, 5, Counter({"bad-json": 2}), Counter())
    world.pass_time(REPORTED_EVERY_S - 0.1)
    assert world.report() == {}
    world.pass_time(0.1)
    (reported,) = world.report().values()
    assert reported == Reported(
        "running",
        "new",
        7_000,
        "worker-0",
        "old",
        "id",
        number=3,
        boundary=100,
        begun_at_ms=5_000,
        share=0.4,
        profiles=30,
        exported=5,
        refused={"bad-json": 2},
        source_from_ms=1_234,
        left_s=15.0,
    )


def test_what_is_complete_is_reported_no_more_but_where_there_is_more_to_say() -> None:
    world = World()
    world.begin()
    world.backfills.complete(0)
    world.report()
    world.pass_time(3_600)
    assert world.report() == {}
    world.backfills.unmet(0, 12)
    assert world.report()[0].unmet == 12


def test_what_could_not_be_reported_is_still_due() -> None:
    world = World()
    world.begin()
    assert world.reporting.due(world.topic) == world.reporting.due(world.topic) != {}


def test_the_request_that_was_heeded_before_is_reported_on_where_a_change_makes_one_due() -> None:
    world = World()
    world.notes[0] = BackfillNote(3, "new", False, former="old", request="before")
    world.backfills.due(0, Cause("new", "old", None), is_off=False)
    assert world.report()[0].request == "before"


@pytest.mark.parametrize(
    "last",
    [
        None,
        Reported("complete", "old", 1, request="before", number=9, begun_at_ms=1),
        Reported("complete", "new", 1, number=9, begun_at_ms=1),
        Reported("running", "new", 1, request="before", number=9, begun_at_ms=1),
    ],
)
def test_that_a_state_is_complete_is_reported_where_nobody_has_reported_it(last: Reported | None) -> None:
    world = World()
    world.topic = {} if last is None else {0: last}
    world.notes[0] = BackfillNote(0, "new", True, request="before")
    assert world.report() == {0: Reported("complete", "new", 7_000, "worker-0", request="before", share=1.0)}
    world.pass_time(REPORTED_EVERY_S)
    assert world.report() == {}


def test_what_the_former_owner_reported_of_a_complete_state_stays() -> None:
    world = World()
    world.topic[0] = Reported("complete", "new", 1, request="before", number=9, profiles=70, unmet=3)
    world.notes[0] = BackfillNote(9, "new", True, former="old", request="before")
    assert world.report() == {}


def test_what_is_not_complete_is_reported_once_it_is_known_how_far_it_is() -> None:
    world = World()
    world.notes[0] = BackfillNote(2, "new", False, former="old")
    assert world.report() == {}


def test_of_a_partition_that_is_another_s_nothing_is_reported_and_when_it_comes_back_all_is() -> None:
    world = World()
    world.begin()
    world.report()
    world.backfills.released(0)
    world.pass_time(REPORTED_EVERY_S)
    assert world.report() == {}
    world.begin(number=5)
    assert world.report()[0].number == 5


def test_what_a_member_reported_late_that_had_lost_the_partition_is_not_the_last_word() -> None:
    world = World()
    world.begin()
    world.backfills.complete(0)
    (reported,) = world.report().values()
    world.topic[0] = Reported("waiting", "older", 9_000)
    assert world.report() == {}, "at the pace at which all is reported"
    world.pass_time(REPORTED_EVERY_S)
    assert world.report() == {0: reported}
    world.pass_time(REPORTED_EVERY_S)
    assert world.report() == {}


def test_a_member_that_has_lost_the_partition_and_does_not_know_it_is_silent_once_the_next_was_heard() -> (
    None
):
    world = World()
    world.begin(number=3)
    world.report()
    world.topic[0] = Reported("running", "new", 9_000, number=4, begun_at_ms=6_000)
    world.pass_time(REPORTED_EVERY_S)
    assert world.report() == {}
    world.backfills.complete(0)
    assert world.report() == {}
