"""The rules: as promtool sees them, and that none is without a test, a section of the run-book, or a metric."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from processor.telemetry.metrics import TARGET_LABELS
from tests.support.deploy_files import DEPLOY, ROOT, load
from tests.support.needs import program
from tests.support.rules import ALERTS, ALL, RECORDED, RULES, anchors, exposed, names_in

TESTS: Final = DEPLOY / "prometheus" / "rules.test.yaml"
SEEN: Final = Path(__file__).with_name("recorded.test.yaml")
"""What a night recorded: series on which alerts did fire."""
KEPT: Final = {"namespace", "job", *TARGET_LABELS}
ONE: Final = {"group": "one", "topic": "changes", "stream": "exports"}
ANOTHER: Final = {"group": "another", "topic": "changes", "stream": "more-exports"}


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "arguments", [("check", "rules", str(RULES)), ("test", "rules", str(TESTS)), ("test", "rules", str(SEEN))]
)
def test_promtool_takes_the_rules_and_their_tests(arguments: tuple[str, ...]) -> None:
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def told_apart() -> dict[str, Any]:
    """The tests of rules once more, each with two deployments under one job: one in trouble, and one that is well."""
    loaded = load(TESTS)
    cases = {
        (bool(each["alert_rule_test"][0]["exp_alerts"]), each["name"].split()[0]): each
        for each in loaded["tests"]
    }
    tests = []
    for (in_trouble, name), case in cases.items():
        check = case["alert_rule_test"][0]
        if not in_trouble or not all("job" in alert["exp_labels"] for alert in check["exp_alerts"]):
            continue
        alerts = [{**alert, "exp_labels": {**alert["exp_labels"], **ONE}} for alert in check["exp_alerts"]]
        tests.append(
            {
                **case,
                "name": f"{name} of one deployment beside another",
                "input_series": [*of(ONE, case), *of(ANOTHER, cases[False, name])],
                "alert_rule_test": [{**check, "exp_alerts": alerts}],
            }
        )
    return {**loaded, "rule_files": [str(RULES)], "tests": tests}


def of(labels: dict[str, str], case: dict[str, Any]) -> list[dict[str, Any]]:
    """The series of a test, of one deployment."""
    shared = "{" + "".join(f'{name}="{value}", ' for name, value in labels.items())
    return [{**each, "series": each["series"].replace("{", shared, 1)} for each in case["input_series"]]


@pytest.mark.needs("promtool")
def test_of_two_deployments_on_one_prometheus_the_one_in_trouble_is_named_and_the_other_left_alone(
    tmp_path: Path,
) -> None:
    tests = told_apart()
    named = {each["name"].split()[0] for each in tests["tests"]}
    assert set(ALERTS) - named == {"ProcessorAbsent"}, "which has a test of its own"
    (tmp_path / "apart.yaml").write_text(yaml.safe_dump(tests))
    command = [program("promtool"), "test", "rules", str(tmp_path / "apart.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_what_adds_series_up_keeps_the_labels_of_a_deployment(rule: dict[str, Any]) -> None:
    query = rule["expr"]
    summed = re.findall(r"\b(?:sum|max|min|avg|count|group|topk|quantile)\b\s*(by \([^)]*\)|\()", query)
    kept = [*summed, *re.findall(r"\bon\b\s*(\([^)]*\))", query)]
    for labels in kept:
        assert set(re.findall(r"\w+", labels)) >= KEPT, f"write by ({', '.join(sorted(KEPT))}, …): {query}"
    assert "without" not in query
    assert "ignoring" not in query


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_keep_quiet(name: str) -> None:
    seen = {
        bool(case["exp_alerts"])
        for test in load(TESTS)["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    }
    assert seen == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_section_of_the_run_book(name: str) -> None:
    page, _, anchor = ALERTS[name]["annotations"]["runbook_url"].partition("#")
    assert anchor in anchors((ROOT / page).read_text())


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_urgent_it_is_and_what_it_means(name: str) -> None:
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    assert ALERTS[name]["annotations"]["summary"]
    assert ALERTS[name]["annotations"]["description"]


def test_every_metric_that_a_rule_reads_is_one() -> None:
    for rule in ALL:
        names = names_in(rule["expr"])
        assert names
        assert names <= exposed() | RECORDED, rule
