"""The command line: `processor demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from processor.cli.console import print_error


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
        from processor.demo.run import run_demo
    except ModuleNotFoundError as error:
        print_error(f"{error.name} is missing: install the extra `demo`, profile-export-processor[demo]")
        raise typer.Exit(1) from error
    raise typer.Exit(run_demo(events=events, rate=rate, follow=follow))
