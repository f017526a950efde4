"""The rules as the Prometheus operator's object: python deploy/prometheus/prometheusrule.py > deploy/prometheus/prometheusrule.yaml.

What they say stands in rules.yaml alone, which a Prometheus without the operator reads as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

HEAD: Final = """\
# Written by prometheusrule.py from rules.yaml: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: processor
spec:
"""


def prometheus_rule() -> str:
    """The object's text."""
    lines = Path(__file__).with_name("rules.yaml").read_text(encoding="utf-8").splitlines()
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(prometheus_rule())
