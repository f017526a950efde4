"""The configurations of a life in which they change: what is mapped, and what governance removes of it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from processor.configuration import parse_configuration
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from tests.support.members import DESTINATION

if TYPE_CHECKING:
    import random

    from processor.governance.destination import Destination
    from processor.governance.document import Governance

SEGMENTS: Final = "one", "two", "three", "four"
LABEL: Final = "C2"
"""That some events bear, and that a policy denies."""
_ACTION: Final = "crossSiteTargeting"
_POLICY: Final = {
    "name": "denied",
    "status": "ENABLED",
    "marketingActionRefs": [_ACTION],
    "deny": {"label": LABEL},
}
_CONSENT: Final = {
    "name": "asked for",
    "status": "ENABLED",
    "marketingActionRefs": [_ACTION],
    "requires": {"path": "consents.val", "in": ["y"]},
}
_GOVERNANCE: Final[dict[str, dict[str, Any] | None]] = {
    "none": None,
    "removes the colour": {"labels": {"fields": {"colour": [LABEL]}}, "policies": [_POLICY]},
    "removes a segment": {"labels": {"segments": [{"id": "two", "labels": [LABEL]}]}, "policies": [_POLICY]},
    "removes labelled events": {"policies": [_POLICY]},
    "asks for consent": {"consentPolicies": [_CONSENT]},
}


class Choice(NamedTuple):
    """What is in the two files."""

    segments: tuple[str, ...] = ("one", "two")
    attributes: tuple[str, ...] = ("number",)
    governance: str = "none"
    name: str | None = None
    """Of every segment, which exports bear and no view depends on."""


@dataclass(frozen=True)
class Configuration:
    """What the two files say, and who follows them."""

    destination: Destination
    governance: Governance
    core: Core


STEADY: Final = Choice()
"""That of the lives in which none changes."""


@functools.cache
def configuration(choice: Choice) -> Configuration:
    """Compiled once for all lives: a core remembers nothing of any profile."""
    names = {} if choice.name is None else {"name": choice.name}
    destination = {
        **DESTINATION,
        "connection": {"region": "eu-west-1"},
        "segments": [{"id": segment, **names} for segment in choice.segments],
        "attributes": list(choice.attributes),
        **({"includeSegmentNames": True} if names else {}),
        **({"marketingActions": [_ACTION]} if choice.governance != "none" else {}),
    }
    governance = _GOVERNANCE[choice.governance]
    files = parse_configuration(
        (json.dumps(destination), "destination.yaml"),
        None if governance is None else (json.dumps(governance), "governance.yaml"),
        {},
    )
    return Configuration(*files, Core(compile_plan(*files)))


def first_choice(rng: random.Random) -> Choice:
    """What a life begins with."""
    return Choice(name=rng.choice([None, "name 0", "name 0"]))


def next_choice(rng: random.Random, former: list[Choice]) -> Choice:
    """A small change of the last of `former`, as people make them, or back to the first; sometimes one that no view depends on."""
    last = former[-1]
    # Where exports bear names, each configuration of a life has one of its own.
    named = last.name and f"name {len(former)}"
    change = rng.choice(["segments", "segments", "attributes", "governance", "governance", "back", "name"])
    if change == "back":
        return former[0]._replace(name=named)
    if change == "segments":
        others = [segment for segment in SEGMENTS if rng.random() < 0.6] or ["three"]
        return last._replace(segments=tuple(others), name=named)
    if change == "attributes":
        attributes = rng.choice([("number", "colour"), ("colour",), ("colour", "number"), ("number",)])
        return last._replace(attributes=attributes, name=named)
    if change == "governance":
        return last._replace(governance=rng.choice(list(_GOVERNANCE)), name=named)
    return last._replace(name=named)
