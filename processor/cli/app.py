"""The command line: what `processor` does, command by command; docs/commands.md is generated from here.

Each command is a module of its own, which imports within its function what it alone needs: `--help` and `replay` start
without Kafka and AWS.
"""

from __future__ import annotations

import sys

import typer

from processor import __version__
from processor.cli.backfill import backfill_app
from processor.cli.configuration import configuration_app
from processor.cli.dead_letters import dead_letter_app
from processor.cli.demo import demo
from processor.cli.flow_service import flow_service_app
from processor.cli.init import init
from processor.cli.replay import replay
from processor.cli.run import run
from processor.cli.size import size
from processor.cli.state import state_app
from processor.cli.validate import validate
from processor.native import CORE
from processor.state.open_files import raise_limit

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Streams segment membership changes of profiles from Kafka to Amazon Kinesis: "
    "diffed, governed, in order, losing nothing.",
    epilog="Settings are environment variables, PROCESSOR_*: see docs/configuration.md. "
    "Exit code 78: the configuration is wrong.",
)

app.add_typer(backfill_app, name="backfill")
app.add_typer(state_app, name="state")
app.add_typer(dead_letter_app, name="dead-letters")
app.add_typer(flow_service_app, name="flow-service")
app.add_typer(configuration_app, name="configuration")
for command in (init, run, validate, replay, demo, size):
    app.command()(command)


@app.command()
def version() -> None:
    """Print the version, and whether the compiled core runs, or the plain one."""
    typer.echo(f"{__version__} ({CORE} core)")


def main() -> None:
    """Run the command that is typed: the console script."""
    raise_limit()
    if sys.argv[1:2] != ["run"]:
        from processor.telemetry.logs import configure_notes

        configure_notes()
    app()
