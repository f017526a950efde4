"""The command line: `processor state show | stats | rebuild | restore-changelog | repartition`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Table

from processor.cli.console import errors_printed, print_error, progress_shown, settings_or_refuse
from processor.operations.text_table import plain, show

state_app = typer.Typer(
    no_args_is_help=True, help="Look at what was last exported, and rebuild local stores."
)


@state_app.command("show")
def state_show(
    profile_id: Annotated[str, typer.Argument(metavar="PROFILE_ID")],
    *,
    changelog: Annotated[
        bool, typer.Option("--changelog", help="Read the changelog, though a local store has the profile.")
    ] = False,
) -> None:
    """What was last exported for a profile, from this machine's stores or else from the changelog."""
    from processor.operations import state_inspection
    from processor.profile.state_record import ATTRIBUTE_BYTES

    settings = settings_or_refuse()
    with errors_printed():
        found = None if changelog else state_inspection.find_in_stores(settings, profile_id.encode())
        if found is None:
            with progress_shown() as progress:
                bar = progress.add_task("reading the changelog")

                def show(done: int, total: int) -> None:
                    progress.update(bar, completed=done, total=total)

                found = asyncio.run(state_inspection.find_in_changelog(settings, profile_id.encode(), show))
    if found is None:
        print_error(f"nothing is exported for {profile_id}: it is in no mapped segment, or was not seen yet")
        raise typer.Exit(1)
    record = found.record
    memberships = [
        {"namespace": key.rpartition("\0")[0] or "ups", "segment": key.rpartition("\0")[2], "since": since}
        for key, since in record.memberships.items()
    ]
    answer = {
        "profile": profile_id,
        "partition": found.partition,
        "foundIn": found.place,
        "sourceOffset": record.offset,
        "memberships": memberships,
        "identityMap": json.loads(record.identities),
        "exportedAttributes": len(record.attributes) // ATTRIBUTE_BYTES,
    }
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))


@state_app.command("stats")
def state_stats() -> None:
    """Changelog and local store of every partition."""
    from processor.operations import state_inspection

    settings = settings_or_refuse()
    table = Table(title=plain(f"changelog {settings.changelog_topic}"))
    for column in ("partition", "changelog from", "to", "local store at", "behind", "profiles, about", "MiB"):
        table.add_column(column, justify="right")

    async def collect() -> None:
        async for each in state_inspection.figures(settings):
            local = ["-"] * 4
            if each.store_position is not None:
                local = [
                    str(each.store_position),
                    str(max(each.changelog_end - each.store_position, 0)),
                    str(each.store_profiles),
                    f"{(each.store_bytes or 0) / 2**20:.1f}",
                ]
            table.add_row(str(each.partition), str(each.changelog_begin), str(each.changelog_end), *local)

    with errors_printed():
        asyncio.run(collect())
    show(table)


@state_app.command("rebuild")
def state_rebuild(
    partition: Annotated[
        int | None, typer.Option("--partition", help="Only this one.", show_default=False)
    ] = None,
) -> None:
    """Remove this machine's local stores; the next start restores them from the changelog."""
    from processor.operations import state_inspection

    settings = settings_or_refuse()
    with errors_printed():
        removed = state_inspection.rebuild(settings, partition)
    typer.echo(f"removed: {', '.join(map(str, removed)) or 'nothing, there was none'}")


@state_app.command("restore-changelog")
def state_restore_changelog(
    partition: Annotated[
        list[int] | None,
        typer.Option(
            "--partition",
            min=0,
            help="Only this one, and each further that is given; by default all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a changelog that was lost anew from this machine's local stores; the service must be stopped everywhere."""
    from processor.operations import restore_changelog

    settings = settings_or_refuse()
    with errors_printed(), progress_shown() as progress:
        bar = progress.add_task("writing the changelog", total=None)

        def show_progress(number: int, profiles: int) -> None:
            progress.update(bar, description=f"partition {number}: {profiles} profiles written")

        done = asyncio.run(restore_changelog.restore_changelog(settings, partition or [], show_progress))
    table = Table(title=plain(f"changelog {settings.changelog_topic}, written anew"), title_justify="left")
    for column in ("partition", "profiles", "changelog to", "goes on at offset", "set back from"):
        table.add_column(column, justify="right")
    for each in done:
        set_back = str(each.committed_before) if each.committed < each.committed_before else "-"
        table.add_row(
            str(each.partition), str(each.profiles), str(each.changelog_end), str(each.committed), set_back
        )
    show(table)


@state_app.command("repartition")
def state_repartition() -> None:
    """Move the state after partitions were added to the source; the service must have finished the former ones, and be stopped."""
    from processor.operations import repartition

    settings = settings_or_refuse()
    with errors_printed(), progress_shown() as progress:
        bar = progress.add_task("looking at the state", total=None)

        def show_progress(doing: str, profiles: int) -> None:
            progress.update(bar, description=f"{doing}: {profiles} profiles" if profiles else doing)

        done = asyncio.run(repartition.repartition(settings, show_progress))
    title = f"changelog {settings.changelog_topic}, from {done.before} partitions to {done.now}"
    table = Table(title=plain(title), title_justify="left")
    for column in ("partition", "profiles moved to it", "goes on at offset"):
        table.add_column(column, justify="right")
    for partition in range(done.now):
        table.add_row(str(partition), str(done.moved[partition]), str(done.goes_on_at[partition]))
    show(table)
