"""The command line: `processor backfill`, which asks for one or, with `--dry-run`, works one out, and `processor backfill status`."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from processor.cli.console import errors, errors_printed, progress_shown, refuse, settings_or_refuse
from processor.cli.files import DestinationOption, GovernanceOption, compiled
from processor.errors import KafkaUnavailable
from processor.operations.text_table import plain, show

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from processor.operations.backfill_dry_run_figures import DryRunFigures
    from processor.operations.backfill_requests import BackfillView
    from processor.settings import Settings

_AGAIN_S: Final = 5.0

backfill_app = typer.Typer(invoke_without_command=True)


@backfill_app.callback()
def backfill(
    context: typer.Context,
    *,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who asks, or why: kept with the request, and shown.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Ask for nothing: print what one would export, of the real topic, by these files.",
        ),
    ] = False,
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the dry run as JSON.")] = False,
) -> None:
    """Ask a running deployment to look at every profile's latest event again, under the files it follows now, and to export what differs.

    All workers of the group heed it, also those that start later; without a change nothing is exported. The files matter to the dry
    run alone: it works on this machine, joins no group, and needs room under PROCESSOR_STATE_DIRECTORY for one partition's state.
    """
    if context.invoked_subcommand is not None:
        return
    if dry_run:
        if by is not None:
            raise typer.BadParameter("--by is of no use with --dry-run: nothing is asked for")
        _dry_run(destination, governance, as_json=as_json)
    else:
        for option, given in (
            ("--destination", destination),
            ("--governance", governance),
            ("--json", as_json),
        ):
            if given:
                raise typer.BadParameter(f"{option} is of no use without --dry-run")
        _ask(by or "")


def _ask(by: str) -> None:
    from processor.operations.backfill_requests import ask_for_backfill

    settings = settings_or_refuse()
    with errors_printed():
        asked = asyncio.run(ask_for_backfill(settings, by))
    partitions = _counted(asked.partitions, "partition")
    console = Console()
    for line in (
        f"asked for a backfill of {partitions} of {settings.kafka.topic}: request {asked.request.id}",
        _when(settings.kafka.group, asked.members),
        "`processor backfill status --wait` follows it.",
    ):
        console.print(plain(line), soft_wrap=True)


def _dry_run(destination: Path | None, governance: Path | None, *, as_json: bool) -> None:
    from processor.operations.backfill_dry_run import dry_run_backfill
    from processor.operations.backfill_dry_run_table import dry_run_notes, dry_run_tables, dry_run_tree

    plan, problems = compiled(destination, governance)
    if plan is None:
        refuse(problems)
    settings = settings_or_refuse()
    with errors_printed(), progress_shown() as progress:
        bar = progress.add_task("restoring the state", total=None)

        def show_progress(figures: DryRunFigures) -> None:
            doing = f"partition {figures.partitions_done} of {figures.partitions}: {figures.profiles} profiles looked at"
            progress.update(bar, description=doing)

        figures = asyncio.run(_unless_ended(dry_run_backfill(settings, plan, show_progress)))
    if as_json:
        typer.echo(json.dumps(dry_run_tree(figures), indent=2, ensure_ascii=False))
        return
    console = Console()
    for table in dry_run_tables(figures):
        show(table, console)
    for note in dry_run_notes(figures):
        console.print(plain(note), soft_wrap=True)


async def _unless_ended(work: Coroutine[object, object, DryRunFigures]) -> DryRunFigures:
    """Do the work; where the process is asked to end meanwhile, what it has on disk is removed first."""
    doing = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, doing.cancel)
    try:
        return await doing
    except asyncio.CancelledError:
        raise typer.Exit(1) from None


def _when(group: str, members: int | None) -> str:
    if members is None:
        return f"Whether group {group} has members now is not known: it begins when they have read of it."
    if not members:
        return f"Group {group} has no members now: it begins when the service starts."
    return f"Group {group} has {_counted(members, 'member')}: each begins it with one of its partitions, then the next."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


@backfill_app.command("status")
def backfill_status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Print it once nothing is due or under way, and the newest request is heeded."
        ),
    ] = False,
) -> None:
    """How far backfills are, by partition, as the workers report. Exit code 0 where nothing is due or under way, as far as was reported; else 1."""
    from processor.operations.backfill_table import backfill_notes, backfill_table, backfill_tree

    settings = settings_or_refuse()
    with errors_printed():
        view, members = asyncio.run(_looked(settings, wait=wait))
    console, now_ms = Console(), round(time.time() * 1000)
    if as_json:
        typer.echo(json.dumps(backfill_tree(view, members), indent=2, ensure_ascii=False))
    else:
        show(backfill_table(view, f"backfills of {settings.kafka.topic}", now_ms), console)
        for note in backfill_notes(view, members, now_ms):
            console.print(plain(note), soft_wrap=True)
    if not view.is_done:
        raise typer.Exit(1)


async def _looked(settings: Settings, *, wait: bool) -> tuple[BackfillView, int | None]:
    """What there is now, or once nothing is due, and how many members the group has."""
    from processor.operations.backfill_requests import backfill_views, members_if_known

    done: int | None = None
    while True:
        try:
            async with aclosing(backfill_views(settings)) as views:
                async for view in views:
                    if view.is_done or not wait:
                        return view, await members_if_known(settings)
                    now_done = sum(each.is_done for each in view.partitions)
                    if now_done != done:
                        done = now_done
                        _note(f"complete: {done} of {len(view.partitions)} partitions")
        except KafkaUnavailable as error:
            if done is None:
                raise
            _note(f"{error}; trying again")
            await asyncio.sleep(_AGAIN_S)


def _note(text: str) -> None:
    errors.print(plain(text), highlight=False)
