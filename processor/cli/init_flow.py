"""`processor init`: the questions in their order, and the files at their end."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from processor.cli.console import errors_printed, print_error, refuse
from processor.cli.init_account import ask_account, ask_stream
from processor.cli.init_activation import ask_activation
from processor.cli.init_authentication import ask_authentication, ask_governance
from processor.cli.questions import heading, say, show_text
from processor.errors import KafkaError
from processor.operations.destination_draft import Draft, destination_text, governance_text
from processor.operations.new_files import is_taken, trouble_with, write_new
from processor.operations.suggestions import Suggestions
from processor.operations.text_table import plain
from processor.operations.topic_sample import SampleBounds, read_sample
from processor.settings import find_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from processor.cli.init_given import Given
    from processor.cli.questions import Questions
    from processor.errors import Problem
    from processor.operations.topic_sample import SampleRead
    from processor.settings import KafkaSettings

_GROUP: Final = "PROCESSOR_KAFKA_GROUP"


@dataclass(frozen=True, slots=True)
class Ready:
    """What is to be written: texts by path, those of them that may be there already, and what to tell afterwards."""

    texts: Mapping[Path, str]
    over: frozenset[Path]
    next_steps: tuple[str, ...]


def set_up(questions: Questions, given: Given, environ: Mapping[str, str]) -> Ready:
    """Ask, check and show; nothing is written yet.

    Raises:
        typer.BadParameter: an option is wrong or missing.
        typer.Abort: a person has left, or wants none of it.
        typer.Exit: the topic cannot be read, though nothing is asked and the segments are to come from it.

    """
    _check_place(questions, given, given.destination)
    if questions.asks:
        say(
            "This sets up what is exported, and where to. ? shows help, Enter takes the default in brackets, Ctrl-C leaves."
        )
    kafka, problems = _kafka(environ)
    if given.from_topic and kafka is None:
        refuse(problems)
    draft = ask_account(questions, given, Draft(), environ)
    draft = ask_authentication(questions, given, draft, None if kafka is None else kafka.topic)
    draft = ask_stream(questions, given, draft, environ)
    draft, governance = ask_governance(questions, given, draft, environ)
    found = _suggestions(questions, given, kafka, problems)
    draft = ask_activation(questions, given, draft, found, environ)
    return _reviewed(questions, given, draft, governance, environ)


def write(ready: Ready) -> None:
    """Write the files, and say what comes next."""
    try:
        write_new(ready.texts, ready.over)
    except FileExistsError as error:
        print_error(
            f"{error.filename2 or error}: it was made by somebody else meanwhile, and is left as it is"
        )
        raise typer.Exit(1) from error
    except OSError as error:
        print_error(
            f"{error.filename}: {error.strerror}: name a place that can be written with --destination"
        )
        raise typer.Exit(1) from error
    heading("Written")
    for path in ready.texts:
        say(str(path))
    for step in ready.next_steps:
        typer.echo(plain(step).plain)


def _check_place(questions: Questions, given: Given, path: Path) -> None:
    trouble = trouble_with(path)
    if trouble is not None:
        print_error(trouble)
        raise typer.Exit(1)
    if is_taken(path) and not questions.asks and not given.overwrite:
        raise typer.BadParameter(f"{path} exists: give --overwrite, or another --destination")


def _kafka(environ: Mapping[str, str]) -> tuple[KafkaSettings | None, list[Problem]]:
    """The source, for which no group is needed yet; None, and what is wrong or missing, where it is not known."""
    found = find_settings({**environ, _GROUP: environ.get(_GROUP) or "init"})
    return None if found.settings is None else found.settings.kafka, [*found.wrong, *found.unset]


def _suggestions(
    questions: Questions, given: Given, kafka: KafkaSettings | None, problems: list[Problem]
) -> Suggestions:
    """What the topic suggests; nothing, with the reason said, where it cannot be read."""
    if not questions.asks and not given.from_topic:
        return Suggestions()
    questions.heading("Recent events")
    if kafka is None:
        for problem in problems:
            say(str(problem))
        say("So segments and attributes are not suggested: name them.")
        return Suggestions()
    say(f"Looking at recent events of {kafka.topic} …")
    read = read_sample(kafka, SampleBounds(given.sample_events))
    if given.from_topic:
        with errors_printed():
            sample = asyncio.run(read)
    else:
        try:
            sample = asyncio.run(read)
        except KafkaError as error:
            say(f"{error}. So segments and attributes are not suggested: name them.")
            return Suggestions()
    _say_sample(sample)
    if given.from_topic and given.segments is None and not sample.suggestions.segments:
        print_error(f"no segments were found in {kafka.topic}: name them with --segment")
        raise typer.Exit(1)
    return sample.suggestions


def _say_sample(sample: SampleRead) -> None:
    found = sample.suggestions
    say(
        f"{found.events} events, of {found.profiles} profiles: {len(found.segments) + found.further_segments} segments and "
        f"{len(found.attributes) + found.further_attributes} attributes."
    )
    if found.invalid:
        reasons = ", ".join(f"{reason} {count}" for reason, count in found.invalid.items())
        say(f"Not used, as they are invalid: {reasons}.")
    if found.further_segments:
        say(f"The {len(found.segments)} segments with the most members are suggested, the others not.")
    if sample.partitions_read < sample.partitions:
        say(
            f"{sample.partitions_read} of {sample.partitions} partitions were read as far as was meant: a bound of bytes or time "
            "was met first."
        )


def _reviewed(
    questions: Questions, given: Given, draft: Draft, governance: Path | None, environ: Mapping[str, str]
) -> Ready:
    texts: dict[Path, str] = {}
    if governance is not None and draft.makes_governance:
        _check_place(questions, given, governance)
        # The first to be there: the destination refers to it.
        texts[governance] = governance_text(draft.own_actions)
    texts[given.destination] = destination_text(draft)
    for path, text in texts.items():
        heading(str(path))
        show_text(text)
    typer.echo()
    over = frozenset(path for path in texts if is_taken(path))
    for path in texts:
        exists = path in over
        if exists and given.overwrite:
            continue
        if not questions.confirmed(
            f"{path} exists: write over it?" if exists else f"Write {path}?",
            default=not exists,
            help_="n leaves everything as it was.",
        ):
            say("Nothing was written.")
            raise typer.Exit(1)
    return Ready(texts, over, _next_steps(given, draft, governance, environ))


def _next_steps(
    given: Given, draft: Draft, governance: Path | None, environ: Mapping[str, str]
) -> tuple[str, ...]:
    steps: list[str] = []
    found = find_settings(environ)
    wanted = [
        *(each for each in draft.variables if not environ.get(each)),
        *(each.member for each in found.unset),
    ]
    if wanted:
        steps += ["Set these variables:", *(f"  export {each}=…" for each in wanted)]
    command = ["processor", "validate", "--connect"]
    # What these variables name is followed without an option.
    if str(given.destination) != (environ.get("PROCESSOR_DESTINATION_FILE") or "destination.yaml"):
        command += ["--destination", str(given.destination)]
    if governance is not None and environ.get("PROCESSOR_GOVERNANCE_FILE") != str(governance):
        command += ["--governance", str(governance)]
    return (*steps, "Next:", "  " + shlex.join(command))
