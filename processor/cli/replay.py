"""The command line: `processor replay`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.console import errors, print_error, refuse
from processor.cli.files import compiled, compiled_alone
from processor.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from processor.governance.plan import Plan


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
    *,
    backfill_from: Annotated[
        Path | None,
        typer.Option(
            "--backfill-from",
            help="A former destination file: print what a change from it to --destination would export of each "
            "profile's latest event, in place of what the events would.",
        ),
    ] = None,
    backfill_from_governance: Annotated[
        Path | None,
        typer.Option("--backfill-from-governance", help="The governance file of --backfill-from."),
    ] = None,
    backfill_at: Annotated[
        int | None,
        typer.Option(
            "--backfill-at",
            min=0,
            max=2**63 - 1,
            help="When the change is made, in ms since the epoch: `validUntil` is compared with that. Now without it.",
        ),
    ] = None,
) -> None:
    """Dry run: print what a file of events would export, one JSON line an export."""
    from processor.operations.replay import replay as replay_lines
    from processor.profile.core import Core

    _check_together(
        backfill_from,
        dead_letters,
        **{"--backfill-from-governance": backfill_from_governance, "--backfill-at": backfill_at},
    )
    plan, problems = compiled(destination, governance)
    former, former_problems = (
        (None, ()) if backfill_from is None else compiled_alone(backfill_from, backfill_from_governance)
    )
    if plan is None or former_problems:
        refuse([*problems, *former_problems])
    with ExitStack() as stack, _ended_by_its_reader():
        try:
            lines = sys.stdin.buffer if events == "-" else stack.enter_context(Path(events).open("rb"))
            reports = (
                sys.stderr.buffer if dead_letters is None else stack.enter_context(dead_letters.open("wb"))
            )
        except OSError as error:
            print_error(f"{error.filename}: {error.strerror}")
            raise typer.Exit(2) from error
        try:
            if former is None:
                replay_lines(Core(plan), lines, events, sys.stdout.buffer, reports)
            else:
                _preview(former, plan, lines, events, backfill_at)
            sys.stdout.buffer.flush()
        except ConfigurationError as error:
            sys.stdout.buffer.flush()
            for problem in error.problems:
                print_error(str(problem))
            raise typer.Exit(2) from error


def _check_together(former: Path | None, dead_letters: Path | None, **of_former: object) -> None:
    """See that options are given which go together; `of_former` are those that need a former destination file."""
    for option, given in of_former.items():
        if former is None and given is not None:
            raise typer.BadParameter(f"{option} is of no use without --backfill-from")
    if former is not None and dead_letters is not None:
        raise typer.BadParameter(
            "--dead-letters does not go with --backfill-from: a backfill writes no dead letters"
        )


def _preview(former: Plan, plan: Plan, lines: Iterable[bytes], source: str, at_ms: int | None) -> None:
    """Print what the change would export, and on standard error what that comes to."""
    from processor.governance.fingerprint import fingerprint
    from processor.operations.backfill_preview import preview_backfill
    from processor.profile.core import Core

    at_ms = int(time.time() * 1000) if at_ms is None else at_ms
    figures = preview_backfill(Core(former), Core(plan), lines, source, sys.stdout.buffer, at_ms=at_ms)
    if fingerprint(former) == fingerprint(plan):
        errors.print("Both configurations show the destination the same: none of this is due to a change.")
    errors.print(
        f"{figures.exports} of {figures.profiles} profiles would be exported; {figures.invalid} stay as they are, for "
        "their latest event is invalid",
        highlight=False,
    )


@contextmanager
def _ended_by_its_reader() -> Iterator[None]:
    """End quietly where whoever reads the output has seen enough."""
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffer must not fail at the exit, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
