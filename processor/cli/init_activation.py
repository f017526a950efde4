"""`processor init`: which segments and attributes are mapped, and what governance makes of that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import typer

from processor.cli.init_account import refuse_member
from processor.cli.questions import NONE, choices, joined, listed, parts_of, say
from processor.governance.destination import PLATFORM_NAMESPACE, Segment
from processor.governance.plan import segment_name
from processor.operations.destination_draft import Draft, plan_of_draft, removals_of
from processor.operations.suggestions import outermost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.cli.init_given import Given
    from processor.cli.questions import Questions
    from processor.operations.suggestions import Suggestions

_SHOWN: Final = 20
_RANGE_MAX: Final = 12
_ALL: Final = "all"
_CHOOSING: Final = (
    "Numbers and ranges of the list, such as 1,3-5; what is not in it by name; `all` for all that were found."
)


def ask_activation(
    questions: Questions, given: Given, draft: Draft, found: Suggestions, environ: Mapping[str, str]
) -> Draft:
    """Ask for segments and attributes, and show at once what governance removes of them.

    Raises:
        ConfigurationError: governance blocks what options name.

    """
    draft = replace(draft, seen=found.attributes)
    while True:
        draft = _ask_segments(questions, given, draft, found, environ)
        draft = _ask_attributes(questions, given, draft, found, environ)
        plan = plan_of_draft(draft, environ)
        removals = removals_of(plan)
        if draft.governance is not None:
            say("Governance removes nothing of this." if not removals else "Governance removes:")
        for each in removals:
            say(f"  {each}")
        if not removals or plan.governance.enforcement != "block":
            return draft
        say("With `enforcement: block` in the governance file the service does not start with these.")
        if not questions.asks or (given.segments is not None and given.attributes is not None):
            raise typer.BadParameter(
                "the governance file blocks what is mapped: unmap it, or change the file"
            )


def _ask_segments(
    questions: Questions, given: Given, draft: Draft, found: Suggestions, environ: Mapping[str, str]
) -> Draft:
    questions.heading("Segments")
    asks = given.segments is None and questions.asks
    if asks and found.segments:
        _show_segments(found)
    default = None
    if found.segments and (asks or given.from_topic):
        default = _ALL if given.from_topic or len(found.segments) <= _SHOWN else f"1-{_SHOWN}"
    if default is None and given.segments is None and not asks:
        raise typer.BadParameter("--segment or --from-topic is needed where nobody is asked")

    def segments(text: str) -> tuple[Segment, ...]:
        named = listed(text) if given.segments is not None else None
        mapped = _segments_of(parts_of(text) if named is None else named, found, by_number=named is None)
        refuse_member("segments", replace(draft, segments=mapped), environ)
        return mapped

    mapped = questions.answer(
        "Segments",
        segments,
        option="--segment",
        given=joined(given.segments),
        default=default,
        help_=_CHOOSING
        + " A segment is named by its id, or by its namespace, `/` and its id; one whose id is a number "
        "is written with its namespace, such as ups/7.",
    )
    seen = {(each.namespace, each.id) for each in found.segments}
    unseen = [each for each in mapped if (each.namespace, each.id) not in seen]
    _say_unseen([segment_name(each) for each in unseen], found)
    return replace(draft, segments=mapped)


def _show_segments(found: Suggestions) -> None:
    choices(
        ("segment", f"members of {found.profiles}", "name"),
        [
            (
                segment_name(Segment(each.namespace, each.id)),
                f"{each.members} ({_share(each.members, found)})",
                each.name or "",
            )
            for each in found.segments[:_SHOWN]
        ],
    )
    _say_more(len(found.segments), found.further_segments, "segments")


def _segments_of(parts: Sequence[str], found: Suggestions, *, by_number: bool) -> tuple[Segment, ...]:
    """The segments that `parts` mean: each a name, or, where they may be that, numbers of the list."""
    seen = {(each.namespace, each.id): each.name for each in found.segments}
    keys = list(seen)
    by_name = {segment_name(Segment(*each)): each for each in keys}
    chosen: dict[tuple[str, str], None] = {}
    for part in parts:
        numbers = _numbers(part, len(keys)) if by_number else None
        if numbers is not None:
            chosen.update(dict.fromkeys(keys[number] for number in numbers))
        else:
            chosen[by_name[part] if part in by_name else _named(part, keys)] = None
    if not chosen:
        raise typer.BadParameter("At least one segment is needed.")
    if not all(all(each) for each in chosen):
        raise typer.BadParameter(
            "An id or a namespace is empty: write the id, or the namespace, `/` and the id."
        )
    return tuple(Segment(*each, seen.get(each)) for each in chosen)


def _ask_attributes(
    questions: Questions, given: Given, draft: Draft, found: Suggestions, environ: Mapping[str, str]
) -> Draft:
    questions.heading("Attributes")
    paths = [each.path for each in found.attributes]
    if given.attributes is None and questions.asks and paths:
        choices(
            ("attribute", "present", "type", "form"),
            [
                (each.path, _share(each.present, found), each.kinds, each.example)
                for each in found.attributes[:_SHOWN]
            ],
        )
        say("The form is an example's, with letters as x and digits as 9.")
        _say_more(len(paths), found.further_attributes, "attributes")
    if found.unnameable and questions.asks:
        say(
            f"{found.unnameable} further attributes have a dot in a member's name, or an empty one: no path can name them."
        )

    def attributes(text: str) -> tuple[str, ...]:
        if text in {"", NONE}:
            return ()
        chosen: list[str] = []
        for part in parts_of(text) if given.attributes is None else listed(text):
            if part == _ALL and given.attributes is None:
                chosen += outermost(paths)
                continue
            numbers = None if given.attributes is not None or part in paths else _numbers(part, len(paths))
            chosen += [part] if numbers is None else [paths[number] for number in numbers]
        mapped = tuple(dict.fromkeys(chosen))
        refuse_member("attributes", replace(draft, attributes=mapped), environ)
        return mapped

    mapped = questions.answer(
        "Attributes",
        attributes,
        option="--attribute",
        given=joined(given.attributes),
        default=NONE,
        help_=_CHOOSING
        + " `none` for none: exports have the segments and the identities then. An attribute is named by its path, such as "
        "person.email; one that is an object takes all in it along.",
    )
    unseen = [each for each in mapped if not any(_lies_in(path, each) for path in paths)]
    _say_unseen(unseen, found)
    return replace(draft, attributes=mapped)


def _say_unseen(names: Sequence[str], found: Suggestions) -> None:
    if names and found.profiles:
        say(f"Not in the sample, and mapped all the same: {', '.join(names[:_SHOWN])}.")


def _lies_in(path: str, other: str) -> bool:
    return path == other or path.startswith(other + ".") or other.startswith(path + ".")


def _numbers(part: str, count: int) -> Sequence[int] | None:
    """The places that a number, a range or `all` means; None where it is none of them."""
    if part == _ALL:
        return range(count)
    first, dash, last = part.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > _RANGE_MAX:
        return None
    begin, end = int(first), int(last or first)
    if not count:
        return None
    if not 1 <= begin <= end <= count:
        raise typer.BadParameter(f"{part} is not in the list, which goes from 1 to {count}.")
    return range(begin - 1, end)


def _named(part: str, seen: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The segment of a name: `namespace/id`, or an id, of the one namespace that was seen with it, or else of the platform."""
    namespace, slash, id_ = part.partition("/")
    if slash:
        return unquote(namespace), id_
    namespaces = [each for each, other in seen if other == part]
    if len(namespaces) > 1 and PLATFORM_NAMESPACE not in namespaces:
        raise typer.BadParameter(
            f"{part} is in several namespaces: {', '.join(namespaces)}. Write namespace/id."
        )
    return (namespaces[0] if len(namespaces) == 1 else PLATFORM_NAMESPACE), part


def _share(count: int, found: Suggestions) -> str:
    return f"{count * 100 // max(found.profiles, 1)}%"


def _say_more(there: int, further: int, what: str) -> None:
    if there > _SHOWN:
        say(
            f"and {there - _SHOWN} more, which have numbers too."
            + (f" {further} {what} beyond these are left off." if further else "")
        )
