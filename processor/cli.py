"""The command line: `processor run | validate | replay | demo`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from processor import __version__
from processor.configuration import load_configuration
from processor.errors import (
    EXIT_BAD_CONFIGURATION,
    ConfigurationError,
    InvalidStateRecord,
    KafkaRefused,
    KinesisRefused,
    ProcessorError,
    StateRefused,
)
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.replay import replay as replay_lines
from processor.settings import load_file_settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processor.errors import Problem
    from processor.governance.plan import Plan

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Streams segment membership changes of profiles from Kafka to Amazon Kinesis: "
    "diffed, governed, in order, losing nothing.",
    epilog="Settings are environment variables, PROCESSOR_*: see docs/configuration.md. "
    "Exit code 78: the configuration is wrong.",
)

_errors = Console(stderr=True, soft_wrap=True)

DestinationOption = Annotated[
    Path | None,
    typer.Option(
        "--destination",
        help="The destination file [PROCESSOR_DESTINATION_FILE, destination.yaml].",
        show_default=False,
    ),
]
GovernanceOption = Annotated[
    Path | None,
    typer.Option("--governance", help="The governance file [PROCESSOR_GOVERNANCE_FILE].", show_default=False),
]


@app.command()
def run(destination: DestinationOption = None, governance: GovernanceOption = None) -> None:
    """Run the service until SIGTERM or SIGINT."""
    from processor.service import run_service, stop_on_signals
    from processor.telemetry.logs import configure_logs

    plan, problems = _plan(destination, governance)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        _refuse([*problems, *error.problems])
    if plan is None:
        _refuse(problems)
    configure_logs(settings.service)

    async def serve() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await run_service(settings, plan, stop)

    try:
        uvloop.run(serve())
    except ConfigurationError as error:
        _refuse(error.problems)
    except ProcessorError as error:
        _tell(str(error))
        raise typer.Exit(_exit_code([error])) from error
    except ExceptionGroup as failure:
        # What is not ours is a bug, and its trace is what a report of it needs.
        if failure.split(ProcessorError)[1] is not None:
            raise
        leaves = list(_leaves(failure))
        for leaf in leaves:
            _tell(str(leaf))
        raise typer.Exit(_exit_code(leaves)) from failure


@app.command()
def validate(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    *,
    connect: Annotated[bool, typer.Option("--connect", help="Also try Kafka and Kinesis.")] = False,
) -> None:
    """Check the two files and the environment, and show what will be exported."""
    from processor.validate import connection_checks, plan_notes, plan_table

    plan, problems = _plan(destination, governance)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        _refuse([*problems, *error.problems])
    if plan is None:
        _refuse(problems)
    console = Console()
    console.print(plan_table(plan))
    for note in plan_notes(plan):
        console.print(note, highlight=False)
    if not connect:
        console.print("[green]The configuration is valid.[/]")
        return

    async def check() -> bool:
        fine = True
        async for found in connection_checks(settings, plan):
            fine = fine and found.trouble is None
            mark = "[green]✓[/]" if found.trouble is None else "[red]✗[/]"
            trouble = "" if found.trouble is None else f": {found.trouble}"
            console.print(f"{mark} {found.what}{trouble}", highlight=False, soft_wrap=True)
        return fine

    if not asyncio.run(check()):
        raise typer.Exit(1)


@app.command()
def replay(
    events: Annotated[
        str,
        typer.Argument(metavar="EVENTS.jsonl", help="Events, one JSON object a line; - for standard input."),
    ],
    destination: Annotated[Path, typer.Option("--destination", help="The destination file.")],
    governance: Annotated[Path | None, typer.Option("--governance", help="The governance file.")] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option("--dead-letters", help="Where invalid events are told of; standard error without it."),
    ] = None,
) -> None:
    """Dry run: print what a file of events would export, one JSON line an export."""
    plan, problems = _plan(destination, governance)
    if plan is None:
        _refuse(problems)
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if events == "-" else stack.enter_context(Path(events).open("rb"))
            letters = (
                sys.stderr.buffer if dead_letters is None else stack.enter_context(dead_letters.open("wb"))
            )
        except OSError as error:
            _tell(f"{error.filename}: {error.strerror}")
            raise typer.Exit(2) from error
        try:
            replay_lines(Core(plan), lines, events, sys.stdout.buffer, letters)
            sys.stdout.buffer.flush()
        except ConfigurationError as error:
            sys.stdout.buffer.flush()
            for problem in error.problems:
                _tell(str(problem))
            raise typer.Exit(2) from error
        except BrokenPipeError:
            # The reader has seen enough; what is left in the buffer must not fail at the exit, too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


@app.command()
def demo(
    events: Annotated[int, typer.Option("--events", min=1, help="How many events to produce.")] = 300,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="Events a second; 0 is as fast as it goes.")
    ] = 60,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on producing until Ctrl-C.")] = False,
) -> None:
    """Show it all on this machine: a real Kafka, a Kinesis emulator, a stream of events, and what comes out."""
    try:
        from processor.demo import run_demo
    except ModuleNotFoundError as error:
        _tell(f"{error.name} is missing: install the extra `demo`, profile-export-processor[demo]")
        raise typer.Exit(1) from error
    raise typer.Exit(run_demo(events=events, rate=rate, follow=follow))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The console script."""
    app()


def _plan(destination: Path | None, governance: Path | None) -> tuple[Plan | None, Sequence[Problem]]:
    """The compiled plan, or why there is none."""
    try:
        files = load_file_settings()
        destination_file = destination or files.destination_file
        governance_file = governance or files.governance_file
        return compile_plan(*load_configuration(destination_file, governance_file, os.environ)), ()
    except ConfigurationError as error:
        return None, error.problems


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    for problem in problems:
        _tell(str(problem))
    count = len(problems)
    _errors.print(
        f"{count} {'problem' if count == 1 else 'problems'}; nothing was connected.", highlight=False
    )
    raise typer.Exit(EXIT_BAD_CONFIGURATION)


def _exit_code(errors: Iterable[BaseException]) -> int:
    """78 where a person must mend something first, so that a supervisor need not try again."""
    refusals = KafkaRefused, KinesisRefused, StateRefused, InvalidStateRecord
    return EXIT_BAD_CONFIGURATION if any(isinstance(error, refusals) for error in errors) else 1


def _leaves(failure: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in failure.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _tell(message: str) -> None:
    _errors.print(Text.assemble(("error ", "red"), message))
