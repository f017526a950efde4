"""What a command tells a person: errors as lines on standard error, and the exit code that says whose turn it is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from processor.errors import (
    EXIT_BAD_CONFIGURATION,
    ConfigurationError,
    ProcessorError,
    exit_code,
)
from processor.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.errors import Problem
    from processor.settings import Settings

errors = Console(stderr=True, soft_wrap=True)


def tell(message: str) -> None:
    """Print an error."""
    errors.print(Text.assemble(("error ", "red"), message))


def refuse(problems: Sequence[Problem]) -> NoReturn:
    """Print what is wrong with the configuration, and exit with 78."""
    for problem in problems:
        tell(str(problem))
    count_problems(problems)
    raise typer.Exit(EXIT_BAD_CONFIGURATION)


def count_problems(problems: Sequence[Problem]) -> None:
    """Print how many there were, and that this was all that was done."""
    count = len(problems)
    errors.print(
        f"{count} {'problem' if count == 1 else 'problems'}; nothing was connected.", highlight=False
    )


def settings_or_refuse() -> Settings:
    """The settings of the environment."""
    try:
        return load_settings()
    except ConfigurationError as error:
        refuse(error.problems)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Our own errors as a line, not as a trace."""
    try:
        yield
    except ProcessorError as error:
        tell(str(error))
        raise typer.Exit(exit_code([error])) from error
