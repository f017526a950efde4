"""`processor init`: what the destination is called, what its data is used for, and the governance file that holds for it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from processor.cli.questions import NONE, item, joined, listed, parts_of, say
from processor.configuration import parse_governance
from processor.configuration.located import read_text
from processor.errors import Problem
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.operations.destination_draft import Action, Draft
from processor.operations.marketing_actions import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.cli.init_given import Given
    from processor.cli.questions import Questions
    from processor.governance.document import Governance

_ACTION_DEFAULT: Final = "exportToThirdParty"
_ACTION_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_GOVERNANCE_FILE: Final = "governance.yaml"


def ask_authentication(questions: Questions, given: Given, draft: Draft, topic: str | None) -> Draft:
    """Ask for name, description and marketing actions."""
    questions.heading("Authentication")

    def name(text: str) -> str:
        if not text:
            raise typer.BadParameter("A name is needed.")
        return text

    draft = replace(
        draft,
        name=questions.answer(
            "Name",
            name,
            option="--name",
            given=given.name,
            default=f"Exports of {topic}" if topic else "Amazon Kinesis",
            help_="What people call this destination; it has no effect.",
        ),
        description=questions.answer(
            "Description",
            str,
            option="--description",
            given=given.description,
            default="",
            help_="What it is for, if a name does not say it.",
        ),
    )
    if given.marketing_actions is None and questions.asks:
        say("Marketing actions: what the data will be used for. Policies forbid data by them.")
        for number, (action, meaning) in enumerate(MEANINGS.items(), 1):
            item(number, f"{action}: {meaning}")
    texts = given.marketing_actions

    def marketing_actions(text: str) -> list[Action]:
        if text in {"", NONE}:
            return []
        return _actions(parts_of(text) if texts is None else listed(text))

    actions = questions.answer(
        "Marketing actions",
        marketing_actions,
        option="--marketing-action",
        given=joined(texts),
        default=_ACTION_DEFAULT,
        help_="Numbers or names, with commas between; `none` for none. A name that is not in the list is one of your own, and is "
        "declared in the governance file.",
    )
    own = [each for each in actions if each.name not in CORE_MARKETING_ACTIONS]
    if questions.asks and texts is None:
        own = [each if each.description else Action(each.name, _purpose(questions, each)) for each in own]
    return replace(draft, marketing_actions=tuple(each.name for each in actions), own_actions=tuple(own))


def ask_governance(
    questions: Questions, given: Given, draft: Draft, environ: Mapping[str, str]
) -> tuple[Draft, Path | None]:
    """Ask for the governance file; the draft has its text, and the path is None where there is none and none is needed."""
    questions.heading("Governance")
    beside = given.destination.parent / _GOVERNANCE_FILE
    named = given.governance
    if named is not None and not named.exists() and draft.own_actions:
        return draft, named

    def governance(text: str) -> tuple[str, str] | None:
        if text == NONE:
            return None
        problems: list[Problem] = []
        found = read_text(Path(text).expanduser(), problems)
        if found is not None:
            parsed = parse_governance(found, text, environ, problems)
            problems += _undeclared(draft, parsed, text)
        if found is None or problems:
            raise typer.BadParameter("\n".join(map(str, problems)))
        return found, text

    chosen = questions.answer(
        "Governance file",
        governance,
        option="--governance",
        given=None if named is None else str(named),
        default=str(beside) if beside.is_file() else NONE,
        help_="The file with labels, policies and consent policies (docs/configuration.md), or `none`: then only the label C12 "
        "forbids anything, and nothing bears it.",
    )
    draft = replace(draft, governance=chosen)
    if chosen is not None:
        return draft, Path(chosen[1]).expanduser()
    if not draft.own_actions:
        return draft, None
    say(f"{beside} will declare: {', '.join(each.name for each in draft.own_actions)}.")
    return draft, beside


def _purpose(questions: Questions, action: Action) -> str:
    return questions.answer(
        f"What {action.name} is for",
        str,
        option="--marketing-action",
        default="",
        help_="A few words for those who write policies; it has no effect.",
    )


def _undeclared(draft: Draft, governance: Governance | None, source: str) -> list[Problem]:
    known = () if governance is None else governance.custom_actions
    return [
        Problem(
            source,
            None,
            "marketingActions",
            f"{each.name} is not declared",
            "Declare it there, or name another file",
        )
        for each in draft.own_actions
        if governance is not None and each.name not in known
    ]


def _actions(texts: Sequence[str]) -> list[Action]:
    found: dict[str, Action] = {}
    names = list(MEANINGS)
    for text in texts:
        name, _, description = (each.strip() for each in text.partition("="))
        if name.isdecimal():
            if not 1 <= int(name) <= len(names):
                raise typer.BadParameter(
                    f"There is no marketing action {name}: they go from 1 to {len(names)}."
                )
            name = names[int(name) - 1]
        if not _ACTION_NAME.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no name: it has letters, digits, `_`, `.` and `-`.")
        close = [each for each in names if each.lower() == name.lower() and each != name]
        if close:
            raise typer.BadParameter(f"{name} is written {close[0]}.")
        found[name] = Action(name, description)
    return list(found.values())
