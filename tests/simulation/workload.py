"""Events and what must come of them, by the naive model; a few sets, made once and used by many lives."""

from __future__ import annotations

import functools
import json
import random
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import ConsumerRecord

from processor.profile.batch import Limits
from processor.profile.processing import process
from processor.profile.state_record import has_departed
from tests.simulation.configurations import STEADY, configuration
from tests.simulation.varied_events import LATER, event_of_all, varied_events
from tests.simulation.varied_events import PROFILES as VARIED_PROFILES
from tests.support.members import changes, plain
from tests.support.naive_model import NaiveModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.profile.core import Core
    from tests.simulation.broker import Record
    from tests.simulation.varied_events import Made

EVENTS = 300
PARTITIONS = 4
_PROFILES = 24
_KINDS = 16
_POISONED = 0.02
_UNREJECTED = 0.7
_REJECTED_ONE_IN = 50
_GAP_ONE_IN = 5
_POISON = b'{"segmentMembership": '
_NO_LIMITS = Limits(1 << 20, 1 << 20)


class Kind(NamedTuple):
    """What the events of a life are like."""

    number: int
    is_varied: bool
    """For lives in which configurations change."""

    def made(self, rng: random.Random) -> list[Made]:
        """So many as a life has."""
        if self.is_varied:
            return varied_events(rng, EVENTS, rng.choice(VARIED_PROFILES))
        return [(*change, ()) for change in changes(rng, EVENTS, _PROFILES)]

    def last(self, rng: random.Random, number: int) -> Made:
        """One that is exported."""
        key, first = b"last-%03d" % number, EVENTS + 20 * number
        if self.is_varied:
            return event_of_all(key, first)
        (_, value), *_ = [
            each for each in changes(rng, 20, 1, start=first) if each[1] and b"time" in each[1].lower()
        ]
        return key, value, ()


@dataclass(frozen=True)
class Workload:
    """Events in the order in which they are produced, and what the model makes of them where nothing changes."""

    kind: Kind
    events: list[Record]

    @cached_property
    def poisoned(self) -> set[tuple[int, int]]:
        """Partition and offset of what must be dead-lettered, as no event."""
        return {(event.partition, event.offset) for event in self.events if event.value == _POISON}

    @cached_property
    def exports(self) -> dict[bytes, list[bytes]]:
        """Of each profile, in order."""
        found: dict[bytes, list[bytes]] = defaultdict(list)
        for event, export in self._exported:
            found[event.key or b""].append(export)
        return dict(found)

    @cached_property
    def origins(self) -> dict[bytes, tuple[int, int]]:
        """Partition and offset of the event that an export comes from."""
        return {export: (event.partition, event.offset) for event, export in self._exported}

    @cached_property
    def states(self) -> dict[int, dict[bytes, bytes]]:
        """Of each partition, at the end; profiles that left are not in it."""
        return states_of(self.events)

    @cached_property
    def _exported(self) -> list[tuple[Record, bytes]]:
        return _exported(self.events)

    def grown(self) -> Workload:
        """With one event more for each partition, of profiles that were never there."""
        ends = Counter({event.partition: end_after(event) for event in self.events})
        number = len(self.events)
        last = _last(self.kind, random.Random(number), number)
        return Workload(self.kind, [*self.events, *_records(last, ends)])

    def rejected(self, rng: random.Random) -> set[bytes]:
        """Exports that a life's Kinesis does not take: none of most lives', and a few of others'.

        The same ones, as far as they are made, where events are left out.
        """
        if rng.random() < _UNREJECTED:
            return set()
        number = rng.randrange(_REJECTED_ONE_IN)
        last = {
            export for event in self.events[-PARTITIONS:] for export in self.exports.get(event.key or b"", ())
        }
        return {
            data
            for data in self.origins
            if zlib.crc32(data) % _REJECTED_ONE_IN == number and data not in last
        }

    def only(self, places: Sequence[int]) -> Workload:
        """Of all but the last events those at `places`; and the last ones, which show what is behind them."""
        ends = defaultdict[int, int](int)
        events = []
        for event in [*(self.events[place] for place in places), *self.events[-PARTITIONS:]]:
            events.append(replace(event, offset=ends[event.partition]))
            ends[event.partition] = end_after(events[-1])
        return Workload(self.kind, events)


