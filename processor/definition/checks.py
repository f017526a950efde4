"""A changed definition beside the former: whether it is whole, what it may not change, and what it would remove."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from processor.configuration import parse_configuration, parse_governance
from processor.definition.files import (
    DESTINATION_SOURCE,
    GOVERNANCE_SOURCE,
    derived_files,
    name_of,
    selectors_of,
    the_flow,
    why_idle,
)
from processor.definition.parts import at, parts_in_waiting, target_and_base, target_of, with_a_segment
from processor.definition.plans import ALL_SET, stand_in
from processor.errors import ConfigurationError, Problem
from processor.flow_service.findings import pointer
from processor.flow_service.names import action_of_ref, is_custom_ref
from processor.flow_service.selectors import ATTRIBUTE, SEGMENT
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.governance.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.definition.files import DerivedFiles
    from processor.definition.model import Definition, Resource
    from processor.governance.destination import Destination
    from processor.governance.document import Governance
    from processor.governance.plan import Removal

_OPERATORS: Final = (None, "EXISTS")
_ONE_FLOW: Final = "a consumer group is one dataflow"
_FIXED: Final = (("params", "stream"), ("auth", "params", "connectionUrl"))
"""Of the target and the base connection, beside the region, which never changes."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What governance removes of what is mapped; `place` is where it is mapped, or labelled: an object, and a JSON pointer."""

    removal: Removal
    place: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a definition; each `Problem` has an object's name as its source and a JSON pointer as its member.

    With `problems` it cannot be kept. `breaches` are what governance removes of what is mapped: with `is_blocking` it cannot
    be kept either, else that is removed of each export.
    """

    problems: tuple[Problem, ...] = ()
    breaches: tuple[Breach, ...] = ()
    is_blocking: bool = False

    @property
    def may_be_kept(self) -> bool:
        """Whether nothing is wrong with the definition."""
        return not self.problems and not (self.is_blocking and self.breaches)


def check(former: Definition, new: Definition) -> Checked:
    """See whether `new` may follow `former`. Secrets stay sealed: that they open is not looked at."""
    derived = derived_files(with_a_segment(new), stand_in)
    unread = [*_unreadable_selectors(new), *derived.problems]
    problems = [*_surplus_flows(new), *_undeclared_actions(new), *unread]
    problems += _elsewhere(new) or _changed_while_it_runs(former, new)
    # The files of what cannot be read lack it, and our loader would tell of that, too.
    destination, governance = (None, None) if unread else _parsed(derived, problems)
    for part in parts_in_waiting(former, new):
        waiting = derived_files(part, stand_in)
        problems += waiting.problems
        if not waiting.problems:
            _parsed(waiting, problems)
    breaches: tuple[Breach, ...] = ()
    if destination is not None and governance is not None:
        removals = Plan(destination, governance).standing.removals
        breaches = tuple(Breach(each, _place(derived, each)) for each in removals)
    return Checked(
        tuple(dict.fromkeys(problems)),
        breaches,
        governance is not None and governance.enforcement == "block",
    )


def bound(definition: Definition) -> Definition:
    """The definition with the target that its records go to, for good, once there is one that may have had some."""
    target = target_of(definition)
    if definition.bound_to is not None or target is None or why_idle(definition) is not None:
        return definition
    return replace(definition, bound_to=target)


def _surplus_flows(new: Definition) -> Iterator[Problem]:
    for flow in new.of("flows")[1:]:
        yield Problem(
            name_of("flows", flow.id),
            None,
            "/",
            f"there is the dataflow {new.of('flows')[0].id} already, and {_ONE_FLOW}",
            "Change that one, or run the service with another PROCESSOR_KAFKA_GROUP for this one",
        )


def _unreadable_selectors(new: Definition) -> Iterator[Problem]:
    """Selectors that would be left out: a flow that exports other than it says is refused."""
    flow = the_flow(new)
    if flow is None:
        return
    for member, known in (("segmentSelectors", SEGMENT), ("profileSelectors", ATTRIBUTE)):
        for place, selector in selectors_of(flow.body, member):
            if not isinstance(selector, dict):
                continue  # told where it is read
            kind, value = selector.get("type", known), selector.get("value")
            if kind != known:
                message = f"selectors of type {kind!r} are not known here"
                yield _of_flow(flow, place + pointer("type"), message, f"Give one of type {known}")
            operator = value.get("operator") if isinstance(value, dict) and known == ATTRIBUTE else None
            if operator not in _OPERATORS:
                message = f"the operator {operator!r} is not known here"
                yield _of_flow(flow, place + pointer("value", "operator"), message, "Give EXISTS")


def _undeclared_actions(new: Definition) -> Iterator[Problem]:
    """References to custom marketing actions that there are none of: our loader takes a reference's word for it."""
    known = CORE_MARKETING_ACTIONS | {each.id for each in new.of("marketingActions/custom")}
    for collection in ("policies/core", "policies/custom", "consentPolicies"):
        for policy in new.of(collection):
            refs = policy.body.get("marketingActionRefs")
            for index, ref in enumerate(refs if isinstance(refs, list) else []):
                if isinstance(ref, str) and is_custom_ref(ref) and (name := _action(ref)) not in known:
                    yield Problem(
                        name_of(collection, policy.id),
                        None,
                        pointer("marketingActionRefs", index),
                        f"there is no marketing action {name!r}",
                        "Declare it by PUT /marketingActions/custom/{name}, or name another",
                    )


