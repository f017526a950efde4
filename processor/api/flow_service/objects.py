"""The four kinds of objects: made, shown, changed and deleted, each change with the whole definition checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jsonpointer import JsonPointer

from processor.api.acceptance import accepted, refused
from processor.api.errors import ApiError, Wrong, invalid, not_found
from processor.api.flow_service.lists import listed
from processor.api.flow_service.mapping_times import with_mapping_times
from processor.api.flow_service.misplaced import misplaced_secrets
from processor.api.flow_service.patching import patched
from processor.api.flow_service.relations import dependants, wrong_relations
from processor.api.flow_service.views import shown
from processor.api.request import Answer
from processor.definition.files import left_out_of_selectors, name_of
from processor.definition.model import Resource
from processor.definition.sealing import sealed_body, sealed_token
from processor.errors import ConfigurationError
from processor.flow_service.findings import Findings
from processor.flow_service.members import fit
from processor.flow_service.names import BOOKKEEPING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.api.request import Occasion, Request
    from processor.definition.model import Collection, Definition
    from processor.definition.sealing import Sealing
    from processor.flow_service.documents import Json
    from processor.flow_service.members import ApiObject

SERVICE: Final = "/data/foundation/flowservice"
_STATES: Final = {"enable": "enabled", "disable": "disabled"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of objects: where they are, what people call one, and the form of a body."""

    collection: Collection
    noun: str
    form: type[ApiObject]
    deleted: int = 204
    """The status of the answer to a deletion."""


