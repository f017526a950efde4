"""Policies that people write: data usage policies, and consent policies in the governance file's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.api.flow_service.patching import patched
from processor.api.policy_service.kept import (
    answer,
    body_in,
    checked,
    found,
    kept,
    listed,
    put,
    removed,
    shown,
)
from processor.api.policy_service.marketing_actions import canonical_ref

if TYPE_CHECKING:
    from pydantic import BaseModel

    from processor.api.request import Answer, Occasion, Request
    from processor.definition.model import Collection, Definition, Resource
    from processor.flow_service.documents import Json


@dataclass(frozen=True, slots=True)
class Policies:
    """The calls of a collection of policies of one form; `what` is one of them in words."""

    collection: Collection
    form: type[BaseModel]
    what: str

    def list_(self, definition: Definition, request: Request) -> Answer:
        """Answer all policies."""
        policies = definition.of(self.collection)
        return listed(request, self.collection, [(each.id, shown(each)) for each in policies])

    def get(self, definition: Definition, request: Request) -> Answer:
        """Answer one policy."""
        return answer(self._found(definition, request))

    def post(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """Make a policy."""
        body = _with_canonical_refs(body_in(self.form, request))
        return kept(definition, put(self.collection, occasion.new_id(), body, None, occasion), 201)

    def put(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """Write a policy anew, whole."""
        former = self._found(definition, request)
        request.check_match(former)
        body = _with_canonical_refs(body_in(self.form, request))
        return kept(definition, put(self.collection, former.id, body, former, occasion))

    def patch(
        self, definition: Definition, request: Request, occasion: Occasion
    ) -> tuple[Definition, Answer]:
        """Change parts of a policy."""
        former = self._found(definition, request)
        request.check_match(former)
        body = _with_canonical_refs(checked(self.form, patched(former.body, request.body)))
        return kept(definition, put(self.collection, former.id, body, former, occasion))

    def delete(self, definition: Definition, request: Request, _: Occasion) -> tuple[Definition, Answer]:
        """Remove a policy."""
        policy = self._found(definition, request)
        request.check_match(policy)
        return removed(definition, policy)

    def _found(self, definition: Definition, request: Request) -> Resource:
        return found(definition, self.collection, request.parts["id"], self.what)


def _with_canonical_refs(body: dict[str, Json]) -> dict[str, Json]:
    refs = body.get("marketingActionRefs")
    if not isinstance(refs, list):
        return body
    return {
        **body,
        "marketingActionRefs": [canonical_ref(each) if isinstance(each, str) else each for each in refs],
    }
