"""What tables of results are made with."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence


def figures_of(name: str) -> dict[str, Any]:
    """The figures that were kept under a name."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["figures"])


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines)])


def share_of(first: dict[str, Any], figure: dict[str, Any]) -> float:
    """What a figure is of another one that was measured in turns with it: the median of the rounds."""
    return float(
        median(each / of_first for of_first, each in zip(first["runs"], figure["runs"], strict=True))
    )


def median_and_range(figure: dict[str, float]) -> str:
    """A figure that was measured several times."""
    return f"{figure['median']:,.0f} ({figure['min']:,.0f} to {figure['max']:,.0f})"


def listed(tree: object) -> str:
    """A tree of settings on one line."""
    if isinstance(tree, dict):
        return "; ".join(f"{name}: {listed(value)}" for name, value in tree.items())
    return str(tree)
