"""The rules: as promtool sees them, and that none is without a test, a section of the run-book, or a metric."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.telemetry.metrics import METRICS
from tests.deploy.tools import DEPLOY, ROOT, load
from tests.needs import program

if TYPE_CHECKING:
    from collections.abc import Iterable

RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
TESTS: Final = DEPLOY / "prometheus" / "rules.test.yaml"
ALL: Final[list[dict[str, Any]]] = [rule for group in load(RULES)["groups"] for rule in group["rules"]]
ALERTS: Final = {rule["alert"]: rule for rule in ALL if "alert" in rule}
RECORDED: Final = {rule["record"] for rule in ALL if "record" in rule}


def names_in(query: str) -> set[str]:
    """The metrics that a query reads."""
    return set(re.findall(r"\bprocessor[_:][a-z0-9_:]+", re.sub(r'"[^"]*"', "", query)))


def exposed() -> set[str]:
    found = {metric.exposed_name for metric in METRICS.values()}
    return found | {
        f"{metric.name}_{part}"
        for metric in METRICS.values()
        if metric.kind == "histogram"
        for part in ("bucket", "sum", "count")
    }


def anchors(text: str) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings: Iterable[str] = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("arguments", [("check", "rules", str(RULES)), ("test", "rules", str(TESTS))])
def test_promtool_takes_the_rules_and_their_tests(arguments: tuple[str, ...]) -> None:
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
