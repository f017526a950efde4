"""What a command prints for a person: errors as lines on standard error, and the exit code that says whose turn it is."""

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

    from rich.progress import Progress

    from processor.errors import Problem
    from processor.settings import Settings

errors = Console(stderr=True, soft_wrap=True)


def print_error(message: str) -> None:
    """Print an error on standard error."""
    errors.print(Text.assemble(("error ", "red"), message))


def refuse(problems: Sequence[Problem]) -> NoReturn:
    """Print what is wrong with the configuration, and exit with 78."""
    for problem in problems:
        print_error(str(problem))
    print_count(problems)
    raise typer.Exit(EXIT_BAD_CONFIGURATION)


def print_count(problems: Sequence[Problem]) -> None:
    """Print how many problems there are, and that nothing was connected."""
    count = len(problems)
    errors.print(
        f"{count} {'problem' if count == 1 else 'problems'}; nothing was connected.", highlight=False
    )


def progress_shown() -> Progress:
    """Return a bar on standard error, to be entered, which is gone once all is done."""
    from rich.progress import Progress

    return Progress(transient=True, console=errors)


def settings_or_refuse() -> Settings:
    """Return the settings of the environment; where they are wrong, print why, and exit with 78."""
    try:
        return load_settings()
    except ConfigurationError as error:
        refuse(error.problems)


@contextmanager
def errors_printed(but: type[ProcessorError] | tuple[()] = ()) -> Iterator[None]:
    """Print an error of ours that the body raises as a line, not as a trace, and exit with its code; those of `but` go up."""
    try:
        yield
    except but:
        raise
    except ProcessorError as error:
        print_error(str(error))
        raise typer.Exit(exit_code([error])) from error
