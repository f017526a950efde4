"""The rules with a run-book of one's own: python deploy/prometheus/rules.py [https://…/docs/operations.md]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

RUNBOOK: Final = "docs/operations.md"


def rules(runbook: str) -> str:
    """The text of rules.yaml, whose alerts lead to `runbook`."""
    text = Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8")
    return text.replace(f"{RUNBOOK}#", f"{runbook}#")


if __name__ == "__main__":
    sys.stdout.write(rules(*sys.argv[1:2] or [RUNBOOK]))
