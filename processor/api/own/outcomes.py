"""What governance makes of a choice, before it is made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from processor.api.acceptance import refused
from processor.api.errors import Wrong, invalid
from processor.api.own.bodies import OutcomesBody
from processor.api.own.forms import fitted
from processor.api.own.items import shown_item
from processor.api.request import Answer
from processor.definition.parts import at, target_and_base
from processor.definition.plans import governance_of
from processor.errors import ConfigurationError
from processor.flow_service.findings import pointer
from processor.flow_service.names import action_of_ref
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.governance.outcomes import Outcomes
from processor.governance.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.api.own.bodies import Choices
    from processor.api.own.looked_at import LookedAt
    from processor.api.request import Request
    from processor.api.tokens import Bearer
    from processor.definition.model import Definition
    from processor.governance.document import Governance


class Governed:
    """Answers what the policies in force would remove."""

    def __init__(self, looked_at: LookedAt) -> None:
        self._looked_at = looked_at

    async def look(self, request: Request, _: Bearer) -> Answer:
        """Answer each item's labels, and why it would be removed, if it would."""
        definition = self._looked_at.definition()
        return await asyncio.to_thread(_answer, definition, request)


def _answer(definition: Definition, request: Request) -> Answer:
    asked = fitted(OutcomesBody, request.body)
    try:
        governance = governance_of(definition)
    except ConfigurationError as error:
        raise refused(error.problems) from None
    actions = _actions(definition, asked.marketing_actions, governance)
    plan = Plan(_destination(actions, asked if asked.beside is None else asked.beside), governance)
    outcomes = Outcomes(plan)
    segments = (
        shown_item(*outcomes.of_segment(Segment(each.namespace, each.id)), each.id, each.namespace)
        for each in asked.segments
    )
    attributes = (shown_item(*outcomes.of_attribute(path), path, None) for path in asked.attributes)
    return Answer(
        body={
            "enforcement": governance.enforcement,
            "marketingActions": [*actions],
            "items": [*segments, *attributes],
        }
    )


def _destination(actions: Sequence[str], choices: Choices) -> Destination:
    segments = dict.fromkeys(Segment(each.namespace, each.id) for each in choices.segments)
    attributes = dict.fromkeys(choices.attributes)
    return Destination("", Connection(""), "", tuple(actions), tuple(segments), tuple(attributes))


def _actions(definition: Definition, given: Sequence[str] | None, governance: Governance) -> list[str]:
    """The names of the actions that are given, or of those in force."""
    if given is None:
        both = target_and_base(definition)
        kept = None if both is None else at(both[0].body, "params", "marketingActions")
        given = [each for each in kept if isinstance(each, str)] if isinstance(kept, list) else []
    known = CORE_MARKETING_ACTIONS | set(governance.custom_actions)
    names = [_name(each, known) for each in given]
    wrong = [
        Wrong(
            pointer("marketingActions", index),
            f"there is no marketing action {name!r}",
            "Declare it by PUT /marketingActions/custom/{name}, or name another",
        )
        for index, name in enumerate(names)
        if name not in known
    ]
    if wrong:
        raise invalid(str(wrong[0]), wrong)
    return list(dict.fromkeys(names))


def _name(ref: str, known: frozenset[str]) -> str:
    try:
        return action_of_ref(ref, known) or ref
    except ValueError:
        return ref
