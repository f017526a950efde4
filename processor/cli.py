"""The command line: what `processor` does, command by command; docs/commands.md is generated from here."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from rich.console import Console
from rich.text import Text

from processor import __version__
from processor.configuration import read_files
from processor.configuration.key_files import key_file_problems
from processor.console import refuse, tell
from processor.errors import ConfigurationError
from processor.letter_commands import letter_app
from processor.open_files import raise_limit
from processor.profile.core import Core
from processor.reload import plan_of
from processor.replay import replay as replay_lines
from processor.settings import StateSettings, find_settings, load_file_settings
from processor.state_commands import state_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.configuration import Files
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

app.add_typer(state_app, name="state")
app.add_typer(letter_app, name="dead-letters")

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
def run(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    *,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Worker processes [PROCESSOR_WORKERS, the CPUs allowed].",
            show_default=False,
        ),
    ] = None,
    worker: Annotated[int | None, typer.Option("--worker", hidden=True)] = None,
    restarted: Annotated[bool, typer.Option("--restarted", hidden=True)] = False,
    gives_id_back: Annotated[bool, typer.Option("--gives-id-back", hidden=True)] = False,
) -> None:
    """Run the service until SIGTERM or SIGINT."""
    from processor.telemetry.logs import begin_logs

    begin_logs(os.environ)
    from processor.running import run_all, run_worker

    if worker is None:
        raise typer.Exit(run_all(lambda: _read(destination, governance), workers))
    raise typer.Exit(run_worker(worker, restarted=restarted, gives_id_back=gives_id_back))


@app.command()
def validate(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also look at Kafka, local stores and Kinesis, as `run` will.")
    ] = False,
) -> None:
    """Check the two files and the environment, and show what will be exported."""
    from processor.tables import plain, show
    from processor.validate import environment_problems, plan_notes, plan_table, settings_notes

    plan, problems = _plan(destination, governance)
    found = find_settings()
    of_keys = [] if plan is None else key_file_problems(plan.destination)
    wrong = [*problems, *of_keys, *environment_problems(found, connect=connect)]
    if wrong or plan is None:
        refuse(wrong)
    console = Console()
    show(plan_table(plan), console)
    for note in (*plan_notes(plan), *settings_notes(found.settings)):
        console.print(plain(note), soft_wrap=True)
    if found.settings is None:
        console.print(
            "[green]The files are valid.[/] [yellow]`processor run` will want these variables, too:[/]",
            soft_wrap=True,
        )
        for each in found.unset:
            console.print(plain(f"{each.member}: {each.remedy.removeprefix('Set it: ')}"), soft_wrap=True)
        return
    settings = found.settings
    if not connect:
        console.print("[green]The configuration is valid.[/]")
        return

    from processor.connection_checks import connection_checks

    async def check() -> bool:
        fine = True
        async for each in connection_checks(settings, plan):
            fine = fine and each.trouble is None
            mark = plain("✓", "green") if each.trouble is None else plain("✗", "red")
            trouble = "" if each.trouble is None else f": {each.trouble}"
            console.print(Text.assemble(mark, " ", plain(f"{each.what}{trouble}")), soft_wrap=True)
            if each.warning is not None:
                console.print(
                    Text.assemble("  ", plain("!", "yellow"), " ", plain(each.warning)), soft_wrap=True
                )
        return fine

    logs = structlog.get_config()
    # What `run` logs of what it meets is told as a check here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        fine = asyncio.run(check())
    finally:
        structlog.configure(**logs)
    if not fine:
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
        refuse(problems)
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if events == "-" else stack.enter_context(Path(events).open("rb"))
            letters = (
                sys.stderr.buffer if dead_letters is None else stack.enter_context(dead_letters.open("wb"))
            )
        except OSError as error:
            tell(f"{error.filename}: {error.strerror}")
            raise typer.Exit(2) from error
        try:
            replay_lines(Core(plan), lines, events, sys.stdout.buffer, letters)
            sys.stdout.buffer.flush()
        except ConfigurationError as error:
            sys.stdout.buffer.flush()
            for problem in error.problems:
                tell(str(problem))
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
        tell(f"{error.name} is missing: install the extra `demo`, profile-export-processor[demo]")
        raise typer.Exit(1) from error
    raise typer.Exit(run_demo(events=events, rate=rate, follow=follow))


@app.command()
def size(
    *,
    events_per_second: Annotated[
        float, typer.Option("--events-per-second", min=0, max=1e9, help="Events, at the peak.")
    ],
    profiles: Annotated[
        float, typer.Option("--profiles", min=0, max=1e12, help="Profiles in mapped segments.")
    ],
    event_bytes: Annotated[
        float, typer.Option("--event-bytes", min=1, max=10_000_000, help="An event's value.")
    ] = 1200,
    share_of_changes: Annotated[
        float,
        typer.Option("--share-of-changes", min=0, max=1, help="Of the events: those that are exported."),
    ] = 0.7,
    segments_mapped: Annotated[
        int, typer.Option("--segments-mapped", min=1, max=10_000, help="Segments mapped.")
    ] = 5,
    utilisation: Annotated[
        float, typer.Option("--utilisation", min=0.05, max=1, help="Of a worker's CPU, at the peak.")
    ] = 0.6,
    replicas: Annotated[int, typer.Option("--replicas", min=1, max=10, help="Of the changelog.")] = 3,
) -> None:
    """Work out how large a deployment must be, by a model of what was measured (docs/performance.md)."""
    from processor.size_table import size_table
    from processor.sizing import Load, load_constants
    from processor.sizing import size as sized
    from processor.tables import show

    load = Load(
        events_per_second,
        event_bytes,
        share_of_changes,
        profiles,
        segments_mapped=segments_mapped,
        utilisation=utilisation,
        replicas=replicas,
    )
    kept_s = StateSettings.model_fields["changelog_min_compaction_lag_ms"].default / 1000
    show(size_table(sized(load, load_constants(), kept_s)))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The console script."""
    raise_limit()
    if sys.argv[1:2] != ["run"]:
        from processor.telemetry.logs import configure_notes

        configure_notes()
    app()


def _plan(destination: Path | None, governance: Path | None) -> tuple[Plan | None, Sequence[Problem]]:
    """The compiled plan, or why there is none."""
    try:
        return plan_of(_read(destination, governance)), ()
    except ConfigurationError as error:
        return None, error.problems


def _read(destination: Path | None, governance: Path | None) -> Files:
    named = load_file_settings()
    return read_files(destination or named.destination_file, governance or named.governance_file)
