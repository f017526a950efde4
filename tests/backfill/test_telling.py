"""What a worker tells of its backfills, and when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from processor.backfill.messages import Told
from processor.backfill.note import BackfillNote
from processor.backfill.telling import TOLD_EVERY_S, Telling
from processor.telemetry.backfills import Backfills, Begun, Cause
from tests.backfill.parts import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

CAUSE = Cause("new", "old", "id")


class World:
    """A worker's backfills, what it tells of them, and the topic that all of it goes to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.backfills = Backfills(self.clock)
        self.notes: dict[int, BackfillNote] = {}
        self.telling = Telling(self.backfills, lambda: self.notes, "worker-0", lambda: 7.0)
        self.topic: dict[int, Told] = {}

    def tell(self) -> Mapping[int, Told]:
        due = self.telling.due(self.topic)
        self.topic |= due
        self.telling.told(due)
        return due

    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds

    def begin(self, number: int = 3) -> None:
        self.backfills.due(0, CAUSE, is_off=False)
        self.backfills.begin(0, Begun(number, 100, 5_000, 0, 100))


def test_where_nothing_is_due_nothing_is_told() -> None:
    assert World().tell() == {}


def test_every_stage_is_told_at_once_and_once() -> None:
    world = World()
    world.backfills.due(0, CAUSE, is_off=True)
    told = [world.tell(), world.tell()]
    world.backfills.due(0, CAUSE, is_off=False)
    told += [world.tell(), world.tell()]
    world.begin()
    told += [world.tell(), world.tell()]
    world.backfills.complete(0)
    told += [world.tell(), world.tell()]
    stages = [{partition: each.stage for partition, each in due.items()} for due in told]
    assert stages == [{0: "off"}, {}, {0: "waiting"}, {}, {0: "running"}, {}, {0: "complete"}, {}]


def test_what_runs_is_told_every_ten_seconds_with_how_far_it_is() -> None:
    world = World()
    world.begin()
    world.tell()
    world.backfills.read(0, 60, 40, 4_000)
    world.backfills.source_begins(0, 1_234)
    world.backfills.looked_at(0, 30, 5, Counter({"bad-json": 2}), Counter())
    world.pass_time(TOLD_EVERY_S - 0.1)
    assert world.tell() == {}
    world.pass_time(0.1)
    (told,) = world.tell().values()
    assert told == Told(
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


def test_what_is_complete_is_told_no_more_but_where_there_is_more_to_say() -> None:
    world = World()
    world.begin()
    world.backfills.complete(0)
    world.tell()
    world.pass_time(3_600)
    assert world.tell() == {}
    world.backfills.unmet(0, 12)
    assert world.tell()[0].unmet == 12


def test_what_could_not_be_told_is_still_due() -> None:
    world = World()
    world.begin()
    assert world.telling.due(world.topic) == world.telling.due(world.topic) != {}


def test_the_request_that_was_heeded_before_is_told_on_where_a_change_makes_one_due() -> None:
    world = World()
    world.notes[0] = BackfillNote(3, "new", False, former="old", request="before")
    world.backfills.due(0, Cause("new", "old", None), is_off=False)
    assert world.tell()[0].request == "before"


@pytest.mark.parametrize(
    "last",
    [
        None,
        Told("complete", "old", 1, request="before", number=9, begun_at_ms=1),
        Told("complete", "new", 1, number=9, begun_at_ms=1),
        Told("running", "new", 1, request="before", number=9, begun_at_ms=1),
    ],
)
def test_that_a_state_is_complete_is_told_where_nobody_has_told_it(last: Told | None) -> None:
    world = World()
    world.topic = {} if last is None else {0: last}
    world.notes[0] = BackfillNote(0, "new", True, request="before")
    assert world.tell() == {0: Told("complete", "new", 7_000, "worker-0", request="before", share=1.0)}
    world.pass_time(TOLD_EVERY_S)
    assert world.tell() == {}


def test_what_the_former_owner_told_of_a_complete_state_stays() -> None:
    world = World()
    world.topic[0] = Told("complete", "new", 1, request="before", number=9, profiles=70, unmet=3)
    world.notes[0] = BackfillNote(9, "new", True, former="old", request="before")
    assert world.tell() == {}


def test_what_is_not_complete_is_told_once_it_is_known_how_far_it_is() -> None:
    world = World()
    world.notes[0] = BackfillNote(2, "new", False, former="old")
    assert world.tell() == {}


def test_of_a_partition_that_is_another_s_nothing_is_told_and_when_it_comes_back_all_is() -> None:
    world = World()
    world.begin()
    world.tell()
    world.backfills.released(0)
    world.pass_time(TOLD_EVERY_S)
    assert world.tell() == {}
    world.begin(number=5)
    assert world.tell()[0].number == 5


def test_what_a_member_told_late_that_had_lost_the_partition_is_not_the_last_word() -> None:
    world = World()
    world.begin()
    world.backfills.complete(0)
    (told,) = world.tell().values()
    world.topic[0] = Told("waiting", "older", 9_000)
    assert world.tell() == {}, "at the pace at which all is told"
    world.pass_time(TOLD_EVERY_S)
    assert world.tell() == {0: told}
    world.pass_time(TOLD_EVERY_S)
    assert world.tell() == {}


def test_a_member_that_has_lost_the_partition_and_does_not_know_it_is_silent_once_the_next_was_heard() -> (
    None
):
    world = World()
    world.begin(number=3)
    world.tell()
    world.topic[0] = Told("running", "new", 9_000, number=4, begun_at_ms=6_000)
    world.pass_time(TOLD_EVERY_S)
    assert world.tell() == {}
    world.backfills.complete(0)
    assert world.tell() == {}
