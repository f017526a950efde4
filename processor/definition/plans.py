"""What a definition would export, compiled: its secrets stay sealed, and a variable is taken as set, for each member has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.configuration import parse_configuration, parse_governance
from processor.definition.files import DESTINATION_SOURCE, derived_files
from processor.errors import ConfigurationError
from processor.governance.document import Governance
from processor.governance.plan import Plan

if TYPE_CHECKING:
    from processor.definition.model import Definition
    from processor.errors import Problem


class _AllSet(dict[str, str]):
    """An environment in which every variable is set: whether one is, is each member's own."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "set"


ALL_SET: Final = _AllSet()
"""An environment in which every variable has a value."""


def stand_in(*_: str) -> str:
    """What stands for a secret where nothing but its being there counts."""
    return "sealed"


def plan_of(definition: Definition) -> Plan | None:
    """What the dataflow exports while it is enabled; None where there is none, it maps no segment, or a former release took it alone."""
    derived = derived_files(definition, stand_in)
    if derived.problems or derived.destination is None:
        return None
    try:
        return Plan(
            *parse_configuration((derived.destination, DESTINATION_SOURCE), derived.governance_file, ALL_SET)
        )
    except ConfigurationError:
        return None


def governance_of(definition: Definition) -> Governance:
    """The labels and policies in force.

    Raises:
        ConfigurationError: they are not such that this release takes them.

    """
    derived = derived_files(definition, stand_in)
    found: list[Problem] = []
    text = derived.governance_file
    governance = Governance() if text is None else parse_governance(*text, ALL_SET, found)
    if found or governance is None:
        raise ConfigurationError([derived.traced(each) for each in found])
    return governance
