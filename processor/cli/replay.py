"""The command line: `processor replay`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from processor.cli.console import print_error, refuse
from processor.cli.files import compiled
from processor.errors import ConfigurationError
from processor.operations.replay import replay as replay_lines
from processor.profile.core import Core


def replay(
    events: Annotated[
        str,
        typer.Argument(metavar="EVENTS.jsonl", help="Events, one JSON object a line; - for standard input."),
    ],
    destination: Annotated[Path, typer.Option("--destination", help="The destination file.")],
    governance: Annotated[Path | None, typer.Option("--governance", help="The governance file.")] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option("--dead-letters", help="Where invalid events are reported; standard error without it."),
    ] = None,
) -> None:
    """Dry run: print what a file of events would export, one JSON line an export."""
    plan, problems = compiled(destination, governance)
    if plan is None:
        refuse(problems)
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if events == "-" else stack.enter_context(Path(events).open("rb"))
            reports = (
                sys.stderr.buffer if dead_letters is None else stack.enter_context(dead_letters.open("wb"))
            )
        except OSError as error:
            print_error(f"{error.filename}: {error.strerror}")
            raise typer.Exit(2) from error
        try:
            replay_lines(Core(plan), lines, events, sys.stdout.buffer, reports)
            sys.stdout.buffer.flush()
        except ConfigurationError as error:
            sys.stdout.buffer.flush()
            for problem in error.problems:
                print_error(str(problem))
            raise typer.Exit(2) from error
        except BrokenPipeError:
            # The reader has seen enough; what is left in the buffer must not fail at the exit, too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
