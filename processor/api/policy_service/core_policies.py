"""Core policies: what the core labels say that data may not be used for, each off until it is enabled.

The platform's own core policies have numbers that it publishes without what they say. So these have ids of their own, by their
label: a number must not enable another policy here than there.
"""

from __future__ import annotations

from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field

from processor.api.acceptance import accepted
from processor.api.errors import Wrong, invalid, not_found
from processor.api.policy_service.kept import BASE, NEVER_PUT, body_in, href, listed, put, shown
from processor.api.request import Answer
from processor.definition.model import Resource
from processor.flow_service.findings import pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.api.request import Occasion, Request
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json

_CORE: Final = "policies/core"
_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})
_ENABLED: Final = "enabledCorePolicies"
_POLICIES: Final = (
    ("C2", "No export to third parties", ("exportToThirdParty",)),
    ("C3", "No use with what identifies a person directly", ("combineWithPII",)),
    (
        "C4",
        "No targeting of advertising or content",
        ("crossSiteTargeting", "onsiteAdvertising", "onsitePersonalization"),
    ),
    ("C5", "No targeting by interests across sites", ("crossSiteTargeting",)),
    ("C6", "No advertising on one's own sites", ("onsiteAdvertising",)),
    ("C7", "No choice of content on one's own sites", ("onsitePersonalization",)),
    ("C8", "No measuring of sites and apps", ("analytics",)),
    ("C9", "No data science", ("dataScience",)),
    ("C10", "No personalization by identities that are joined", ("singleIdentityPersonalization",)),
    ("C11", "No comparing of segments with partners", ("segmentMatch",)),
)
"""The label, the policy's name, and the marketing actions that it denies. C12 needs no policy."""


class EnabledPolicies(BaseModel):
    """Which core policies are enabled."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    policyIds: list[str] = Field(description="Their ids; those that are not named are not enabled.")  # noqa: N815  the API's


def list_(definition: Definition, request: Request) -> Answer:
    """Answer the core policies."""
    return listed(request, _CORE, [(id_, _shown(definition, id_)) for id_ in _BODIES])


def get(definition: Definition, request: Request) -> Answer:
    """Answer one core policy."""
    id_ = request.parts["id"]
    if id_ not in _BODIES:
        raise not_found("core policy", id_)
    kept = definition.find(_CORE, id_)
    return Answer(body=_shown(definition, id_), etag=NEVER_PUT if kept is None else kept.etag)


def get_enabled(definition: Definition, _: Request) -> Answer:
    """Answer which core policies are enabled."""
    return _enabled(definition)


def put_enabled(definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
    """Enable these core policies, and none else."""
    request.check_match(_as_one(definition))
    ids = body_in(EnabledPolicies, request)["policyIds"]
    wanted = [each for each in ids if isinstance(each, str)] if isinstance(ids, list) else []
    unknown = [
        Wrong(pointer("policyIds", index), f"there is no core policy {each!r}")
        for index, each in enumerate(wanted)
        if each not in _BODIES
    ]
    if unknown:
        raise invalid(
            f"core policies have ids of their own here, by their labels: {', '.join(_BODIES)}", unknown
        )
    changed = [
        put(_CORE, id_, {**body, "status": status}, definition.find(_CORE, id_), occasion)
        for id_, body in _BODIES.items()
        for status in ["ENABLED" if id_ in wanted else "DRAFT"]
        if status != _status(definition, id_)
    ]
    if not changed:
        return definition, _enabled(definition)
    made = accepted(definition, definition.with_(*changed))
    return made.definition, _enabled(made.definition, made.report())


def _body(label: str, name: str, actions: tuple[str, ...]) -> dict[str, Json]:
    return {
        "name": name,
        "status": "DRAFT",
        "marketingActionRefs": [href("marketingActions/core", action) for action in actions],
        "description": f"What bears the label {label}, or is part of what does, is not used for these marketing actions.",
        "deny": {"label": label},
    }


_BODIES: Final = {f"corepolicy_{label}": _body(label, name, actions) for label, name, actions in _POLICIES}
"""By their ids, as they are before anybody changed them."""


def _status(definition: Definition, id_: str) -> Json:
    kept = definition.find(_CORE, id_)
    return (_BODIES[id_] if kept is None else kept.body)["status"]


def _shown(definition: Definition, id_: str) -> dict[str, Json]:
    kept = definition.find(_CORE, id_)
    if kept is not None:
        return shown(kept)
    return {**_BODIES[id_], "_links": {"self": {"href": href(_CORE, id_)}}, "id": id_}


def _as_one(definition: Definition) -> Resource:
    """The list of those that are enabled as an object of its own: changed whenever one of them is."""
    kept = definition.of(_CORE)
    books = "\n".join(f"{each.id} {each.etag}" for each in kept)
    last = max(kept, key=lambda each: each.updated_at_ms, default=None)
    first = min(kept, key=lambda each: each.created_at_ms, default=None)
    return Resource(
        _CORE,
        _ENABLED,
        {"policyIds": [id_ for id_ in _BODIES if _status(definition, id_) == "ENABLED"]},
        f'"{sha256(books.encode()).hexdigest()[:32]}"',
        created_at_ms=0 if first is None else first.created_at_ms,
        updated_at_ms=0 if last is None else last.updated_at_ms,
        created_by="" if first is None else first.created_by,
        updated_by="" if last is None else last.updated_by,
    )


def _enabled(definition: Definition, report: Mapping[str, Json] = _NOTHING) -> Answer:
    as_one = _as_one(definition)
    books: dict[str, Json] = {
        "created": as_one.created_at_ms,
        "createdClient": as_one.created_by,
        "createdUser": as_one.created_by,
        "updated": as_one.updated_at_ms,
        "updatedClient": as_one.updated_by,
        "updatedUser": as_one.updated_by,
    }
    return Answer(
        body={
            **as_one.body,
            **(books if definition.of(_CORE) else {}),
            "_links": {"self": {"href": f"{BASE}/{_ENABLED}"}},
            **report,
        },
        etag=as_one.etag,
    )
