"""The command line: `processor run`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from processor.cli.files import DestinationOption, GovernanceOption, files_of


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
    if worker is not None:
        from processor.cli.one_worker import run_worker

        raise typer.Exit(run_worker(worker, restarted=restarted, gives_id_back=gives_id_back))
    from processor.cli.service_process import run_all
    from processor.settings import is_defined_in_kafka

    if (destination or governance) and is_defined_in_kafka():
        raise typer.BadParameter(
            "--destination and --governance are of no use: what is exported is defined in Kafka, as PROCESSOR_CONFIGURATION, or a "
            "token of the API, says; `processor configuration to-kafka` moves files there"
        )
    raise typer.Exit(run_all(lambda: files_of(destination, governance), workers))
