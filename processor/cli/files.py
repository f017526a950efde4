"""The two configuration files, as commands are given them: the options that name them, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.configuration import read_files
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError, Problem
from processor.settings import is_defined_in_kafka, load_file_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.configuration import Files
    from processor.governance.plan import Plan

_IN_KAFKA: Final = Problem(
    "environment",
    None,
    "PROCESSOR_CONFIGURATION",
    "what is exported is defined in Kafka, where this command does not look",
    "Write it to files by `processor configuration to-files`, and name them with --destination and --governance; "
    "`processor configuration show` says what is defined",
)

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


def files_of(destination: Path | None, governance: Path | None) -> Files:
    """Read the files that the options name, or else the environment; nothing is checked yet.

    Raises:
        ConfigurationError: the environment does not name a destination file as it should, or says that there is none.

    """
    if destination is None and is_defined_in_kafka():
        raise ConfigurationError([_IN_KAFKA])
    return files_named(destination, governance)


def files_named(destination: Path | None, governance: Path | None) -> Files:
    """As `files_of`, also where the environment says that they are not followed."""
    named = load_file_settings()
    return read_files(destination or named.destination_file, governance or named.governance_file)


def compiled(destination: Path | None, governance: Path | None) -> tuple[Plan | None, Sequence[Problem]]:
    """Return the plan that the files say, or None and what is wrong with them."""
    return _plan_of(lambda: files_of(destination, governance))


def compiled_alone(destination: Path, governance: Path | None) -> tuple[Plan | None, Sequence[Problem]]:
    """As `compiled`, of these files whatever the environment names."""
    return _plan_of(lambda: read_files(destination, governance))


def _plan_of(read: Callable[[], Files]) -> tuple[Plan | None, Sequence[Problem]]:
    try:
        return plan_of(read()), ()
    except ConfigurationError as error:
        return None, error.problems
