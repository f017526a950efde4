"""What is told of a night: a table, an incident a row, and what became of the whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.night.ledger import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
_BLOCK: Final = re.compile(r"(<!-- figures: night -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One incident. Seconds are since the night began, `lasted_s` and `healthy_s` apart."""

    at_s: float
    what: str
    lasted_s: float
    healthy_s: float
    """How long after it was mended everything was as it should be."""
    repeated: int
    repeats_for: str | None
    alerts: tuple[tuple[str, float], ...]
    """Each with how long after the incident began it fired."""


@dataclass(frozen=True)
class Night:
    """All of it."""

    seed: int
    minutes: float
    events: int
    exports: int
    repeated: int
    verdict: Verdict
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    troubles: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, and all held that must."""
        return self.verdict.is_clean and not self.troubles


def from_figures(figures: Mapping[str, Any]) -> Night:
    """A night as it was kept."""
    rows = [
        Row(**{**row, "alerts": tuple((name, after_s) for name, after_s in row["alerts"])})
        for row in figures["rows"]
    ]
    lists = {
        "rows": tuple(rows),
        "left_out": tuple(figures["left_out"]),
        "troubles": tuple(figures["troubles"]),
    }
    return Night(**{**figures, "verdict": Verdict(*figures["verdict"]), **lists})


def with_table(page: str, results: str) -> str:
    """The page of docs with the table of the night in `results`, a file that was kept."""
    kept = json.loads(results)
    night, machine = from_figures(kept["figures"]), kept["machine"]
    on = f"{machine['cpus']} CPUs of {machine['cpu']}, {machine['at'][:10]}."
    return _BLOCK.sub(
        lambda found: f"{found[1]}\n{table(night.rows)}\n\n{summary(night)} {on}\n\n{found[2]}", page
    )


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [
        "| at | what was done | lasted | healthy again after | exports repeated, and why | alerts, and when |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        alerts = ", ".join(f"{name} after {after_s:.0f} s" for name, after_s in row.alerts) or "none"
        repeated = f"{row.repeated}: {row.repeats_for}" if row.repeated else "0"
        lines.append(
            f"| {_clock(row.at_s)} | {row.what} | {row.lasted_s:.0f} s | {row.healthy_s:.0f} s | {repeated} | {alerts} |"
        )
    return "\n".join(lines)


def summary(night: Night) -> str:
    """In sentences."""
    verdict = night.verdict
    lines = [
        (
            f"{night.minutes:.0f} minutes, seed {night.seed}: {night.events:,} events, {night.exports:,} exports; "
            f"{verdict.lost} lost, {verdict.invented} invented, {verdict.out_of_order} out of order, "
            f"{night.repeated:,} repeated; {verdict.letters_lost} dead letters lost, {verdict.letters_invented} too many."
        )
    ]
    if night.left_out:
        lines.append(f"Left out: {'; '.join(night.left_out)}.")
    lines += [f"WRONG: {trouble}." for trouble in night.troubles]
    return "\n".join(lines)


def _clock(at_s: float) -> str:
    return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"
