"""Writes docs/metrics.md from the catalogue: `python -m processor.reference.metrics`."""

from __future__ import annotations

import sys

from processor.telemetry.metrics import SECTIONS, TARGET_LABELS, WORKER_LABEL

_OF_ALL = ", ".join(f"`{label}`" for label in TARGET_LABELS)
_OPENING = f"""\
# Metrics

`/metrics` has them in Prometheus' text form, for all workers of a process at one port; every series has the labels
`{WORKER_LABEL}`, {_OF_ALL} (the stream's name): one Prometheus may scrape many deployments, and distinguishes them by these. They are counted per batch, per call or per interval, never per event. No label is a profile, a segment
or an attribute. The series of a partition disappear when it is revoked, those of a shard when it is closed.

In every scrape, for each worker:

    received = exported + unchanged + skipped + dead-lettered (all reasons) + abandoned + in flight

What backfills read and export is no part of it: they look at events again that were received before, and have figures of
their own.

What to alert on, and what to do then, is in [operations](operations.md#alerts). This page is generated from
`processor/telemetry/metrics.py`: `make docs`.
"""


def metrics_reference() -> str:
    """The page's text."""
    parts = [_OPENING]
    for heading, section in SECTIONS.items():
        parts.append(f"\n## {heading}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
        for metric in section.values():
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            parts.append(f"| `{metric.exposed_name}` | {metric.kind} | {labels} | {metric.help} |\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(metrics_reference())
