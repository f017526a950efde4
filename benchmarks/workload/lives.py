"""Profiles' lives: what happens to whom, and the event that tells of it."""

from __future__ import annotations

import math
import random
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.workload.shape import NAMESPACE, REFERENCE, Shape
from benchmarks.workload.times import TimeWriter, virtual_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES: Final = (
    "Smith", "García", "Nguyen", "Okafor", "Rossi", "Sato", "Kowalska", "Jones", "Brown", "Silva", "Kim", "Müller",
    "Martin", "Bernard", "Novak", "Ivanova",
)  # fmt: skip
_TIERS: Final = ("bronze", "silver", "gold", "platinum")
_FIRST_LIVES: Final = 1024
_MEMBER_SHARE: Final = 0.5
_LEFT_SHARE: Final = 0.3
"""Of the mapped segments at a birth; what is in the long run, too, but for what was never entered."""
_UNMAPPED_SHARE: Final = 0.12
"""Of the unmapped segments: those that a profile is in. Left ones are forgotten."""
_ENTERED_FOR_LEFT: Final = _UNMAPPED_SHARE / (1 - _UNMAPPED_SHARE)
_DRAWN_AT_ONCE: Final = 1000
_PURCHASES: Final = 2048
_FILLING_MIN_BYTES: Final = 32
_BIRTH_TIME: Final = "2025-11-30T08:15:30.000000Z"
_STEPS: Final = (7919, 7907, 1)
_BROKEN: Final = (
    b'{"person":{"email":"broken',
    b'{"segmentMembership":[],"identityMap":{}}',
    b'{"segmentMembership":{},"identityMap":{"ecid":[{"id":7}]}}',
)


class Event(NamedTuple):
    """One Kafka record to produce; `is_change` says whether an export follows from it."""

    key: bytes
    value: bytes
    timestamp_ms: int
    is_change: bool


class _Life:
    """What of a profile has changed since its birth."""

    __slots__ = ("activity", "cookie", "entries", "fresh", "members", "points")

    def __init__(self, entries: dict[int, str], members: set[int]) -> None:
        self.entries = entries
        self.members = members
        """Mapped segments that the profile is in."""
        self.fresh = -1
        """The segment that was entered with the last event."""
        self.activity = _BIRTH_TIME
        self.points = 0
        self.cookie = _BIRTH_TIME


