"""JSON files, read as strictly as JSON is defined, and taken apart into the documents that they hold.

A file holds one object of either service, a list of them (an array, or `items` or `children` of an answer), or what
`processor flow-service export` prints: an object of request bodies, each under its call's name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from processor.flow_service.findings import pointer
from processor.flow_service.names import BOOKKEEPING, EVENT_HUBS_SPEC, PROFILE_SERVICE_SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.flow_service.findings import Findings

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_BYTES_MAX: Final = 64 << 20
_DEPTH_MAX: Final = 60
"""Our own files may be 64 levels deep, and put a document some levels down."""

_PROBLEMS_MAX: Final = 1_000
"""Nobody reads more of them."""

_CALL_NAME = re.compile(r"[0-9]{2,}-(post|put)-.+")
_LISTS: Final = ("items", "children")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of either service, and where it stands."""

    source: str
    place: str
    kind: str
    tree: Mapping[str, Json]


class _Repeated(NamedTuple):
    """An object some of whose members were given twice; it is held, for it is known by where it is in memory."""

    members: dict[str, Json]
    names: tuple[str, ...]


def read_documents(content: bytes, source: str, found: Findings) -> list[Document]:
    """The documents in a file's bytes; what is wrong with them is noted."""
    problems = len(found.problems)
    tree = read_json(content, source, found)
    if len(found.problems) > problems:
        return []
    documents = list(_taken_apart(tree, source, "", found))
    if not documents and len(found.problems) == problems:
        found.put_aside(source, "", "an empty list")
    return documents


def read_json(content: bytes, source: str, found: Findings) -> Json:
    """The JSON value of some bytes; what keeps it from being one that everybody reads alike is noted."""
    repeated: dict[int, _Repeated] = {}
    tree, is_read = _parsed(content, source, found, repeated)
    if is_read:
        _check_soundness(tree, source, found, repeated)
    return tree


def _parsed(
    content: bytes, source: str, found: Findings, repeated: dict[int, _Repeated]
) -> tuple[Json, bool]:
    if len(content) > _BYTES_MAX:
        found.complain(
            source, "", f"it is larger than {_BYTES_MAX >> 20} MiB", "Save fewer objects in a file"
        )
        return None, False
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found.complain(source, "", f"it is not UTF-8 at byte {error.start}", "Save it as UTF-8")
        return None, False
    if not text.strip():
        found.complain(source, "", "it is empty", "Save what the API answers, whole")
        return None, False
    try:
        tree: Json = json.loads(
            text,
            object_pairs_hook=partial(_members, repeated=repeated),
            parse_constant=_refuse_constant,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        found.complain(
            source,
            "",
            f"it is not JSON at column {error.colno}: {error.msg}",
            "Mend the syntax",
            error.lineno,
        )
    except RecursionError:
        found.complain(source, "", "it is nested too deeply", "Save what the API answers, whole")
    except ValueError as error:
        found.complain(source, "", f"it is not JSON: {error}", "Mend the syntax")
    else:
        return tree, True
    return None, False


def _members(pairs: list[tuple[str, Json]], repeated: dict[int, _Repeated]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        names = tuple(sorted(name for name, count in counts.items() if count > 1))
        repeated[id(members)] = _Repeated(members, names)
    return members


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:40]} is beyond a double")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_soundness(tree: Json, source: str, found: Findings, repeated: Mapping[int, _Repeated]) -> None:
    """Note members that are given twice, texts that have half a character, and what is too deep."""
    rest: list[tuple[tuple[str | int, ...], Json]] = [((), tree)]
    while rest and len(found.problems) < _PROBLEMS_MAX:
        place, value = rest.pop()
        if len(place) > _DEPTH_MAX:
            found.complain(source, pointer(*place), "it is nested too deeply", "Write it out plainly")
            break
        if isinstance(value, dict):
            for name in repeated[id(value)].names if id(value) in repeated else ():
                found.complain(source, pointer(*place, name), "it is given twice", "Keep one of them")
            for _ in filter(_is_broken, value):
                found.complain(source, pointer(*place), _BROKEN, "Write the character itself")
            rest.extend(((*place, name), inner) for name, inner in reversed(value.items()))
        elif isinstance(value, list):
            rest.extend(((*place, index), value[index]) for index in reversed(range(len(value))))
        elif isinstance(value, str) and _is_broken(value):
            found.complain(source, pointer(*place), _BROKEN, "Write the character itself")


