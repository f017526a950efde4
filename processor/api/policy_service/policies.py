"""Policies that people write: data usage policies, and consent policies in the governance file's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.api.json_patch import patched
from processor.api.policy_service.kept import answer, body_in, checked, found, listed, put, shown
from processor.api.policy_service.marketing_actions import canonical_ref
from processor.api.request import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from processor.api.json_patch import Operation
    from processor.api.policy_service.kept import Accept
    from processor.api.request import Occasion, Request
    from processor.definition.model import Collection, Definition, Resource
    from processor.flow_service.documents import Json

_PATCHES: Final = ("add", "replace", "remove", "test")


@dataclass(frozen=True, slots=True)
class Policies:
    """The calls of a collection of policies of one form; `what` is one of them in words. `accept` sees each change whole."""

    collection: Collection
    form: type[BaseModel]
    what: str
    accept: Accept

    def list_(self, definition: Definition, request: Request) -> Answer:
        """Answer all policies."""
        return listed(
            request,
            self.collection,
            [(each.id, policy_shown(each)) for each in definition.of(self.collection)],
        )

    def get(self, definition: Definition, request: Request) -> Answer:
        """Answer one policy."""
        policy = self._found(definition, request)
        return answer(policy, policy_shown(policy))

    def post(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """Make a policy."""
        body = _with_canonical_refs(body_in(self.form, request))
        policy = put(self.collection, occasion.new_id(), body, None, occasion)
        return self._accepted(definition, policy), answer(policy, policy_shown(policy), 201)

    def put(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """Write a policy anew, whole."""
        former = self._found(definition, request)
        request.check_match(former)
        return self._changed(definition, former, body_in(self.form, request), occasion)

    def patch(
        self, definition: Definition, request: Request, occasion: Occasion
    ) -> tuple[Definition, Answer]:
        """Change parts of a policy."""
        former = self._found(definition, request)
        request.check_match(former)
        body = checked(self.form, patched(former.body, request.body, _allow))
        return self._changed(definition, former, body, occasion)

    def delete(self, definition: Definition, request: Request, _: Occasion) -> tuple[Definition, Answer]:
        """Remove a policy."""
        policy = self._found(definition, request)
        request.check_match(policy)
        made = definition.without([(self.collection, policy.id)])
        self.accept(definition, made)
        return made, Answer()

    def _found(self, definition: Definition, request: Request) -> Resource:
        return found(definition, self.collection, request.parts["id"], self.what)

    def _changed(
        self, definition: Definition, former: Resource, body: dict[str, Json], occasion: Occasion
    ) -> tuple[Definition, Answer]:
        policy = put(self.collection, former.id, _with_canonical_refs(body), former, occasion)
        made = definition if policy is former else self._accepted(definition, policy)
        return made, answer(policy, policy_shown(policy))

    def _accepted(self, definition: Definition, policy: Resource) -> Definition:
        made = definition.with_(policy)
        self.accept(definition, made)
        return made


def policy_shown(policy: Resource) -> dict[str, Json]:
    """A policy as it is answered."""
    return {**shown(policy), "id": policy.id}


def _with_canonical_refs(body: dict[str, Json]) -> dict[str, Json]:
    refs = body.get("marketingActionRefs")
    if not isinstance(refs, list):
        return body
    return {
        **body,
        "marketingActionRefs": [canonical_ref(each) if isinstance(each, str) else each for each in refs],
    }


def _allow(operation: Operation, _: Mapping[str, Json]) -> str | None:
    return None if operation.op in _PATCHES else f"policies take {', '.join(_PATCHES)}, not {operation.op}"
