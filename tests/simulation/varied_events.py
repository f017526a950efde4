"""Events for lives in which configurations change: there is more in one than any configuration maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.simulation.configurations import LABEL, SEGMENTS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

Made = tuple[bytes, bytes | None, tuple[tuple[str, bytes | None], ...]]
"""Key, value and headers of an event."""

PROFILES: Final = 24, 60, 120
"""Of a life: many have few events, and are quiet when a backfill comes."""
LATER: Final = b"2021-01-01T"
_LABELS: Final = ("duleLabels", LABEL.encode())


def varied_events(rng: random.Random, count: int, profiles: int) -> list[Made]:
    """Events of which no two have an export in common; some are invalid where the last segment is mapped."""
    found: list[Made] = []
    for number in range(count):
        key = b"profile-%03d" % rng.randrange(profiles)
        if rng.random() < 0.06:
            found.append((key, None, ()))
            continue
        among = [segment for segment in SEGMENTS if rng.random() < 0.5]
        value = _value(rng, key, number, among)
        found.append((key, value, (_LABELS,) if rng.random() < 0.15 else ()))
    return found


def event_of_all(key: bytes, number: int) -> Made:
    """One that is exported whatever is mapped; its exports bear `LATER`."""
    entries = {segment: _entry(number, LATER.decode()) for segment in SEGMENTS}
    return key, _json(number, "red", "y", entries), ()


def _value(rng: random.Random, key: bytes, number: int, among: Iterable[str]) -> bytes:
    entries = {segment: _entry(number) for segment in among}
    for entry in entries.values():
        if rng.random() < 0.1:
            entry["status"] = "exited"
        if rng.random() < 0.1:
            # Between the events' time, which is 1970, and that of a backfill; or after both.
            entry["validUntil"] = rng.choice(["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"])
    if "four" in entries and rng.random() < 0.1:
        entries["four"]["status"] = "unheard of"
    identities = {"email": [{"id": f"{key.decode()}@example.com"}]} if rng.random() < 0.8 else None
    return _json(number, rng.choice(["red", "blue"]), rng.choice("yyn"), entries, identities)


def _entry(number: int, day: str = "2020-01-01T") -> dict[str, str]:
    return {"status": "realized", "lastQualificationTime": f"{day}00:00:00.{number:09d}Z"}


def _json(
    number: int, colour: str, consent: str, entries: dict[str, dict[str, str]], identities: object = None
) -> bytes:
    tree = {
        "number": number,
        "colour": colour,
        "consents": {"val": consent},
        "segmentMembership": {"ups": entries},
        **({"identityMap": identities} if identities else {}),
    }
    return json.dumps(tree).encode()
