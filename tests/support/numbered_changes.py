"""Numbered changes of one profile, and the exports that they make."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.support.world import vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.scripted_kinesis import ScriptedKinesis, Stored


PROFILES = [f"profile-{number}" for number in range(20)]


def case() -> dict[str, Any]:
    return vector("seed-example")


def changes(count: int, profiles: Sequence[str] = PROFILES, start: int = 0) -> list[dict[str, Any]]:
    """Events of each profile in turn, each of which changes a mapped attribute."""
    model = case()
    path = model["destination"]["attributes"][0].split(".")
    found = []
    for number in range(start, start + count):
        event = json.loads(json.dumps(model["events"][0]))
        place = event["value"]
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = number
        found.append({**event, "key": profiles[number % len(profiles)]})
    return found


def numbers(kinesis: ScriptedKinesis) -> dict[str, list[int]]:
    """What each profile's exports tell, in order, repeats left out."""
    return numbers_of(kinesis.stored)


def numbers_of(stored: Iterable[Stored]) -> dict[str, list[int]]:
    """As `numbers`, of records one by one."""
    found: dict[str, list[int]] = defaultdict(list)
    for partition_key, data in stored:
        number = _number(data)
        if number not in found[partition_key]:
            found[partition_key].append(number)
    return found


def _number(data: bytes) -> int:
    place = json.loads(data)
    for name in case()["destination"]["attributes"][0].split("."):
        place = place[name]
    return int(place)


def expected(count: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number in range(count):
        found[PROFILES[number % len(PROFILES)]].append(number)
    return found
