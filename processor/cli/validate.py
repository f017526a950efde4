"""The command line: `processor validate`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from rich.console import Console
from rich.text import Text

from processor.cli.console import refuse
from processor.cli.files import DestinationOption, GovernanceOption, compiled
from processor.configuration.key_files import key_file_problems
from processor.native import PROBLEMS
from processor.settings import find_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.errors import Problem
    from processor.governance.plan import Plan
    from processor.settings import Settings


def validate(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also look at Kafka, local stores and Kinesis, as `run` will.")
    ] = False,
) -> None:
    """Check the two files and the environment, and show what will be exported."""
    from processor.operations.text_table import plain, show
    from processor.operations.validate import environment_problems, plan_notes, plan_table, settings_notes

    plan, problems = compiled(destination, governance)
    found = find_settings()
    of_keys = [] if plan is None else key_file_problems(plan.destination)
    wrong = [*problems, *of_keys, *PROBLEMS, *environment_problems(found, connect=connect)]
    if wrong or plan is None:
        refuse(wrong)
    console = Console()
    show(plan_table(plan), console)
    for note in (*plan_notes(plan), *settings_notes(found.settings)):
        console.print(plain(note), soft_wrap=True)
    if found.settings is None:
        _print_wanted(found.unset, console)
    elif not connect:
        console.print("[green]The configuration is valid.[/]")
    elif not _connects(found.settings, plan, console):
        raise typer.Exit(1)


def _print_wanted(unset: Sequence[Problem], console: Console) -> None:
    """Print which variables `run` will want, where there are none yet."""
    from processor.operations.text_table import plain

    console.print(
        "[green]The files are valid.[/] [yellow]`processor run` will want these variables, too:[/]",
        soft_wrap=True,
    )
    for each in unset:
        console.print(plain(f"{each.member}: {each.remedy.removeprefix('Set it: ')}"), soft_wrap=True)


def _connects(settings: Settings, plan: Plan, console: Console) -> bool:
    """Print each check of a connection as it is made; whether all of them passed."""
    from processor.operations.connection_checks import connection_checks
    from processor.operations.text_table import plain

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
    # What `run` logs of what it meets is printed as a check here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return asyncio.run(check())
    finally:
        structlog.configure(**logs)
