"""What is told of a night."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks.report import RESULTS
from tests.night.__main__ import RECORDED
from tests.night.alerts import quickened
from tests.night.incidents import INCIDENTS
from tests.night.ledger import Verdict
from tests.night.recording import Fired, case_of, reproduced, written
from tests.night.report import PAGE, Night, Row, from_figures, summary, table, with_table
from tests.support.deploy_files import DEPLOY, load
from tests.support.needs import program
from tests.support.rules import ALERTS

_ROW = Row(
    at_s=61.4,
    what="`kill -9` of one worker",
    lasted_s=0.0,
    healthy_s=4.4,
    repeated=3,
    repeats_for="it ended",
    alerts=(("ProcessorRestarts", 47.2),),
)
_NIGHT = Night(
    seed=1,
    minutes=60.2,
    events=1000,
    exports=900,
    repeated=3,
    verdict=Verdict(0, 0, 0, 0, 0),
    rows=(_ROW,),
    left_out=(),
    troubles=(),
)


def test_a_row_says_what_was_done_and_what_came_of_it() -> None:
    assert table([_ROW, replace(_ROW, repeated=0, alerts=())]).splitlines()[2:] == [
        "| 1:01 | `kill -9` of one worker | 0 s | 4 s | 3: it ended | ProcessorRestarts after 47 s |",
        "| 1:01 | `kill -9` of one worker | 0 s | 4 s | 0 | none |",
    ]


@pytest.mark.parametrize(
    "night",
    [
        replace(_NIGHT, verdict=Verdict(1, 0, 0, 0, 0)),
        replace(_NIGHT, verdict=Verdict(0, 0, 0, 0, 1)),
        replace(_NIGHT, troubles=("an alert did not fire",)),
    ],
)
def test_a_night_in_which_something_is_wrong_is_not_good(night: Night) -> None:
    assert _NIGHT.is_good
    assert not night.is_good


def test_what_is_wrong_is_said() -> None:
    told = summary(replace(_NIGHT, troubles=("an alert did not fire",), left_out=("a full disk",)))
    assert "0 lost, 0 invented, 0 out of order, 3 repeated" in told
    assert "WRONG: an alert did not fire." in told
    assert "Left out: a full disk." in told


def test_a_night_is_kept_whole() -> None:
    assert from_figures(json.loads(json.dumps(asdict(_NIGHT)))) == _NIGHT


def test_the_page_has_the_table_of_the_night_that_was_kept() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page, (RESULTS / "night.json").read_text(encoding="utf-8")) == page, (
        "make night NIGHT_OPTIONS=--keep"
    )


def test_the_night_that_was_kept_is_good_and_had_every_incident() -> None:
    kept = from_figures(json.loads((RESULTS / "night.json").read_text(encoding="utf-8"))["figures"])
    assert kept.is_good
    assert {row.what for row in kept.rows} | set(kept.left_out) == {each.what for each in INCIDENTS}


def test_alerts_that_incidents_must_have_fire_exist() -> None:
    assert {each.alert for each in INCIDENTS if each.alert} <= set(ALERTS)


def test_spans_of_rules_are_a_tenth_and_nothing_else_changes() -> None:
    text = "record: a:rate5m\nexpr: rate(b[5m]) / c offset 15m > 300\nfor: 10m\n"
    assert quickened(text) == "record: a:rate5m\nexpr: rate(b[30s]) / c offset 90s > 300\nfor: 60s\n"
    assert "for: 10m" not in quickened((DEPLOY / "prometheus" / "rules.yaml").read_text())


class _Prometheus:
    """Two series of one metric, the second of which ends."""

    def range(self, query: str, begin_s: int, end_s: int, step_s: int) -> list[dict[str, Any]]:
        assert query == "processor_worker_up"
        whole = [[at_s, "0"] for at_s in range(begin_s, end_s + 1, step_s)]
        return [
            {"metric": {"__name__": query, "worker": worker}, "values": values}
            for worker, values in (("0", whole), ("1", whole[:2]))
        ]


def test_the_series_behind_an_alert_are_written_ten_times_as_slow() -> None:
    alert = {
        "labels": {"alertname": "ProcessorWorkerDown", "severity": "warning"},
        "annotations": {"summary": "down"},
    }
    test = case_of(Fired("ProcessorWorkerDown", 1_000_000, (alert,)), _Prometheus(), 10)  # type: ignore[arg-type]
    assert test["interval"] == "10s"
    assert [each["series"] for each in test["input_series"]] == [
        'processor_worker_up{worker="0"}',
        'processor_worker_up{worker="1"}',
    ]
    assert test["input_series"][0]["values"].split() == ["0"] * 241
    assert test["input_series"][1]["values"].split()[:5] == ["0", "0", "stale", "_", "_"]
    (expected,) = test["alert_rule_test"]
    assert expected["eval_time"] == "2400s"
    assert expected["exp_alerts"] == [
        {"exp_labels": {"severity": "warning"}, "exp_annotations": {"summary": "down"}}
    ]
    assert "processor_worker_up" in written([test], "rules.yaml")


@pytest.mark.needs("promtool")
def test_series_on_which_promtool_finds_no_alert_are_left_out() -> None:
    recorded = load(RECORDED)["tests"][:2]
    series = recorded[1]["input_series"]
    quiet = {**recorded[1], "input_series": [{**each, "values": "0"} for each in series]}
    rules = DEPLOY / "prometheus" / "rules.yaml"
    assert reproduced([recorded[0], quiet], rules, program("promtool")) == recorded[:1]