class Workload:
    """All profiles of one shape. Time comes from `clock`, in microseconds since the epoch: a virtual one by default."""

    def __init__(self, shape: Shape = REFERENCE, clock: Callable[[], int] | None = None) -> None:
        self.shape = shape
        self._clock = clock or virtual_clock()
        self._rng = random.Random(shape.seed)
        self._times = TimeWriter()
        self._ids = shape.segment_ids
        self._first_lives = [self._first_life() for _ in range(_FIRST_LIVES)]
        self._lives: dict[int, _Life] = {}
        self._traits = _traits(shape.attributes_mapped)
        self._purchases = _purchases(self._rng)
        self._weights = _zipf_weights(shape.profiles, shape.zipf)

    def births(self) -> Iterator[Event]:
        """The first event of every profile; each causes an export."""
        for profile in range(self.shape.profiles):
            life = self._lives.get(profile) or self._born(profile)
            now_us = self._clock()
            value = self._value(profile, life, self._times.text(now_us))
            yield Event(_key(profile), value, now_us // 1000, is_change=True)

    def events(self, count: int) -> Iterator[Event]:
        """What happens to profiles that were born, `count` times."""
        yield from islice(self._events(), count)

    def _events(self) -> Iterator[Event]:
        shape, rng, lives = self.shape, self._rng, self._lives
        valid_above, change_above = shape.share_invalid, shape.share_invalid + shape.share_of_changes
        while True:
            for profile in self._drawn():
                now_us = self._clock()
                drawn = rng.random()
                if drawn < valid_above:
                    yield Event(_key(profile), rng.choice(_BROKEN), now_us // 1000, is_change=False)
                    continue
                life = lives.get(profile)
                if life is None:
                    life = lives[profile] = self._born(profile)
                now = self._times.text(now_us)
                if life.fresh in life.entries:
                    life.entries[life.fresh] = life.entries[life.fresh].replace("realized", "existing")
                life.fresh = -1
                if drawn < change_above:
                    self._change(life, now)
                else:
                    self._pass(life, now)
                value = self._value(profile, life, now)
                yield Event(_key(profile), value, now_us // 1000, is_change=drawn < change_above)

    def _drawn(self) -> list[int]:
        profiles = self.shape.profiles
        if self._weights is None:
            return [int(self._rng.random() * profiles) for _ in range(_DRAWN_AT_ONCE)]
        return self._rng.choices(range(profiles), cum_weights=self._weights, k=_DRAWN_AT_ONCE)

    def _born(self, profile: int) -> _Life:
        entries, members = self._first_lives[profile * 7919 % _FIRST_LIVES]
        life = _Life(dict(entries), set(members))
        life.points = profile * 31 % 5000
        return life

    def _change(self, life: _Life, now: str) -> None:
        """Something that the destination sees."""
        drawn = self._rng.random()
        if drawn < self.shape.share_of_attributes:
            life.points += 1 + int(drawn * 97)
            life.activity = now
            return
        if drawn < self.shape.share_of_attributes + self.shape.share_of_identities:
            life.cookie = now
            return
        segment = int(self._rng.random() * self.shape.segments_mapped)
        if segment not in life.members:
            self._enter(life, segment, now)
            life.members.add(segment)
        elif len(life.members) > 1:
            life.entries[segment] = _entry(self._ids[segment], "exited", now)
            life.members.remove(segment)
        elif self.shape.segments_mapped > 1:  # it stays in one at least: only then do attributes matter
            other = (segment + 1) % self.shape.segments_mapped
            self._enter(life, other, now)
            life.members.add(other)
        else:
            life.activity = now

    def _pass(self, life: _Life, now: str) -> None:
        """Something that the destination does not see."""
        drawn = self._rng.random()
        unmapped = self.shape.segments - self.shape.segments_mapped
        if drawn < self.shape.share_requalified:
            segment = next(iter(life.members))
            life.entries[segment] = _entry(self._ids[segment], "existing", now)
        elif unmapped and self._rng.random() < 0.5:
            segment = self.shape.segments_mapped + int(self._rng.random() * unmapped)
            if life.entries.pop(segment, None) is None and self._rng.random() < _ENTERED_FOR_LEFT:
                self._enter(life, segment, now)

    def _enter(self, life: _Life, segment: int, now: str) -> None:
        life.entries[segment] = _entry(self._ids[segment], "realized", now)
        life.fresh = segment

    def _value(self, profile: int, life: _Life, now: str) -> bytes:
        head = (
            f'{{"person":{{"name":{{"firstName":"Kim","lastName":"{_NAMES[profile % len(_NAMES)]}"}},'
            f'"email":"profile-{profile:010d}@example.com"}},"loyalty":{{"points":{life.points},'
            f'"tier":"{_TIERS[profile % 4]}","lastActivity":"{life.activity}"}},{self._traits}'
        ).encode()
        tail = (
            f'"segmentMembership":{{"{NAMESPACE}":{{{",".join(life.entries.values())}}}}},'
            f'"identityMap":{{"ecid":[{{"id":"{profile * 7_340_033:038d}"}}],'
            f'"cookie":[{{"id":"{life.cookie}"}}]}},"lastVisit":"{now}"}}'
        ).encode()
        return head + self._filling(profile, self.shape.event_bytes - len(head) - len(tail)) + tail

    def _filling(self, profile: int, size_bytes: int) -> bytes:
        """Members that nobody maps, of `size_bytes` in all; none where that is too few for any."""
        if size_bytes < _FILLING_MIN_BYTES:
            return b""
        size_bytes -= len('"purchases":[],"note":"",')
        count, rest = divmod(size_bytes, _PURCHASE_BYTES)
        pool = self._purchases
        if count > _PURCHASES:
            pool *= count // _PURCHASES + 1
            first = 0
        else:
            first = profile % (_PURCHASES - count + 1)
        items = pool[first * _PURCHASE_BYTES : (first + count) * _PURCHASE_BYTES]
        if count:
            items, rest = items[:-1], rest + 1
        return b'"purchases":[%b],"note":"%b",' % (items, b"n" * rest)

    def _first_life(self) -> tuple[dict[int, str], set[int]]:
        rng, mapped = self._rng, self.shape.segments_mapped
        entries: dict[int, str] = {}
        members: set[int] = set()
        for segment, id_ in enumerate(self._ids):
            drawn = rng.random()
            if drawn < (_MEMBER_SHARE if segment < mapped else _UNMAPPED_SHARE):
                entries[segment] = _entry(id_, "existing", _BIRTH_TIME)
                if segment < mapped:
                    members.add(segment)
            elif segment < mapped and drawn < _MEMBER_SHARE + _LEFT_SHARE:
                entries[segment] = _entry(id_, "exited", _BIRTH_TIME)
        if not members:
            only = rng.randrange(mapped)
            entries[only] = _entry(self._ids[only], "realized", _BIRTH_TIME)
            members.add(only)
        return entries, members


def _key(profile: int) -> bytes:
    return b"profile-%010d" % profile


def _entry(id_: str, status: str, time: str) -> str:
    return f'"{id_}":{{"lastQualificationTime":"{time}","status":"{status}"}}'


def _traits(attributes_mapped: int) -> str:
    members = ",".join(f'"trait{number:03d}":"value-{number:06d}"' for number in range(attributes_mapped - 3))
    return f'"traits":{{{members}}},'


def _purchases(rng: random.Random) -> bytes:
    """One text of purchases that are all of one length, each with its comma."""
    return b"".join(
        b'{"sku":"%08x","quantity":%d,"price":%02d.%02d,"channel":"web"},'
        % (rng.randrange(16**8), rng.randrange(1, 10), rng.randrange(10, 100), rng.randrange(10, 100))
        for _ in range(_PURCHASES)
    )


_PURCHASE_BYTES: Final = len(_purchases(random.Random(0))) // _PURCHASES


def _zipf_weights(profiles: int, exponent: float) -> list[float] | None:
    if not exponent:
        return None
    # The hot ones are spread over the numbers, as they are over the partitions of a real topic.
    step = next(step for step in _STEPS if math.gcd(step, profiles) == 1)
    return list(accumulate((1 + rank * step % profiles) ** -exponent for rank in range(profiles)))