def _action(ref: str) -> str | None:
    try:
        return action_of_ref(ref, CORE_MARKETING_ACTIONS)
    except ValueError:
        return None  # told where it is read


def _elsewhere(new: Definition) -> list[Problem]:
    """The dataflow goes to another stream than the one that the group's records went to."""
    flow, target, was = the_flow(new), target_of(new), new.bound_to
    if flow is None or target is None or was is None or target == was:
        return []
    return [
        _of_flow(
            flow,
            pointer("targetConnectionIds", 0),
            f"it goes to the stream {target.stream} in {target.region}, and this group's goes to {was.stream} in "
            f"{was.region} for good: its state says what was exported there",
            "Run the service with another PROCESSOR_KAFKA_GROUP for another stream",
        )
    ]


def _changed_while_it_runs(former: Definition, new: Definition) -> list[Problem]:
    """What workers do not take on while they run, of connections of a dataflow that exports."""
    flow, before, now = the_flow(new), target_and_base(former), target_and_base(new)
    if why_idle(former) is not None or why_idle(new) is not None:
        return []
    if flow is None or before is None or now is None:
        return []
    return [
        Problem(
            name_of(is_now.collection, is_now.id),
            None,
            pointer(*steps),
            "it cannot change while the dataflow is enabled",
            f"Disable the dataflow first, by POST /flows/{flow.id}/action?op=disable",
        )
        for was, is_now, steps in zip(before, now, _FIXED, strict=True)
        if at(is_now.body, *steps) != at(was.body, *steps)
    ]


def _parsed(derived: DerivedFiles, problems: list[Problem]) -> tuple[Destination | None, Governance | None]:
    """What our loader makes of the files, with its problems traced and added."""
    found: list[Problem] = []
    destination: Destination | None = None
    governance: Governance | None = None
    if derived.destination is None:
        if derived.governance_file is not None:
            governance = parse_governance(*derived.governance_file, ALL_SET, found)
    else:
        with suppress(ConfigurationError):  # its problems are in `found`
            destination, governance = parse_configuration(
                (derived.destination, DESTINATION_SOURCE), derived.governance_file, ALL_SET, found
            )
    problems.extend(derived.traced(each) for each in found)
    return destination, governance


def _place(derived: DerivedFiles, removal: Removal) -> tuple[str, str]:
    source = GOVERNANCE_SOURCE if removal.item.kind == "identity" else DESTINATION_SOURCE
    traced = derived.traced(Problem(source, None, removal.item.member, "", ""))
    return traced.source, traced.member


def _of_flow(flow: Resource, place: str, message: str, remedy: str) -> Problem:
    return Problem(name_of("flows", flow.id), None, place, message, remedy)
