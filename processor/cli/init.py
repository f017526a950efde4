"""The command line: `processor init`."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path  # noqa: TC003  typer looks at the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.console import print_error, refuse
from processor.errors import ConfigurationError
from processor.settings import load_file_settings

if TYPE_CHECKING:
    from processor.settings import FileSettings


def init(
    *,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--destination",
            help="The destination file to write [PROCESSOR_DESTINATION_FILE, destination.yaml].",
            show_default=False,
        ),
    ] = None,
    governance: Annotated[
        Path | None,
        typer.Option(
            "--governance",
            help="The governance file that holds; one is written where a marketing action of one's own needs it "
            "[PROCESSOR_GOVERNANCE_FILE].",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What people call this destination.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="AWS region [AWS_REGION, AWS_DEFAULT_REGION].")
    ] = None,
    access_key_variable: Annotated[
        str | None,
        typer.Option(
            "--access-key-variable",
            help="The name of the variable that will hold the access key id; without it AWS's default credential chain.",
        ),
    ] = None,
    secret_key_variable: Annotated[
        str | None,
        typer.Option("--secret-key-variable", help="The name of the variable that will hold the secret key."),
    ] = None,
    connection_url: Annotated[
        str | None, typer.Option("--connection-url", help="Another endpoint than AWS's.")
    ] = None,
    stream: Annotated[str | None, typer.Option("--stream", help="The stream's name or ARN.")] = None,
    marketing_action: Annotated[
        list[str] | None,
        typer.Option(
            "--marketing-action",
            help="What the data will be used for, and each further one that is given [exportToThirdParty]. One of one's own "
            "may be followed by `=` and what it is for.",
            show_default=False,
        ),
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            "--segment",
            help="A segment's id, or its namespace, `/` and its id; and each further one that is given.",
            show_default=False,
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute", help="An attribute's path, and each further one that is given.", show_default=False
        ),
    ] = None,
    from_topic: Annotated[
        bool,
        typer.Option(
            "--from-topic",
            help="Ask nothing, and map the segments that the topic's recent events have; attributes only where --attribute "
            "names them.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: what no option says is the default.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over files that exist, without asking.")
    ] = False,
    sample_events: Annotated[
        int,
        typer.Option(
            "--sample-events",
            min=1,
            max=100_000,
            help="So many of the last events of each partition are looked at for suggestions.",
        ),
    ] = 1_000,
) -> None:
    """Set up the two files: account, authentication, segments and attributes, with suggestions from the topic's recent events.

    It asks, and `?` answers with help; options answer beforehand, and with --yes or --from-topic nothing is asked. No secret is
    asked for or written, only the names of the variables that will hold it. Nothing is written before it was shown.
    """
    from processor.cli.init_flow import set_up, write
    from processor.cli.init_given import Given
    from processor.cli.questions import Questions

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal whose characters are few shows an escape in place of what it has none for.
        sys.stdout.reconfigure(errors="backslashreplace")
    files = _files_or_refuse()
    chosen = destination or files.destination_file
    named = governance or files.governance_file
    given = Given(
        destination=chosen,
        governance=named,
        name=name,
        description=description,
        region=region,
        access_key_variable=access_key_variable,
        secret_key_variable=secret_key_variable,
        connection_url=connection_url,
        stream=stream,
        marketing_actions=marketing_action,
        segments=segment,
        attributes=attribute,
        from_topic=from_topic,
        overwrite=overwrite,
        sample_events=sample_events,
    )
    try:
        ready = set_up(Questions(asks=not (yes or from_topic)), given, os.environ)
    except (typer.Abort, KeyboardInterrupt, EOFError) as error:
        typer.echo()
        print_error("interrupted: nothing was written")
        raise typer.Exit(1) from error
    write(ready)


def _files_or_refuse() -> FileSettings:
    try:
        return load_file_settings()
    except ConfigurationError as error:
        refuse(error.problems)
