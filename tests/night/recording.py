"""The series that alerts fired on, as a test for promtool: the rules as they are must fire on them, too.

A night plays ten times as fast, so a second of its series is ten of the test's.
"""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tests.support.deploy_files import DEPLOY, load
from tests.support.rules import names_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.support.prometheus import Prometheus

STEP_S: Final = 1
_BEFORE_S: Final = 240
"""The longest span of a rule is 30 minutes."""


class Fired(NamedTuple):
    """An alert that fired: the alerts of its name a moment later, as Prometheus tells them, and when that was."""

    name: str
    at_unix_s: int
    alerts: tuple[Mapping[str, Any], ...]


def case_of(fired: Fired, prometheus: Prometheus, times: int) -> dict[str, Any]:
    """One of promtool's tests, from what Prometheus has of it; its span is that of the alert, and the time before it."""
    begin_s = fired.at_unix_s - _BEFORE_S
    series = [
        {"series": _selector(each["metric"]), "values": _values(each["values"], begin_s, fired.at_unix_s)}
        for name in sorted(_read_by(fired.name))
        for each in prometheus.range(name, begin_s, fired.at_unix_s, STEP_S)
    ]
    return {
        "name": f"{fired.name} fires on what was recorded",
        "interval": f"{STEP_S * times}s",
        "input_series": series,
        "alert_rule_test": [
            {
                "eval_time": f"{_BEFORE_S * times}s",
                "alertname": fired.name,
                "exp_alerts": [
                    {
                        "exp_labels": {
                            name: value for name, value in alert["labels"].items() if name != "alertname"
                        },
                        "exp_annotations": alert["annotations"],
                    }
                    for alert in fired.alerts
                ],
            }
        ],
    }


def written(tests: Iterable[dict[str, Any]], rules: str) -> str:
    """The file for promtool."""
    tree = {"rule_files": [rules], "evaluation_interval": "10s", "tests": list(tests)}
    head = "# Series of a night in which these alerts fired, ten times as slow: written by `make night`, not by hand.\n"
    return head + yaml.safe_dump(tree, sort_keys=False, width=10**6)


def reproduced(tests: Iterable[dict[str, Any]], rules: Path, promtool: str) -> list[dict[str, Any]]:
    """Those of `tests` that promtool finds to hold: at a tenth of the speed some rules see too few samples, or look too far."""
    return [test for test in tests if _holds(test, rules, promtool)]


def _holds(test: dict[str, Any], rules: Path, promtool: str) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".test.yaml", encoding="utf-8") as file:
        file.write(written([test], str(rules)))
        file.flush()
        return (
            subprocess.run(
                [promtool, "test", "rules", file.name], capture_output=True, check=False
            ).returncode
            == 0
        )


def _read_by(alert: str) -> set[str]:
    """The metrics that an alert reads, those behind recorded ones included."""
    groups = load(DEPLOY / "prometheus" / "rules.yaml")["groups"]
    rules = {rule.get("alert") or rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    found: set[str] = set()
    waiting = {alert}
    while waiting:
        name = waiting.pop()
        if name in rules:
            waiting |= names_in(rules[name])
        else:
            found.add(name)
    return found


def _selector(metric: Mapping[str, str]) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in metric.items() if name != "__name__")
    return f"{metric['__name__']}{{{labels}}}"


def _values(found: Sequence[tuple[float, str]], begin_s: int, end_s: int) -> str:
    """Of each step: the value; where there is none any more `stale`, and then nothing."""
    known = {round(at_s): value for at_s, value in found}
    values, was_there = [], False
    for at_s in range(begin_s, end_s + 1, STEP_S):
        values.append(known.get(at_s, "stale" if was_there else "_"))
        was_there = at_s in known
    return " ".join(values)
