"""Tables for people and for what they pipe them to: a row is one line, and no text in it is broken or cut.

Where a terminal is too narrow for that, each row is printed as lines of its own, `heading: text`, which the terminal may
wrap.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH_MAX: Final = 100_000


def plain(text: str, style: str = "") -> Text:
    """Return a text that is printed as it is: brackets are no markup, and what would move the cursor, or end the line, is escaped."""
    return Text(
        "".join(
            c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
        ),
        style=style,
    )


def time_text(at_ms: int) -> str:
    """Return a time in ms since the epoch as people read it, in UTC; one beyond the calendar's years as the number that it is."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        # Microseconds that were sent for milliseconds, say.
        return f"{at_ms} ms"


def show(table: Table, console: Console | None = None) -> None:
    """Print `table`, whose cells are texts, a row a line or, where the terminal is too narrow, a cell a line."""
    console = Console() if console is None else console
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ignore"
    # A table breaks its title to its own width.
    title, table.title = table.title, None
    width = console.measure(table, options=console.options.update(max_width=_WIDTH_MAX)).maximum
    if not console.is_terminal:
        console.width = max(console.width, width)
    if title:
        console.print(title, style="table.title", soft_wrap=True)
    if width <= console.width:
        console.print(table)
    else:
        _show_rows(table, console)


def _show_rows(table: Table, console: Console) -> None:
    headings = [str(column.header) for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        texts = [cell if isinstance(cell, Text) else Text.from_markup(str(cell)) for cell in cells]
        if not any(headings):
            console.print(Text("  ").join(texts), soft_wrap=True)
            continue
        for heading, text in zip(headings, texts, strict=True):
            if text.plain:
                console.print(Text.assemble((f"{heading}: ", "dim"), text), soft_wrap=True)
        console.print()
