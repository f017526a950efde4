"""The two configuration files as a set-up makes them: from what was chosen to their text, which the loader takes.

A secret is never in it: where there are keys, the text names the variables that hold them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from processor.configuration import parse_configuration
from processor.errors import ConfigurationError
from processor.governance.destination import PLATFORM_NAMESPACE, Segment
from processor.governance.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.errors import Problem
    from processor.operations.suggestions import AttributeSeen

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*(?:\.[A-Za-z0-9_/-]+)*")
_NOT_PLAIN: Final = frozenset({"null", "true", "false", "y", "n", "yes", "no", "on", "off"})
"""Other scalars than texts, for this loader or for another that reads older YAML."""
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_BEYOND_16_BITS: Final = 0xFFFF
_COMMENTED_MAX: Final = 50
_STAND_IN: Final = "unset"


@dataclass(frozen=True, slots=True)
class Action:
    """A marketing action of one's own."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was chosen. `access_key_variable` and `secret_key_variable` are variables' names, both or neither.

    `seen` are attributes that may be mapped, for comments in the file. `governance` is the text and the name of a
    governance file that is there; `own_actions` are declared in one that is to be made where there is none.
    """

    name: str = _STAND_IN
    description: str = ""
    region: str = _STAND_IN
    access_key_variable: str | None = None
    secret_key_variable: str | None = None
    connection_url: str | None = None
    stream: str = _STAND_IN
    marketing_actions: tuple[str, ...] = ()
    own_actions: tuple[Action, ...] = ()
    segments: tuple[Segment, ...] = ()
    attributes: tuple[str, ...] = ()
    seen: tuple[AttributeSeen, ...] = ()
    governance: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that the file refers to."""
        return tuple(each for each in (self.access_key_variable, self.secret_key_variable) if each)

    @property
    def makes_governance(self) -> bool:
        """Whether a governance file must be made, to declare actions of one's own."""
        return self.governance is None and bool(self.own_actions)


def destination_text(draft: Draft) -> str:
    """The destination file."""
    return "".join(f"{line}\n" for line in _destination_lines(draft))


def governance_text(actions: Sequence[Action]) -> str:
    """A governance file that declares `actions`, and says nothing else."""
    lines = [
        "# Labels and policies go here as well: docs/configuration.md.",
        "enforcement: filter",
        "marketingActions:",
    ]
    for action in actions:
        lines.append(f"  - name: {_text(action.name)}")
        if action.description:
            lines.append(f"    description: {_text(action.description)}")
    return "".join(f"{line}\n" for line in lines)


def plan_of_draft(draft: Draft, environ: Mapping[str, str]) -> Plan:
    """What the loader makes of the two files; variables that are not set yet are taken as set. `block` is not enforced here.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    governance = draft.governance
    if draft.makes_governance:
        governance = governance_text(draft.own_actions), "governance file"
    stand_ins = dict.fromkeys(draft.variables, _STAND_IN)
    return Plan(
        *parse_configuration(
            (destination_text(draft), "destination file"), governance, {**stand_ins, **environ}
        )
    )


def problems_with(member: str, draft: Draft, environ: Mapping[str, str]) -> list[Problem]:
    """What is wrong with one member of the destination file, whatever else is still missing."""
    whole = replace(draft, segments=draft.segments or (Segment(PLATFORM_NAMESPACE, _STAND_IN),))
    try:
        plan_of_draft(whole, environ)
    except ConfigurationError as error:
        return [each for each in error.problems if re.split(r"[.\[]", each.member)[0] == member]
    return []


def removals_of(plan: Plan) -> list[str]:
    """What governance removes of what is mapped, a sentence each."""
    return [
        f"{each.item.kind} {each.item.name} (labels: {', '.join(sorted(each.item.labels))}): policy {each.policy!r} "
        f"forbids it for {each.action}"
        for each in plan.standing.removals
    ]


def _destination_lines(draft: Draft) -> Iterator[str]:
    yield f"name: {_text(draft.name)}"
    if draft.description:
        yield f"description: {_text(draft.description)}"
    yield "connection:"
    yield f"  region: {_text(draft.region)}"
    if draft.access_key_variable and draft.secret_key_variable:
        yield f"  accessKeyId: ${{{draft.access_key_variable}}}"
        yield f"  secretKey: ${{{draft.secret_key_variable}}}"
    else:
        yield "  # No keys: AWS's default credential chain is used."
    if draft.connection_url:
        yield f"  connectionUrl: {_text(draft.connection_url)}"
    yield f"stream: {_text(draft.stream)}"
    yield f"marketingActions: [{', '.join(map(_text, draft.marketing_actions))}]"
    yield "segments:"
    for segment in draft.segments:
        yield f"  - id: {_text(segment.id)}"
        if segment.namespace != PLATFORM_NAMESPACE:
            yield f"    namespace: {_text(segment.namespace)}"
        if segment.name:
            yield f"    name: {_text(segment.name)}"
    yield from _attribute_lines(draft)


def _attribute_lines(draft: Draft) -> Iterator[str]:
    if not draft.attributes:
        yield "attributes: []"
    else:
        yield "attributes:"
        yield from (f"  - {_text(path)}" for path in draft.attributes)
    mapped = set(draft.attributes)
    others = [each for each in draft.seen if each.path not in mapped]
    if others:
        yield "# Not mapped, though recent events have them:"
        yield from (f"#  - {_text(each.path)}" for each in others[:_COMMENTED_MAX])
    if len(others) > _COMMENTED_MAX:
        yield f"# and {len(others) - _COMMENTED_MAX} more"


def _text(text: str) -> str:
    """A text as YAML: as it is where it can be nothing else, else in quotes, with all that is not printable escaped."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    return '"' + "".join(map(_written, text.replace("$", "$$"))) + '"'


def _written(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > _BEYOND_16_BITS else f"\\u{code:04x}"
