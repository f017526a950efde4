"""Questions at a terminal, in plain lines that any of them shows: each with its default and its help, asked until the answer fits.

Where nobody is there to be asked, the options and the defaults answer.
"""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from processor.operations.text_table import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH_MAX: Final = 80
_CELL_MAX: Final = 44
_HELP: Final = "?"
NONE: Final = "none"
_BETWEEN_OPTIONS: Final = "\0"
"""No text that is typed on a command line has one."""

_Answer = TypeVar("_Answer")


def say(text: str = "") -> None:
    """Print a paragraph, broken at the terminal's width; what would move the cursor is escaped."""
    width = min(shutil.get_terminal_size().columns, _WIDTH_MAX) - 1
    lines = textwrap.wrap(plain(text).plain, max(width, 20), break_long_words=False, break_on_hyphens=False)
    typer.echo("\n".join(lines))


def choices(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a list to choose from by number, with its columns one below the other as far as a line has room."""
    cells = [[_shown(each) for each in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        texts = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        item(number or None, "  ".join(texts).rstrip())


def item(number: int | None, text: str) -> None:
    """Print a line of a list to choose from, broken as a paragraph is."""
    width = min(shutil.get_terminal_size().columns, _WIDTH_MAX) - 1
    start = f"  {number or '':>3}  "
    typer.echo(
        textwrap.fill(
            plain(text).plain,
            max(width, 20),
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def heading(text: str) -> None:
    """Print what comes next."""
    typer.echo(f"\n== {plain(text).plain} ==")


def show_text(text: str) -> None:
    """Print a file's text as it is, but for what would move the cursor."""
    for line in text.splitlines():
        typer.echo(f"  {plain(line).plain}")


def parts_of(text: str) -> list[str]:
    """What a person wrote with commas between."""
    return [part for each in text.split(",") if (part := each.strip())]


def joined(options: Sequence[str] | None) -> str | None:
    """An option's texts as one answer, for `listed` to take apart."""
    return None if options is None else _BETWEEN_OPTIONS.join(options)


def listed(text: str) -> list[str]:
    """The texts that `joined` joined."""
    return text.split(_BETWEEN_OPTIONS)


class Questions:
    """Asks, or, where `asks` is false, takes what the options give, and the defaults."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks

    def heading(self, text: str) -> None:
        """Print what the next questions are about, where any are asked."""
        if self.asks:
            heading(text)

    def answer(
        self,
        question: str,
        check: Callable[[str], _Answer],
        *,
        option: str,
        given: str | None = None,
        default: str | None = None,
        help_: str,
    ) -> _Answer:
        """Return the answer, as `check` makes it from the text; an option that is `given` answers by itself.

        `check` raises typer.BadParameter where the text is no answer, and says why.

        Raises:
            typer.BadParameter: an option is wrong, or is missing where nobody is asked.
            typer.Abort: the terminal's input has ended.

        """
        if given is not None or not self.asks:
            return _of_option(check, given if given is not None else default, option)
        shown = "" if default is None else f" [{plain(default).plain or 'none'}]"
        while True:
            text = typer.prompt(f"{plain(question).plain}{shown}", default="", show_default=False).strip()
            if text == _HELP:
                say(help_)
                continue
            if not text and default is None:
                say(
                    f"There is no default here: an answer is needed, or {_HELP} for help, or Ctrl-C to leave."
                )
                continue
            try:
                return check(_readable(text or default or ""))
            except typer.BadParameter as error:
                for line in error.message.splitlines():
                    say(line)

    def confirmed(self, question: str, *, default: bool, help_: str) -> bool:
        """Whether a person agrees; where nobody is asked, the default."""
        return self.answer(
            f"{question} (y/n)", _yes_or_no, option="", default="y" if default else "n", help_=help_
        )


def _shown(text: str) -> str:
    text = (
        plain(text[:_CELL_MAX]).plain if len(text) <= _CELL_MAX else plain(text[: _CELL_MAX - 1]).plain + "…"
    )
    return text if len(text) <= _CELL_MAX else text[: _CELL_MAX - 1] + "…"


def _of_option(check: Callable[[str], _Answer], text: str | None, option: str) -> _Answer:
    if text is None:
        raise typer.BadParameter(f"{option} is needed where nobody is asked")
    try:
        return check(_readable(text))
    except typer.BadParameter as error:
        message = f"{option}: {error.message}" if option else error.message
        raise typer.BadParameter("\n".join(plain(line).plain for line in message.splitlines())) from error


def _readable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter("it is not UTF-8: write it in UTF-8") from error
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() in {"y", "yes"}:
        return True
    if text.lower() in {"n", "no"}:
        return False
    raise typer.BadParameter("Answer y or n.")
