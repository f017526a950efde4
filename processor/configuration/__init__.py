"""The two configuration files: read, checked to the last member, and turned into value objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.configuration.destination_file import parse_destination
from processor.configuration.governance_file import parse_governance
from processor.configuration.located import read_text
from processor.errors import ConfigurationError, Problem
from processor.governance.document import CORE_MARKETING_ACTIONS, Governance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from processor.governance.destination import Destination

__all__ = [
    "Files",
    "load_configuration",
    "parse_configuration",
    "parse_destination",
    "parse_files",
    "parse_governance",
    "read_files",
]


@dataclass(frozen=True, slots=True)
class Files:
    """The two files as they were read at one time: each one's text and name; a text is None where `unread` says why."""

    destination: tuple[str | None, str] = field(repr=False)
    governance: tuple[str | None, str] | None = field(repr=False)
    unread: list[Problem]


def read_files(destination_file: Path, governance_file: Path | None) -> Files:
    """Read both files; nothing is checked yet."""
    unread: list[Problem] = []
    return Files(
        (read_text(destination_file, unread), str(destination_file)),
        None if governance_file is None else (read_text(governance_file, unread), str(governance_file)),
        unread,
    )


def parse_files(files: Files, environ: Mapping[str, str]) -> tuple[Destination, Governance]:
    """What the files say; without a governance file there are no labels and no policies.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    problems = list(files.unread)
    if problems and files.destination[0] is None:
        raise ConfigurationError(problems)
    return parse_configuration(files.destination, files.governance, environ, problems)


def load_configuration(
    destination_file: Path, governance_file: Path | None, environ: Mapping[str, str]
) -> tuple[Destination, Governance]:
    """Read both files, and see what they say; errors as `parse_files`."""
    return parse_files(read_files(destination_file, governance_file), environ)


def parse_configuration(
    destination: tuple[str | None, str],
    governance: tuple[str | None, str] | None,
    environ: Mapping[str, str],
    found: list[Problem] | None = None,
) -> tuple[Destination, Governance]:
    """As `parse_files`, on texts, each with the name it has in messages; `found` are problems to add to.

    Raises:
        ConfigurationError: with everything that is wrong with either text.

    """
    problems = [] if found is None else found
    parsed_destination: Destination | None = None
    parsed_governance: Governance | None = Governance()
    text, source = destination
    if text is not None:
        parsed_destination = parse_destination(text, source, environ, problems)
    if governance is not None:
        text, governance_source = governance
        parsed_governance = (
            None if text is None else parse_governance(text, governance_source, environ, problems)
        )
    if parsed_destination is not None and parsed_governance is not None:
        problems.extend(_unknown_actions(parsed_destination, parsed_governance))
    if problems or parsed_destination is None or parsed_governance is None:
        raise ConfigurationError(problems)
    return parsed_destination, parsed_governance


def _unknown_actions(destination: Destination, governance: Governance) -> list[Problem]:
    known = CORE_MARKETING_ACTIONS | set(governance.custom_actions)
    return [
        Problem(
            source=destination.source,
            line=destination.lines.get(f"marketingActions[{index}]"),
            member=f"marketingActions[{index}]",
            message=f"{action!r} is neither a core marketing action nor a custom one that is declared",
            remedy=f"Declare it as a custom marketing action, or use one of: {', '.join(sorted(known))}",
        )
        for index, action in enumerate(destination.marketing_actions)
        if action not in known
    ]
