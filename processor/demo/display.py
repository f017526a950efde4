"""What the demo prints: bars while Kafka is fetched, a line an export, and a summary."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from rich.console import Console

    from processor.demo.check import Ledger
    from processor.telemetry.status import Figures

_COLOURS: Final = {"realized": "green", "existing": "cyan", "exited": "yellow"}


def download_bars(stack: ExitStack, console: Console) -> Callable[[str, int], Any]:
    """Return a bar for each file of Kafka's that is fetched; nothing is drawn where all is in the cache."""
    progress = Progress(
        TextColumn("fetching {task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=console,
        transient=True,
    )
    started = False

    @contextmanager
    def bar(name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
        nonlocal started
        if not started:
            console.print("Fetching Apache Kafka, once (about 45 MB)")
            stack.enter_context(progress)
            started = True
        task = progress.add_task(name, total=size_bytes)
        yield lambda more: progress.update(task, advance=more)
        progress.remove_task(task)

    return bar


def export_line(partition_key: str, data: bytes) -> Text:
    """Return one export as a line: the profile, its segments with their statuses, and what else it carries."""
    export = json.loads(data)
    text = Text(f"{partition_key:<14} ")
    for segments in export["segmentMembership"].values():
        for entry in segments.values():
            text.append(f"{entry['status']}", style=_COLOURS[entry["status"]])
            text.append(f" {entry.get('name', '')}  ", style="dim")
    attributes = {
        name: value for name, value in export.items() if name not in {"segmentMembership", "identityMap"}
    }
    text.append(json.dumps(attributes, ensure_ascii=False) if attributes else "(no attributes)", style="dim")
    return text


def summary(ledger: Ledger, figures: Figures) -> Table:
    """Return a table of what went in, what came out, and what the check found."""
    disordered = len(ledger.out_of_order())
    table = Table(title="Summary", title_justify="left", show_header=False)
    table.add_row("events in", f"{ledger.events}")
    table.add_row("exports out", f"{ledger.arrived_count} of {ledger.expected_count}")
    table.add_row("by status", _tally(ledger.statuses, _COLOURS))
    table.add_row("unchanged, not exported", f"{figures.unchanged}")
    table.add_row("removed by governance", _tally(ledger.removed, {}))
    dead_lettered = figures.dead_lettered
    table.add_row("dead-lettered", f"{dead_lettered.total()}  ({_tally(dead_lettered, {})})")
    table.add_row("lost / invented", f"{ledger.lost()} / {ledger.invented()}")
    table.add_row(
        "order per profile", f"verified for {ledger.profiles - disordered} of {ledger.profiles} profiles"
    )
    return table


def _tally(counts: dict[str, int], colours: dict[str, str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    parts = [f"[{colours[name]}]{name}[/] {n}" if name in colours else f"{name} {n}" for name, n in ordered]
    return (", " if colours else "\n").join(parts) or "none"
