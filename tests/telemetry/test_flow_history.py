"""Rates of the last hour are what flowed, whatever becomes of workers meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.telemetry.flow_history import POINTS_MAX, FlowHistory, Point
from processor.telemetry.report import Fleet, Observation
from processor.telemetry.samples import Sheet
from tests.support.reports import report

if TYPE_CHECKING:
    from processor.telemetry.report import Report

EVERY_S = 15.0


def worker(number: int = 0, pid: int = 1, age_s: float = 1_000.0, **totals: float) -> Report:
    """Each process began at a moment of its own, so that two lives with one pid would be told apart."""
    return report(worker=number, pid=pid, started_at=pid * 5_000.0, at=pid * 5_000.0 + age_s, totals=totals)


def fleet(*reports: Report, silent: dict[int, str] | None = None) -> Fleet:
    return Fleet([Observation(each, Sheet().samples) for each in reports], silent or {})


def looked_at(*fleets: Fleet) -> list[Point]:
    """The points of looks at these fleets, each `EVERY_S` after the one before."""
    history = FlowHistory()
    for number, each in enumerate(fleets):
        history.look(100.0 + number * EVERY_S, number, each)
    return history.points


def received(*fleets: Fleet) -> list[float]:
    return [each.received for each in looked_at(*fleets)]


def test_between_two_looks_is_a_point_of_all_workers_together() -> None:
    points = looked_at(
        fleet(worker(0, received=100.0, exported=50.0), worker(1, received=10.0)),
        fleet(
            worker(0, received=250.0, exported=80.0, stored=30.0, deadLettered=3.0),
            worker(1, received=25.0, stored=15.0),
        ),
    )
    assert points == [Point(1, received=11.0, exported=2.0, stored=3.0, dead_lettered=0.2)]


def test_before_the_second_look_there_is_none() -> None:
    assert received() == received(fleet(worker(received=1_000_000.0))) == []


def test_a_worker_that_is_started_anew_is_no_leap_up_or_down() -> None:
    assert received(
        fleet(worker(pid=1, received=900_000.0)),
        fleet(worker(pid=1, received=900_150.0)),
        fleet(silent={0: "it is being started"}),
        fleet(worker(pid=2, age_s=10.0, received=150.0)),
        fleet(worker(pid=2, age_s=25.0, received=300.0)),
    ) == [10.0, 10.0, 10.0]


def test_one_that_was_silent_while_others_were_not_is_no_leap_once_it_answers_again() -> None:
    one, other = worker(0, received=0.0), worker(1, received=0.0)
    assert received(
        fleet(one, other),
        fleet(worker(0, received=150.0), silent={1: "it does not answer within 2 s"}),
        fleet(worker(0, received=300.0), silent={1: "it does not answer within 2 s"}),
        fleet(worker(0, received=450.0), worker(1, received=450.0)),
    ) == [10.0, 10.0, 20.0]


def test_one_that_has_worked_for_long_when_it_first_answers_is_no_leap() -> None:
    assert received(
        fleet(silent={0: "it is being started"}), fleet(worker(age_s=600.0, received=6_000.0))
    ) == [10.0]


def test_where_none_is_to_run_nothing_flows_and_where_none_answers_it_is_not_known() -> None:
    assert received(fleet(), fleet(), fleet(silent={0: "it is being started"}), fleet()) == [0.0, 0.0]


def test_a_worker_that_is_gone_for_good_and_comes_again_begins_anew() -> None:
    assert received(
        fleet(worker(pid=1, received=900.0)), fleet(), fleet(worker(pid=1, age_s=2_000.0, received=900.0))
    ) == pytest.approx([0.0, 0.45])


def test_an_hour_of_points_is_kept() -> None:
    points = looked_at(*[fleet(worker(received=float(number))) for number in range(POINTS_MAX + 10)])
    assert [each.at_ms for each in points] == list(range(10, POINTS_MAX + 10))
    assert POINTS_MAX * EVERY_S == 3600
