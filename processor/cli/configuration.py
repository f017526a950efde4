"""The command line: `processor configuration show | to-kafka | to-files | reseal`."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from processor.cli.console import errors, errors_printed, print_error, settings_or_refuse
from processor.cli.files import DestinationOption, GovernanceOption, files_named
from processor.errors import EXIT_BAD_CONFIGURATION, ConfigurationError
from processor.operations.text_table import plain, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.definition.model import Definition, Resource
    from processor.errors import Problem
    from processor.operations.definition_move import Moved

configuration_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the definition that is kept in Kafka, and move one between the two files and Kafka.",
)

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Change nothing: say what would be, and what is wrong.")
]


@configuration_app.command("show")
def configuration_show(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it whole, as JSON, less its secrets.")
    ] = False,
) -> None:
    """What is defined in Kafka: its version, whether it exports, and its objects."""
    from processor.operations.definition_in_kafka import definition_in_kafka

    settings = settings_or_refuse()
    with errors_printed():
        definition = asyncio.run(definition_in_kafka(settings))
    if as_json:
        typer.echo(json.dumps(_tree(definition), indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(plain(_standing(definition)), soft_wrap=True)
    if definition.bound_to is not None:
        bound_to = definition.bound_to
        console.print(plain(f"bound to stream {bound_to.stream} in {bound_to.region}"), soft_wrap=True)
    if definition.resources:
        show(_table(definition), console)


@configuration_app.command("to-kafka")
def configuration_to_kafka(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    *,
    by: Annotated[
        str, typer.Option("--by", help="Who moves it, or why: kept with each object.")
    ] = "processor configuration to-kafka",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a definition that is in Kafka already.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Put what the two files define in force in Kafka, for members with PROCESSOR_CONFIGURATION=kafka to follow; the files stay."""
    from processor.operations.definition_move import move_to_kafka, tried_move_to_kafka
    from processor.operations.sealing_key_file import SealingKeyFile

    settings = settings_or_refuse()
    try:
        files = files_named(destination, governance)
        sealing = SealingKeyFile(settings.api.api_secret_key_file).sealing()
        with errors_printed(but=ConfigurationError):
            moved = asyncio.run(
                tried_move_to_kafka(settings, files, os.environ, sealing, replaces=replace)
                if dry_run
                else move_to_kafka(settings, files, os.environ, sealing, by=by, replaces=replace)
            )
    except ConfigurationError as error:
        _refuse(error.problems)
    _print_moved(moved, settings.configuration_topic, is_tried=dry_run)


@configuration_app.command("to-files")
def configuration_to_files(
    destination_out: Annotated[
        Path | None,
        typer.Option(
            "--destination-out",
            help="Where the destination file is written [PROCESSOR_DESTINATION_FILE, destination.yaml].",
            show_default=False,
        ),
    ] = None,
    governance_out: Annotated[
        Path | None,
        typer.Option(
            "--governance-out",
            help="Where the governance file is written [PROCESSOR_GOVERNANCE_FILE, governance.yaml].",
            show_default=False,
        ),
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing: print both files on standard output.")
    ] = False,
) -> None:
    """Write the two files that export what is defined in Kafka, for members with PROCESSOR_CONFIGURATION=files; Kafka keeps it."""
    from processor.operations.definition_in_kafka import definition_in_kafka
    from processor.operations.definition_move import written_as_files

    settings = settings_or_refuse()
    with errors_printed():
        definition = asyncio.run(definition_in_kafka(settings))
    try:
        written = written_as_files(definition)
    except ConfigurationError as error:
        _refuse(error.problems)
    named = settings.files
    texts, notes = {destination_out or named.destination_file: written.destination}, list(written.notes)
    if written.governance is not None:
        governance = governance_out or named.governance_file or Path("governance.yaml")
        texts[governance] = written.governance
        if governance != named.governance_file:
            notes.append(
                f"members export what is forbidden unless they are started with PROCESSOR_GOVERNANCE_FILE={governance}; "
                "to-kafka needs it, too"
            )
    if dry_run:
        typer.echo("---\n".join(texts.values()), nl=False)
    else:
        _write(texts, force=force)
    for note in notes:
        errors.print(plain(f"note: {note}"), soft_wrap=True)