_BROKEN: Final = "an escaped surrogate stands alone"


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _taken_apart(tree: Json, source: str, place: str, found: Findings) -> Iterator[Document]:
    if isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _taken_apart(value, source, place + pointer(index), found)
    elif not isinstance(tree, dict):
        found.complain(source, place, "it is no object of either service", "Save what the API answers, whole")
    elif inner := _held(tree, source, place, found):
        for name in inner:
            yield from _taken_apart(tree[name], source, place + pointer(name), found)
    elif (kind := _kind(tree)) is not None:
        yield Document(source, place, kind, tree)
    else:
        found.complain(
            source,
            place,
            f"it is no object that is known here (members: {', '.join(list(tree)[:8]) or 'none'})",
            "Give connections, flows, policies or marketing actions as the API answers or takes them",
        )


def _held(tree: Mapping[str, Json], source: str, place: str, found: Findings) -> list[str]:
    """The members that hold documents, where an object is no document itself."""
    if tree and all(_CALL_NAME.fullmatch(name) for name in tree):
        return list(tree)
    held = [name for name in _LISTS if isinstance(tree.get(name), list)]
    if held and _goes_on(tree):
        found.leave_out(source, place, "the list goes on: give the answers for its further pages, too")
    others = [name for name in tree if name not in held]
    if held and others:
        found.put_aside(source, place, f"{', '.join(others)}: the list's own, not an object's")
    return held


def _goes_on(answer: Mapping[str, Json]) -> bool:
    """Whether a list's answer names a page that follows."""
    of = (answer.get("_page"), answer.get("_links"))
    return any(isinstance(each, dict) and bool(each.get("next")) for each in of)


def _kind(tree: Mapping[str, Json]) -> str | None:
    """What a document is, by the members that only such a one has."""
    rules = (
        ("patch", "op" in tree and "path" in tree),
        ("policy", bool({"deny", "marketingActionRefs", "requires"} & tree.keys())),
        ("core policies", "policyIds" in tree),
        ("flow", bool({"flowSpec", "transformations", "targetConnectionIds"} & tree.keys())),
        ("connection spec", bool({"authSpec", "sourceSpec", "targetSpec"} & tree.keys())),
        ("source connection", "baseConnectionId" in tree and _is_of_the_platform(tree)),
        ("base connection of the platform", _is_of_the_platform(tree)),
        ("event hubs", _spec(tree) == EVENT_HUBS_SPEC),
        ("target connection", "baseConnectionId" in tree or _has_stream(tree)),
        ("base connection", "auth" in tree or "connectionSpec" in tree),
        ("answer", bool(tree) and tree.keys() <= {"id", "etag"}),
        ("marketing action", "name" in tree and _is_marketing_action(tree)),
    )
    return next((kind for kind, holds in rules if holds), None)


def _spec(tree: Mapping[str, Json]) -> Json:
    spec = tree.get("connectionSpec")
    return spec.get("id") if isinstance(spec, dict) else None


def _is_of_the_platform(tree: Mapping[str, Json]) -> bool:
    """Whether a connection leads to the platform's profiles.

    Its spec says so, or, where that is the tutorial's placeholder for any, that it has nothing of a destination's.
    """
    spec = _spec(tree)
    is_placeholder = isinstance(spec, str) and spec.startswith("{")
    return spec == PROFILE_SERVICE_SPEC or (
        is_placeholder and not tree.get("auth") and not tree.get("params")
    )


def _is_marketing_action(tree: Mapping[str, Json]) -> bool:
    """Whether its link says so, or it has nothing that a marketing action has not."""
    links = tree.get("_links")
    own = links.get("self") if isinstance(links, dict) else None
    href = own.get("href") if isinstance(own, dict) else None
    says_so = isinstance(href, str) and "/marketingActions/" in href
    return says_so or tree.keys() <= {"name", "description"} | BOOKKEEPING


def _has_stream(tree: Mapping[str, Json]) -> bool:
    params = tree.get("params")
    return isinstance(params, dict) and "stream" in params
