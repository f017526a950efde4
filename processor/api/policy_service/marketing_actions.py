"""Marketing actions: the core ones, which are there for good, and custom ones by their names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from processor.api.errors import Wrong, invalid, not_found
from processor.api.policy_service.kept import answer, body_in, found, href, kept, listed, put, removed, shown
from processor.api.request import Answer
from processor.configuration.governance_file import ActionForm
from processor.definition.files import name_of
from processor.flow_service.findings import pointer
from processor.flow_service.names import action_of_ref, is_custom_ref
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.operations.marketing_actions import MEANINGS

if TYPE_CHECKING:
    from processor.api.request import Occasion, Request
    from processor.definition.model import Collection, Definition
    from processor.flow_service.documents import Json

_CORE: Final = "marketingActions/core"
_CUSTOM: Final = "marketingActions/custom"
_UNNAMEABLE: Final = "/?#"
"""Characters at which a reference to a marketing action ends."""
_STEPS: Final = (".", "..")
"""Steps of a path that clients resolve before they send it."""
_REFERRING: Final[tuple[Collection, ...]] = ("policies/core", "policies/custom", "consentPolicies")
"""What refers to marketing actions."""


def list_core(_: Definition, request: Request) -> Answer:
    """Answer the core marketing actions."""
    return listed(request, _CORE, [(name, _core(name)) for name in sorted(CORE_MARKETING_ACTIONS)])


def get_core(_: Definition, request: Request) -> Answer:
    """Answer one core marketing action."""
    name = request.parts["name"]
    if name not in CORE_MARKETING_ACTIONS:
        raise not_found("core marketing action", name)
    return Answer(body=_core(name))


def list_custom(definition: Definition, request: Request) -> Answer:
    """Answer the custom marketing actions."""
    return listed(
        request, _CUSTOM, [(each.id, shown(each)) for each in definition.of("marketingActions/custom")]
    )


def get_custom(definition: Definition, request: Request) -> Answer:
    """Answer one custom marketing action."""
    action = found(definition, _CUSTOM, request.parts["name"], "custom marketing action")
    return answer(action)


def canonical_ref(ref: str) -> str:
    """A reference as it is answered; one that cannot be read, as it is."""
    try:
        name = action_of_ref(ref, CORE_MARKETING_ACTIONS)
    except ValueError:
        return ref
    if not name:
        return ref
    is_core = name in CORE_MARKETING_ACTIONS
    return (
        href(_CORE if is_core else _CUSTOM, name) if is_core or is_custom_ref(ref) or "/" not in ref else ref
    )


def put_custom(definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
    """Make a custom marketing action of this name, or change it."""
    name = request.parts["name"]
    body = _body(name, request)
    former = definition.find(_CUSTOM, name)
    if former is not None:
        request.check_match(former)
    return kept(definition, put(_CUSTOM, name, body, former, occasion), 200 if former else 201)


def delete_custom(definition: Definition, request: Request, _: Occasion) -> tuple[Definition, Answer]:
    """Remove a custom marketing action that no policy refers to."""
    name = request.parts["name"]
    action = found(definition, _CUSTOM, name, "custom marketing action")
    request.check_match(action)
    referring = [
        name_of(collection, each.id)
        for collection in _REFERRING
        for each in definition.of(collection)
        if canonical_ref(name) in _refs(each.body.get("marketingActionRefs"))
    ]
    if referring:
        raise invalid(
            f"the marketing action {name!r} is referred to by {', '.join(referring)}: change or delete them first"
        )
    return removed(definition, action)


def _core(name: str) -> dict[str, Json]:
    return {
        "name": name,
        "description": MEANINGS[name],
        "_links": {"self": {"href": href(_CORE, name)}},
    }


def _body(name: str, request: Request) -> dict[str, Json]:
    """The body of a custom action of this name, which it need not repeat."""
    body = body_in(ActionForm, _with_name(request, name))
    if body["name"] != name:
        raise invalid(
            "an action's name cannot change",
            [
                Wrong(
                    pointer("name"),
                    f"it is {body['name']!r}, and the path's is {name!r}",
                    "Make the two the same",
                )
            ],
        )
    if name in CORE_MARKETING_ACTIONS:
        raise invalid(f"{name!r} is a core marketing action: choose another name")
    if any(character in name for character in _UNNAMEABLE):
        raise invalid(
            f"a marketing action's name has none of {_UNNAMEABLE}, at which references to it would end"
        )
    if name in _STEPS:
        raise invalid(f"a marketing action is not called {name}, which clients take out of its address")
    return body


def _with_name(request: Request, name: str) -> Request:
    if not isinstance(request.body, dict):
        return request
    return replace(request, body={"name": name, **request.body})


def _refs(value: Json) -> set[str]:
    return (
        {canonical_ref(each) for each in value if isinstance(each, str)} if isinstance(value, list) else set()
    )
