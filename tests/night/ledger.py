"""The account: what the events of the topic must come out as, by the naive model, and what came out at the stream."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from tests.support.members import plain

if TYPE_CHECKING:
    from tests.support.naive_model import NaiveModel


class Place(NamedTuple):
    """Where an event stands in the source."""

    partition: int
    offset: int


class Repeat(NamedTuple):
    """An export that came once more."""

    partition_key: str
    first_at_s: float
    at_s: float


class Verdict(NamedTuple):
    """What is wrong in the end: each a count, and all of them are to be 0."""

    lost: int
    invented: int
    out_of_order: int
    letters_lost: int
    letters_invented: int

    @property
    def is_clean(self) -> bool:
        """Whether everything is as it must be; repeats are allowed."""
        return not any(self)


@dataclass
class _Profile:
    """The exports of one partition key, as text: those that must come, and those that came, each with its first time."""

    expected: list[str] = field(default_factory=list)
    found: dict[str, float] = field(default_factory=dict)


class Ledger:
    """Of one night. Times are seconds of one clock."""

    def __init__(self, model: NaiveModel) -> None:
        self.events = 0
        self.exports = 0
        self.repeats: list[Repeat] = []
        self._model = model
        self._profiles: dict[str, _Profile] = defaultdict(_Profile)
        self._awaited: dict[tuple[str, str], float] = {}
        """What must come and has not, with the time since when; the oldest first."""
        self._early: set[tuple[str, str]] = set()
        """What came before its event was read here."""
        self._letters: set[Place] = set()

    def happened(
        self, place: Place, key: bytes | None, value: bytes | None, timestamp_ms: int, at_s: float
    ) -> None:
        """An event stands in the topic; those of a partition are told in order."""
        self.events += 1
        told = self._model.apply(key, value, (), timestamp_ms)
        if told.reason is not None:
            self._letters.add(place)
        if told.data is None or told.partition_key is None:
            return
        export = json.dumps(plain(told.data))
        self._profiles[told.partition_key].expected.append(export)
        self.exports += 1
        awaited = told.partition_key, export
        if awaited in self._early:
            self._early.remove(awaited)
        else:
            self._awaited[awaited] = at_s

    def arrived(self, partition_key: str, data: bytes, at_s: float) -> None:
        """A record stands in the stream."""
        export = json.dumps(json.loads(data))
        found = self._profiles[partition_key].found
        if export in found:
            self.repeats.append(Repeat(partition_key, found[export], at_s))
            return
        found[export] = at_s
        if self._awaited.pop((partition_key, export), None) is None:
            self._early.add((partition_key, export))

    @property
    def awaited(self) -> int:
        """How many exports have not come."""
        return len(self._awaited)

    def oldest_awaited_s(self, now_s: float) -> float:
        """How long the oldest of what has not come is waited for."""
        return now_s - next(iter(self._awaited.values()), now_s)

    def verdict(self, letters: set[Place]) -> Verdict:
        """The account at the end, with the events that the dead-letter topic has."""
        lost = invented = out_of_order = 0
        for profile in self._profiles.values():
            found, expected = profile.found, dict.fromkeys(profile.expected)
            lost += len(expected.keys() - found.keys())
            invented += len(found.keys() - expected.keys())
            both = [export for export in expected if export in found]
            came = [export for export in found if export in expected]
            out_of_order += sum(one != other for one, other in zip_longest(both, came))
        return Verdict(
            lost, invented, out_of_order, len(self._letters - letters), len(letters - self._letters)
        )
