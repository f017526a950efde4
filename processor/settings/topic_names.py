"""Names of topics: what Kafka takes, and that no two of ours are one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from processor.errors import Problem
from processor.settings.group import Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

CHARACTERS_MAX: Final = 249
"""As Kafka's `Topic` has it: the name is a folder's, with a partition's number behind it."""

_TOPIC: Final = "PROCESSOR_KAFKA_TOPIC"
_GROUP: Final = "PROCESSOR_KAFKA_GROUP"
_LETTERS: Final = "PROCESSOR_KAFKA_DEAD_LETTER_TOPIC"
_CHANGELOG: Final = "PROCESSOR_STATE_CHANGELOG_TOPIC"
_BACKFILL: Final = "PROCESSOR_BACKFILL_TOPIC"
_BACKFILL_SUFFIX: Final = "-backfill"
_CONFIGURATION: Final = "PROCESSOR_CONFIGURATION_TOPIC"
_CONFIGURATION_SUFFIX: Final = "-configuration"
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9._-]")
_REMEDY: Final = "Kafka's names have letters of ASCII, digits, '.', '_' and '-'"


def trouble_with_topic(name: str) -> str | None:
    """Why Kafka takes no topic of this name; None where it does."""
    if name in {".", ".."}:
        return f"Kafka has no topic {name!r}"
    foreign = sorted(set(_FOREIGN.findall(name)), key=name.index)
    if foreign:
        return f"Kafka takes no topic with {', '.join(map(repr, foreign[:5]))} in its name"
    if len(name) > CHARACTERS_MAX:
        return f"it has {len(name)} characters, and Kafka takes no topic of more than {CHARACTERS_MAX}"
    return None


def topic_name(name: str) -> str:
    """The name, as it is; an empty one is no name yet.

    Raises:
        Wrong: Kafka takes no such topic.

    """
    trouble = trouble_with_topic(name)
    if trouble is not None:
        raise Wrong(f"{name!r}: {trouble}", f"Name another; {_REMEDY}")
    return name


def dead_letter_topic_of(topic: str) -> str:
    """What the dead-letter topic is called where nothing names it."""
    return f"{topic}-dead-letters"


def changelog_of(group: str, topic: str) -> str:
    """What the changelog is called where nothing names it."""
    return f"{group}-{topic}-state"


def backfill_topic_of(group: str, topic: str, changelog: str) -> str:
    """What the topic of backfills is called where nothing names it: after the changelog, where Kafka takes no name of the group's.

    A changelog that was named for that reason must be enough: deployments from before this topic have no name for it.
    """
    return _named_after(group, topic, changelog, _BACKFILL_SUFFIX)


def configuration_topic_of(group: str, topic: str, changelog: str) -> str:
    """What the topic of the definition is called where nothing names it; as that of backfills."""
    return _named_after(group, topic, changelog, _CONFIGURATION_SUFFIX)


def _named_after(group: str, topic: str, changelog: str, suffix: str) -> str:
    name = f"{group}-{topic}{suffix}"
    return name if trouble_with_topic(name) is None else changelog[: CHARACTERS_MAX - len(suffix)] + suffix


def topic_problems(environ: Mapping[str, str]) -> list[Problem]:
    """What is wrong with names that follow from others, and which two are one; what is given is looked at elsewhere.

    It looks at the variables alone: what is wrong with another must not hide this.
    """
    group, topic = environ.get(_GROUP), environ.get(_TOPIC)
    if not topic or trouble_with_topic(topic):
        return []
    problems, named = [], {_TOPIC: topic}
    following = [(_LETTERS, "<topic>-dead-letters", dead_letter_topic_of(topic), "")]
    if group:
        changelog = environ.get(_CHANGELOG) or changelog_of(group, topic)
        following.append(
            (_CHANGELOG, "<group>-<topic>-state", changelog_of(group, topic), f", or rename {_GROUP}")
        )
        small = (
            (_BACKFILL, backfill_topic_of(group, topic, changelog)),
            (_CONFIGURATION, configuration_topic_of(group, topic, changelog)),
        )
        # A name that Kafka does not take follows from a changelog that is reported.
        following += [
            (variable, "", name, "") for variable, name in small if trouble_with_topic(name) is None
        ]
    for variable, form, follows, otherwise in following:
        name = environ.get(variable) or follows
        trouble = None if environ.get(variable) else trouble_with_topic(name)
        same = next((other for other, taken in named.items() if taken == name), None)
        if trouble is not None:
            message, remedy = (
                f"it is not set, so it is {form}, {name!r}: {trouble}",
                f"Set it{otherwise}; {_REMEDY}",
            )
            problems.append(Problem("environment", None, variable, message, remedy))
        elif same is not None:
            message = f"{name!r} is {same} too"
            problems.append(Problem("environment", None, variable, message, "Give each a topic of its own"))
        named[variable] = name
    return problems
