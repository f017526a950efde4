"""Whether a change may be kept: the whole definition is checked, and refused in the API's form of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.api.errors import ApiError, Violation, Wrong, invalid
from processor.definition.checks import bound, check

if TYPE_CHECKING:
    from processor.definition.checks import Breach
    from processor.definition.model import Definition
    from processor.errors import Problem
    from processor.flow_service.documents import Json

_WHOLE = ("", "/", "(the file)")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A definition that may be kept, and what is to be told of it all the same."""

    definition: Definition
    violations: tuple[Violation, ...] = ()
    """What governance removes of each export."""

    def report(self, without_effect: tuple[Wrong, ...] = ()) -> dict[str, Json]:
        """What an answer says beside ids: `report`, with members that have no effect; empty where there is nothing."""
        report: dict[str, Json] = {}
        if self.violations:
            report["violations"] = [each.json() for each in self.violations]
        if without_effect:
            report["withoutEffect"] = [each.json() for each in dict.fromkeys(without_effect)]
        return {"report": report} if report else {}


def accepted(former: Definition, changed: Definition, sent: str = "") -> Accepted:
    """The changed definition, bound to its stream where it is time.

    `sent` names the object that the request's body is (`flows/8256cfb4…`), so that its places are told as the body's.

    Raises:
        ApiError: something is wrong with it, or governance blocks it.

    """
    checked = check(former, changed)
    if checked.problems:
        # What a former release took and this one does not is mended by one change after the other.
        known = set(check(former, former).problems)
        problems = tuple(each for each in checked.problems if each not in known)
        if problems:
            raise refused(problems, sent)
    violations = tuple(_violation(each, sent) for each in checked.breaches)
    if violations and checked.is_blocking:
        raise _blocked(violations)
    return Accepted(bound(changed), violations)


def refused(problems: tuple[Problem, ...], sent: str = "") -> ApiError:
    """The refusal of a definition with these problems."""
    wrong = [
        Wrong(_pointer(each.member), each.message, each.remedy, "" if each.source == sent else each.source)
        for each in problems
    ]
    more = "" if len(wrong) == 1 else f", and {len(wrong) - 1} more under report.errors"
    return invalid(f"{wrong[0]}{more}", wrong)


def _pointer(member: str) -> str:
    return "" if member in _WHOLE else member


def _violation(breach: Breach, sent: str) -> Violation:
    removal, (source, place) = breach.removal, breach.place
    where = Wrong(_pointer(place), f"it is mapped to the {removal.item.kind} {removal.item.name}")
    if source != sent:
        where = Wrong(where.pointer, where.message, of=source)
    return Violation(
        removal.policy,
        removal.action,
        tuple(sorted(removal.item.labels)),
        removal.item.kind,
        removal.item.name,
        where,
    )


def _blocked(violations: tuple[Violation, ...]) -> ApiError:
    first = violations[0]
    more = "" if len(violations) == 1 else f" (and {len(violations) - 1} more, see report.violations)"
    return ApiError(
        400,
        "Data policy violation",
        f"the {first.kind} {first.name} (labels: {', '.join(first.labels)}) may not be exported: the policy {first.policy!r} "
        f"forbids it for the marketing action {first.action!r}{more}. Unmap the item, or change its labels or the policy; "
        "with PUT /data/foundation/dulepolicy/enforcement to `filter` it is removed instead",
        violations=violations,
    )
