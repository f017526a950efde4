"""The two configuration files: read, checked to the last member, and turned into value objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.configuration.destination_file import parse_destination
from processor.configuration.governance_file import parse_governance
from processor.configuration.located import read_text
from processor.errors import ConfigurationError, Problem
from processor.governance.document import CORE_MARKETING_ACTIONS, Governance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from processor.destination import Destination

__all__ = ["load_configuration", "parse_configuration", "parse_destination", "parse_governance"]


def load_configuration(
    destination_file: Path, governance_file: Path | None, environ: Mapping[str, str]
) -> tuple[Destination, Governance]:
    """Read both files; without a governance file there are no labels and no policies.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    problems: list[Problem] = []
    destination_text = read_text(destination_file, problems)
    governance_text = None if governance_file is None else read_text(governance_file, problems)
    if problems and destination_text is None:
        raise ConfigurationError(problems)
    return parse_configuration(
        (destination_text, str(destination_file)),
        None if governance_file is None else (governance_text, str(governance_file)),
        environ,
        problems,
    )


def parse_configuration(
    destination: tuple[str | None, str],
    governance: tuple[str | None, str] | None,
    environ: Mapping[str, str],
    found: list[Problem] | None = None,
) -> tuple[Destination, Governance]:
    """As `load_configuration`, on texts, each with the name it has in messages; `found` are problems to add to.

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
            message=f"{action!r} is neither a core marketing action nor declared in the governance file",
            remedy=f"Declare it under marketingActions there, or use one of: {', '.join(sorted(known))}",
        )
        for index, action in enumerate(destination.marketing_actions)
        if action not in known
    ]
