"""A bar in the terminal while state is being restored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console

    from processor.telemetry.status import Status

_LOOK_AGAIN_S: Final = 0.2


async def show_restoration(status: Status, console: Console) -> None:
    """Show a bar whenever partitions are being restored, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_AGAIN_S)
        if any(position < end for position, end in status.restoration.values()):
            await _show_one(status, console)


async def _show_one(status: Status, console: Console) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("restoring state", total=None)
        while status.restoration:
            positions = status.restoration.values()
            done, total = sum(position for position, _ in positions), sum(end for _, end in positions)
            progress.update(bar, completed=done, total=total or None)
            await asyncio.sleep(_LOOK_AGAIN_S)