@configuration_app.command("reseal")
def configuration_reseal(*, dry_run: DryRunOption = False) -> None:
    """Encrypt the secrets of the definition in Kafka with the first key of PROCESSOR_API_SECRET_KEY_FILE, so that the others can go."""
    from processor.operations.definition_resealing import reseal, tried_reseal
    from processor.operations.sealing_key_file import SealingKeyFile

    settings = settings_or_refuse()
    try:
        sealing = SealingKeyFile(settings.api.api_secret_key_file).sealing()
        with errors_printed(but=ConfigurationError):
            found = asyncio.run(
                tried_reseal(settings, sealing)
                if dry_run
                else reseal(settings, sealing, by="processor configuration reseal")
            )
    except ConfigurationError as error:
        _refuse(error.problems)
    objects = f"{found.objects} {'object' if found.objects == 1 else 'objects'}"
    if not found.objects:
        line = "every secret is encrypted with the first key already; nothing was changed"
    elif dry_run:
        line = f"secrets of {objects} would be encrypted with the first key"
    else:
        line = f"secrets of {objects} are encrypted with the first key now, in version {found.version}"
    line += ". The other keys can go once all members have the first" if not dry_run else ""
    Console().print(plain(line), soft_wrap=True)


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    for problem in problems:
        print_error(str(problem))
    count = len(problems)
    errors.print(f"{count} {'problem' if count == 1 else 'problems'}; nothing was changed.", highlight=False)
    raise typer.Exit(EXIT_BAD_CONFIGURATION)


def _write(texts: dict[Path, str], *, force: bool) -> None:
    from processor.operations.new_files import is_taken, trouble_with, write_new

    troubles = [trouble for path in texts if (trouble := trouble_with(path)) is not None]
    troubles += [
        f"{path}: it is there already. Name another, or write over it with --force"
        for path in texts
        if not force and is_taken(path)
    ]
    for trouble in troubles:
        print_error(trouble)
    if troubles:
        raise typer.Exit(2)
    try:
        write_new(texts, over=list(texts) if force else ())
    except OSError as error:
        print_error(f"nothing was written over: {error}")
        raise typer.Exit(2) from error
    for path in texts:
        errors.print(plain(f"{path}: written"), soft_wrap=True)


def _print_moved(moved: Moved, topic: str, *, is_tried: bool) -> None:
    console = Console()
    if not moved.is_change:
        line = f"topic {topic} has it already, version {moved.former.version}; nothing {'would be' if is_tried else 'was'} changed"
    elif is_tried:
        line = f"it would become version {moved.former.version + 1} in topic {topic}, in place of {len(moved.former.resources)} objects"
    else:
        line = f"it is version {moved.made.version} in topic {topic}"
    console.print(plain(line), soft_wrap=True)
    if moved.is_change:
        show(_table(moved.made), console)
    if not is_tried:
        console.print(
            plain(
                "Members follow it once they are started with PROCESSOR_CONFIGURATION=kafka, or with a token of the API."
            ),
            soft_wrap=True,
        )


def _standing(definition: Definition) -> str:
    from processor.definition.files import why_idle

    if not definition.version:
        return "nothing was ever defined in Kafka"
    idle = why_idle(definition)
    return f"version {definition.version}: {'the dataflow is enabled' if idle is None else idle}"


def _table(definition: Definition) -> Table:
    table = Table()
    for heading in ("object", "id", "name", "changed", "by"):
        table.add_column(heading)
    for each in definition.resources.values():
        changed = datetime.fromtimestamp(each.updated_at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = str(each.body.get("name", ""))
        table.add_row(*map(plain, (each.collection, each.id, name, changed, each.updated_by)))
    return table


def _tree(definition: Definition) -> dict[str, object]:
    from processor.definition.history import shown

    bound_to = definition.bound_to
    return {
        "version": definition.version,
        "boundTo": None if bound_to is None else {"stream": bound_to.stream, "region": bound_to.region},
        "resources": [_shown(each) for each in definition.resources.values()],
        "history": [shown(each) for each in definition.history],
    }


def _shown(resource: Resource) -> dict[str, object]:
    from processor.definition.sealing import shown_body

    return {
        "collection": resource.collection,
        "id": resource.id,
        "etag": resource.etag,
        "createdAt": resource.created_at_ms,
        "updatedAt": resource.updated_at_ms,
        "createdBy": resource.created_by,
        "updatedBy": resource.updated_by,
        "body": shown_body(resource.collection, resource.body),
    }