class Objects:
    """The calls on the objects of one kind. `sealing` gives the keys of the moment, for secrets that come in the clear."""

    def __init__(self, kind: Kind, sealing: Callable[[], Sealing]) -> None:
        self._kind = kind
        self._sealing = sealing

    def list(self, definition: Definition, request: Request) -> Answer:
        """`GET` of the collection."""
        items = [shown(definition, each) for each in definition.of(self._kind.collection)]
        return listed(items, request, f"/{self._kind.collection}")

    def get(self, definition: Definition, request: Request) -> Answer:
        """`GET` of one: a list of it alone, as published."""
        resource = self._resource(definition, request)
        return Answer(body={"items": [shown(definition, resource)]}, etag=resource.etag)

    def make(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """`POST` to the collection."""
        if request.body is None:
            raise _no_body()
        if not isinstance(request.body, dict):
            raise invalid(f"the body is no {self._kind.noun}: give a JSON object")
        kept_elsewhere = tuple(
            Wrong(f"/{name}", "it is kept by the service") for name in request.body if name in BOOKKEEPING
        )
        given = {name: value for name, value in request.body.items() if name not in BOOKKEEPING}
        body, told = self._checked(definition, given, None, occasion.now_ms)
        id_ = occasion.new_id()
        made = Resource(
            self._kind.collection,
            id_,
            self._sealed(id_, body),
            occasion.new_etag(),
            occasion.now_ms,
            occasion.now_ms,
            occasion.by,
            occasion.by,
        )
        name = name_of(made.collection, id_)
        found = accepted(definition, definition.with_(made), name)
        answer: dict[str, Json] = {"id": id_, "etag": made.etag}
        return found.definition, Answer(
            201,
            {**answer, **found.report((*kept_elsewhere, *told))},
            made.etag,
            f"{SERVICE}/{self._kind.collection}/{id_}",
        )

    def patch(
        self, definition: Definition, request: Request, occasion: Occasion
    ) -> tuple[Definition, Answer]:
        """`PATCH` of one, by operations."""
        resource = self._resource(definition, request)
        if request.body is None:
            raise _no_body()
        request.require_match(resource)
        return self._changed(definition, resource, patched(resource.body, request.body), occasion)

    def act(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """`POST` of an action on one: `op` is `enable` or `disable`."""
        resource = self._resource(definition, request)
        request.check_match(resource)
        ops = request.query.get("op", ())
        if len(ops) != 1 or ops[0] not in _STATES:
            raise invalid("the parameter op is neither `enable` nor `disable`: give one of the two")
        body = {**resource.body, "state": _STATES[ops[0]]}
        return self._changed(definition, resource, body, occasion)

    def delete(self, definition: Definition, request: Request, _: Occasion) -> tuple[Definition, Answer]:
        """`DELETE` of one that no other depends on."""
        resource = self._resource(definition, request)
        request.check_match(resource)
        found = dependants(definition, resource.collection, resource.id)
        if found:
            names = ", ".join(name for name, _ in found)
            raise ApiError(
                409,
                "Conflict",
                f"{names} {'depends' if len(found) == 1 else 'depend'} on it: delete what depends on it first",
                [Wrong(place, "it depends on the object", "Delete it first", name) for name, place in found],
            )
        rest = definition.without([(resource.collection, resource.id)])
        return accepted(definition, rest).definition, Answer(self._kind.deleted)

    def _resource(self, definition: Definition, request: Request) -> Resource:
        id_ = request.parts["id"]
        resource = definition.find(self._kind.collection, id_)
        if resource is None:
            raise not_found(self._kind.noun, id_)
        return resource

    def _changed(
        self, definition: Definition, resource: Resource, changed: dict[str, Json], occasion: Occasion
    ) -> tuple[Definition, Answer]:
        body, told = self._checked(definition, changed, resource, occasion.now_ms)
        sealed = self._sealed(resource.id, body)
        if sealed == resource.body:
            return definition, Answer(202, {"id": resource.id, "etag": resource.etag}, resource.etag)
        new = replace(
            resource,
            body=sealed,
            etag=occasion.new_etag(),
            updated_at_ms=occasion.now_ms,
            updated_by=occasion.by,
        )
        found = accepted(definition, definition.with_(new))
        answer: dict[str, Json] = {"id": new.id, "etag": new.etag}
        # What had no effect before was told then.
        news = tuple(each for each in told if not _is_same(new.body, resource.body, each.pointer))
        return found.definition, Answer(202, {**answer, **found.report(news)}, new.etag)

    def _checked(
        self, definition: Definition, given: Mapping[str, Json], former: Resource | None, now_ms: int
    ) -> tuple[dict[str, Json], tuple[Wrong, ...]]:
        """The body as it is kept, and what of it has no effect, where all is right with it for itself and its relations."""
        collection, found = self._kind.collection, Findings()
        form = fit(self._kind.form, _with_texts_for_secrets(given), "", "", found)
        of = "" if former is None else name_of(collection, former.id)
        wrong = [Wrong(_place(each.member), each.message, each.remedy, of) for each in found.problems]
        wrong += [replace(each, of=of) for each in misplaced_secrets(collection, given)]
        if form is not None:
            related = wrong_relations(definition, collection, given, None if former is None else former.body)
            wrong += [replace(each, of=of) for each in related]
        if wrong:
            more = "" if len(wrong) == 1 else f", and {len(wrong) - 1} more under report.errors"
            raise invalid(f"{wrong[0]}{more}", wrong)
        body, left_out = dict(given), found.left_out
        if collection == "flows":
            left_out = [*left_out, *left_out_of_selectors(given)]
            body = with_mapping_times(body, None if former is None else former.body, now_ms)
            body["state"] = body.get("state") or "enabled"
        return body, tuple(Wrong(each.place, each.why) for each in left_out)

    def _sealed(self, id_: str, body: Mapping[str, Json]) -> Mapping[str, Json]:
        collection = self._kind.collection
        try:
            return sealed_body(collection, id_, body, self._sealing())
        except ConfigurationError as error:
            raise refused(error.problems, name_of(collection, id_)) from None


def _with_texts_for_secrets(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """The body with a text for each sealed secret, as its form has it."""
    auth = body.get("auth")
    params = auth.get("params") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(params, dict):
        return body
    texts = {name: "sealed" if sealed_token(value) is not None else value for name, value in params.items()}
    return {**body, "auth": {**auth, "params": texts}}


def _no_body() -> ApiError:
    return ApiError(
        400, "Invalid request", "there is no body: give one, or read the object by GET", code="1405-400"
    )


def _is_same(body: Mapping[str, Json], former: Mapping[str, Json], place: str) -> bool:
    found = [JsonPointer(place).resolve(dict(each), None) for each in (body, former)]
    return bool(found[0] == found[1])


def _place(member: str) -> str:
    return "" if member == "(the file)" else member
