"""What all objects of the Policy Service have in common: their books, their lists, and how a body is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from processor.api.acceptance import accepted
from processor.api.errors import Wrong, invalid, not_found
from processor.api.request import Answer
from processor.definition.files import name_of
from processor.definition.model import Resource
from processor.flow_service.findings import pointer
from processor.flow_service.names import BOOKKEEPING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.api.request import Occasion, Request
    from processor.definition.model import Collection, Definition
    from processor.flow_service.documents import Json

BASE: Final = "/data/foundation/dulepolicy"
LIMIT_MAX: Final = 1_000
LIST_QUERY: Final = {
    "limit": f"How many are answered at most: 1 to {LIMIT_MAX}, all by default.",
    "start": "The id, or name, of the first that is answered.",
    "property": "`member==value`: those alone whose member has this value; several must all hold.",
}
NEVER_PUT: Final = '"0"'
"""The etag of what is there before anybody puts it."""
_CREATED: Final = 201
_WITHOUT_IDS: Final = frozenset({"marketingActions/custom", "labels", "enforcement"})
"""Collections whose objects go by their name, or of which there is one."""
_ANSWERED: Final = BOOKKEEPING | {"report"}
"""Members that answers have beside an object's own."""


def href(collection: str, id_: str) -> str:
    """The path of an object, which leads back here whatever the host is called."""
    steps = collection if collection == id_ else f"{collection}/{quote(id_, safe='')}"
    return f"{BASE}/{steps}"


def shown(resource: Resource) -> dict[str, Json]:
    """An object as it is answered: its body, with its books."""
    has_id = resource.collection not in _WITHOUT_IDS
    return {
        **resource.body,
        **({"id": resource.id} if has_id else {}),
        "created": resource.created_at_ms,
        "createdClient": resource.created_by,
        "createdUser": resource.created_by,
        "updated": resource.updated_at_ms,
        "updatedClient": resource.updated_by,
        "updatedUser": resource.updated_by,
        "_links": {"self": {"href": href(resource.collection, resource.id)}},
    }


def answer(resource: Resource) -> Answer:
    """An object, with its etag."""
    return Answer(body=shown(resource), etag=resource.etag)


def kept(definition: Definition, resource: Resource, status: int = 200) -> tuple[Definition, Answer]:
    """The definition with an object, where that may be; what governance removes of exports then is in the answer's `report`.

    Raises:
        ApiError: it may not.

    """
    place = href(resource.collection, resource.id) if status == _CREATED else None
    if definition.find(resource.collection, resource.id) == resource:
        return definition, Answer(status, shown(resource), resource.etag, place)
    name = name_of(resource.collection, resource.id)
    made = accepted(definition, definition.with_(resource), name)
    return made.definition, Answer(status, {**shown(resource), **made.report()}, resource.etag, place)


def removed(definition: Definition, resource: Resource) -> tuple[Definition, Answer]:
    """The definition without an object, where that may be.

    Raises:
        ApiError: it may not.

    """
    made = accepted(definition, definition.without([(resource.collection, resource.id)]))
    return made.definition, Answer()


def listed(request: Request, collection: str, members: Sequence[tuple[str, dict[str, Json]]]) -> Answer:
    """A list of objects, each with the id that `start` knows it by, as far as the query asks for them."""
    for condition in request.query.get("property", ()):
        name, equals, value = condition.partition("==")
        if not equals:
            raise invalid(f"property is member==value, not {condition[:80]!r}")
        members = [each for each in members if each[1].get(name) == value]
    first = _first(request, members)
    limit = _limit(request) or len(members)
    page, rest = members[first : first + limit], members[first + limit :]
    links: dict[str, Json] = {
        "page": {"href": f"{BASE}/{collection}?{{?limit,start,property}}", "templated": True}
    }
    if rest:
        links["next"] = {"href": f"{BASE}/{collection}?limit={limit}&start={quote(rest[0][0], safe='')}"}
    of_page: dict[str, Json] = {"count": len(page)}
    if page:
        of_page["start"] = page[0][0]
    return Answer(body={"_page": of_page, "_links": links, "children": [each for _, each in page]})


def body_in(form: type[BaseModel], request: Request) -> dict[str, Json]:
    """The request's body less the books that an answer has in it.

    Raises:
        ApiError: it is no object of this form; what is wrong, and where.

    """
    if not isinstance(request.body, dict):
        raise invalid("the body is no JSON object: give the object whole")
    return checked(form, {name: value for name, value in request.body.items() if name not in _ANSWERED})


def checked(form: type[BaseModel], body: dict[str, Json]) -> dict[str, Json]:
    """The body, which has this form.

    Raises:
        ApiError: it has not.

    """
    try:
        form.model_validate(body)
    except ValidationError as error:
        raise invalid(
            "the object is not as it must be",
            [
                Wrong(pointer(*each["loc"]), _said(each["type"], each["msg"]))
                for each in error.errors(include_url=False, include_input=False)
            ],
        ) from None
    return body


def found(definition: Definition, collection: Collection, id_: str, what: str) -> Resource:
    """The object of this id.

    Raises:
        ApiError: there is none.

    """
    resource = definition.find(collection, id_)
    if resource is None:
        raise not_found(what, id_)
    return resource


def put(
    collection: Collection,
    id_: str,
    body: Mapping[str, Json],
    former: Resource | None,
    occasion: Occasion,
) -> Resource:
    """The object with this body: the former one changed, itself where the body is the same, or a new one."""
    if former is not None and former.body == body:
        return former
    if former is not None:
        return replace(
            former,
            body=body,
            etag=occasion.new_etag(),
            updated_at_ms=occasion.now_ms,
            updated_by=occasion.by,
        )
    return Resource(
        collection,
        id_,
        body,
        occasion.new_etag(),
        created_at_ms=occasion.now_ms,
        updated_at_ms=occasion.now_ms,
        created_by=occasion.by,
        updated_by=occasion.by,
    )


def _first(request: Request, members: Sequence[tuple[str, dict[str, Json]]]) -> int:
    start = request.query.get("start", ())
    if not start:
        return 0
    for index, (id_, _) in enumerate(members):
        if id_ == start[-1]:
            return index
    raise invalid(f"start is {start[-1][:80]!r}, and no object of the list has this id")


def _limit(request: Request) -> int | None:
    given = request.query.get("limit", ())
    if not given:
        return None
    text = given[-1]
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(LIMIT_MAX))):
        raise invalid(f"limit is a number from 1 to {LIMIT_MAX}, not {text[:80]!r}")
    if not 1 <= int(text) <= LIMIT_MAX:
        raise invalid(f"limit is a number from 1 to {LIMIT_MAX}, not {text}")
    return int(text)


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such member here"
    return "it is missing" if kind == "missing" else message.removeprefix("Value error, ")
