"""The alert rules, and the metrics that they read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from processor.telemetry.metrics import METRICS
from tests.support.deploy_files import DEPLOY, load

if TYPE_CHECKING:
    from collections.abc import Iterable


RULES: Final = DEPLOY / "prometheus" / "rules.yaml"


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