def rejection(rng: random.Random) -> Callable[[bytes], bool] | None:
    """As `Workload.rejected`, of lives in which configurations change: which exports there will be nobody knows."""
    if rng.random() < _UNREJECTED:
        return None
    number = rng.randrange(_REJECTED_ONE_IN)
    return lambda data: zlib.crc32(data) % _REJECTED_ONE_IN == number and LATER not in data


def end_after(event: Record) -> int:
    """The offset of the partition's next event: behind some stand offsets that are none."""
    chance = _chance(event)
    gap = chance % 3 + 1 if chance % _GAP_ONE_IN == 0 else 0
    end: int = event.offset + 1 + gap
    return end


def is_marked(event: Record) -> bool:
    """Whether the offsets that are no events, behind this one, are a transaction's markers, and not compacted away."""
    return _chance(event) % 2 == 0


def _chance(event: Record) -> int:
    return zlib.crc32(b"%d, %d" % (event.partition, event.offset))


def core() -> Core:
    """That of all workers where nothing changes: it remembers nothing of any profile."""
    return configuration(STEADY).core


def workload(seed: int, *, is_varied: bool = False) -> Workload:
    """That of a life."""
    return _made(Kind(seed % _KINDS, is_varied))


@functools.cache
def _made(kind: Kind) -> Workload:
    rng = random.Random(kind.number)
    changed = [
        (key, _POISON if rng.random() < _POISONED else value, headers)
        for key, value, headers in kind.made(rng)
    ]
    # The last ones, one for each partition, show what is behind what all others left there.
    return Workload(kind, _records([*changed, *_last(kind, rng, 0)], Counter()))


def _records(values: Sequence[Made], ends: Counter[int]) -> list[Record]:
    found = []
    for key, value, headers in values:
        partition = zlib.crc32(key) % PARTITIONS
        sizes = len(key), len(value or b"")
        found.append(
            ConsumerRecord("events", partition, ends[partition], 0, 0, key, value, None, *sizes, headers)
        )
        ends[partition] = end_after(found[-1])
    return found


def _last(kind: Kind, rng: random.Random, first: int) -> list[Made]:
    found: dict[int, Made] = {}
    for number in range(first, first + 1000):
        event = kind.last(rng, number)
        found.setdefault(zlib.crc32(event[0]) % PARTITIONS, event)
        if len(found) == PARTITIONS:
            break
    return list(found.values())


def states_of(events: list[Record]) -> dict[int, dict[bytes, bytes]]:
    """The state of each partition in the end, profiles that left left out."""
    states: dict[int, dict[bytes, bytes | None]] = {n: defaultdict(lambda: None) for n in range(PARTITIONS)}
    core = configuration(STEADY).core
    for event in events:
        assert event.key is not None
        states[event.partition].setdefault(event.key, None)
        process(core, states[event.partition], [event], _NO_LIMITS)
    return {
        partition: {
            key: state for key, state in found.items() if state is not None and not has_departed(state)
        }
        for partition, found in states.items()
    }


def _exported(events: list[Record]) -> list[tuple[Record, bytes]]:
    """The core's exports, byte for byte, once the model agrees with them; no two are the same."""
    core, states = configuration(STEADY).core, defaultdict[bytes, "bytes | None"](lambda: None)
    model = NaiveModel(configuration(STEADY).destination, configuration(STEADY).governance)
    found = []
    for event in events:
        assert event.key is not None
        states.setdefault(event.key, None)
        batch = process(core, states, [event], _NO_LIMITS)
        applied = model.apply(event.key, event.value, (), 0)
        expected = [] if applied.data is None else [json.dumps(plain(applied.data))]
        assert [json.dumps(json.loads(export.data)) for export in batch.exports] == expected
        found += [(event, export.data) for export in batch.exports]
    assert len({data for _, data in found}) == len(found)
    return found
