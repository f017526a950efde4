"""Lists of objects: filtered by `property`, ordered by `orderby`, and answered in pages, as published."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.api.errors import Wrong, invalid
from processor.api.request import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from processor.api.errors import ApiError
    from processor.api.request import Request
    from processor.flow_service.documents import Json

QUERY: Final = {
    "property": "`path==value[,value…]`, also with !=, <, <=, > and >=; items of an array by `[]`: "
    "`transformations[].params.segmentSelectors.selectors[].value.id==…`. All given must hold.",
    "orderby": "Members to order by, parted by commas, each with `-` before it for descending; the order of making else.",
    "limit": "How many objects a page has: 1 to 100, 20 where it is not given.",
    "continuationToken": "What leads to the next page: of `_links.next.href`; it stands for the other parameters, too.",
    "count": "`true` for how many there are, without them.",
}

_LIMIT: Final = 20
_LIMIT_MAX: Final = 100
_EXPRESSION = re.compile(r"([^=!<>]+)(==|!=|>=|<=|>|<|=)(.*)", re.DOTALL)
_PARTS_MAX: Final = 20
"""Expressions, and members to order by: each is looked for in each object."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    expressions: tuple[str, ...]
    order: tuple[str, ...]
    limit: int
    after: tuple[int, str] | None = None
    """The last object of the former page: its place in that list, and its id."""

    def token(self) -> str:
        """Itself as a text without a `=`, at which clients part links."""
        packed = json.dumps([self.expressions, self.order, self.limit, self.after], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def listed(items: Sequence[Mapping[str, Json]], request: Request, path: str) -> Answer:
    """The answer to a list's `GET`; `path` is the collection's after the service's (`/flows`).

    Raises:
        ApiError: a parameter cannot be read.

    """
    wanted = _wanted(request)
    filters = [_expression(each) for each in wanted.expressions]
    found = [item for item in items if all(_holds(item, *each) for each in filters)]
    if request.query.get("count", ("",))[-1].lower() == "true":
        return Answer(body={"count": len(found)})
    for member in reversed(wanted.order):
        steps = member.lstrip("+-").split(".")
        found.sort(
            key=lambda item: _rank(next(_values(dict(item), steps), None)), reverse=member.startswith("-")
        )
    begin = 0
    if wanted.after is not None:
        place, last = wanted.after
        places = (index for index, item in enumerate(found) if item.get("id") == last)
        begin = next(places, place - 1) + 1
    page = found[begin : begin + wanted.limit]
    body: dict[str, Json] = {
        "items": [dict(item) for item in page],
        "_page": {"count": len(page)},
        "_links": {},
    }
    if begin + len(page) < len(found):
        following = _Wanted(
            wanted.expressions, wanted.order, wanted.limit, (begin + len(page) - 1, str(page[-1].get("id")))
        )
        token = following.token()
        body["_page"] = {"count": len(page), "next": token}
        body["_links"] = {"next": {"href": f"{path}?continuationToken={token}"}}
    return Answer(body=body)


def _wanted(request: Request) -> _Wanted:
    query = request.query
    tokens = query.get("continuationToken", ())
    former = _read_token(tokens[-1]) if tokens and tokens[-1] else None
    expressions = tuple(query.get("property", ())) or (former.expressions if former else ())
    # A plus sign is a blank in a query.
    given = [part.strip() for text in query.get("orderby", ()) for part in text.split(",") if part.strip()]
    order = tuple(given) or (former.order if former else ())
    if max(len(expressions), len(order)) > _PARTS_MAX:
        raise _wrong("property", f"there are more than {_PARTS_MAX} expressions")
    limits = query.get("limit", ())
    limit = _limit(limits[-1]) if limits else (former.limit if former else _LIMIT)
    return _Wanted(expressions, order, limit, former.after if former else None)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):  # noqa: PLR2004  digits
        raise _wrong("limit", f"it is no number from 1 to {_LIMIT_MAX}")
    return min(int(text), _LIMIT_MAX)


def _read_token(token: str) -> _Wanted:
    try:
        packed = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, RecursionError):
        packed = None
    match packed:
        case [list(expressions), list(order), int(limit), [int(place), str(last)]] if (
            all(isinstance(each, str) for each in (*expressions, *order))
            and 0 < limit <= _LIMIT_MAX
            and place >= 0
        ):
            return _Wanted(tuple(expressions), tuple(order), limit, (place, last))
    raise _wrong("continuationToken", "it is none that a list answered")


def _expression(text: str) -> tuple[list[str], str, list[str]]:
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise _wrong("property", f"{text[:80]!r} is no expression: write path==value")
    return match[1].strip().split("."), match[2], match[3].split(",")


def _holds(item: Mapping[str, Json], steps: Sequence[str], operator: str, values: Sequence[str]) -> bool:
    """Whether any of the values at a path is, or compares as, any of those given."""
    found = list(_values(dict(item), steps))
    if operator in {"=", "=="}:
        return any(_text(each) in values for each in found)
    if operator == "!=":
        return all(_text(each) not in values for each in found)
    return any(_compares(each, operator, value) for each in found for value in values)


def _compares(found: Json, operator: str, value: str) -> bool:
    left: float | str
    right: float | str
    if isinstance(found, int | float) and not isinstance(found, bool):
        try:
            left, right = _number(found), float(value)
        except ValueError:
            return False
    else:
        left, right = _text(found), value
    if isinstance(left, float) and isinstance(right, float):
        less, more = left < right, left > right
    else:
        less, more = str(left) < str(right), str(left) > str(right)
    return {"<": less, ">": more, "<=": not more, ">=": not less}[operator]


def _text(value: Json) -> str:
    """A value as an expression has it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _values(value: Json, steps: Sequence[str]) -> Iterator[Json]:
    """All values at a path, in which `name[]` goes through the items of an array."""
    if not steps:
        yield value
        return
    name, is_array = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    inner = value.get(name) if isinstance(value, dict) else None
    if inner is None:
        return
    for each in inner if is_array and isinstance(inner, list) else [inner]:
        yield from _values(each, steps[1:])


def _rank(value: Json) -> tuple[int, float, str]:
    """What values of several types are ordered by: none first, then numbers, then texts."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, _number(value), ""
    return 2, 0.0, _text(value)


def _number(value: float) -> float:
    """A number as a double; what is beyond those is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _wrong(parameter: str, message: str) -> ApiError:
    return invalid(
        f"the parameter {parameter}: {message}", [Wrong("", message, f"See {parameter} in the docs")]
    )
