"""Events and what must come of them, by the naive model; a few sets, made once and used by many lives."""

from __future__ import annotations

import functools
import json
import random
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiokafka import ConsumerRecord

from processor.batch import Limits, process
from processor.configuration import parse_configuration
from processor.governance.plan import Plan, compile_plan
from processor.profile.core import Core
from processor.profile.record import has_left
from tests.integration.members import DESTINATION, changes, plain
from tests.naive_model import NaiveModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.broker import Record

EVENTS = 300
PARTITIONS = 4
_PROFILES = 24
_KINDS = 16
_POISONED = 0.02
_POISON = b'{"segmentMembership": '
_NO_LIMITS = Limits(1 << 20, 1 << 20)


@dataclass(frozen=True)
class Workload:
    """Events in the order in which they are produced, and what the model makes of them."""

    events: list[Record]
    exports: dict[bytes, list[bytes]]
    """Of each profile, in order."""
    states: dict[int, dict[bytes, bytes]]
    """Of each partition, at the end; profiles that left are not in it."""
    poisoned: set[tuple[int, int]]
    """Partition and offset of what must be dead-lettered."""

    def only(self, places: Sequence[int]) -> Workload:
        """Of all but the last events those at `places`; and the last ones, which show what is behind them."""
        ends = defaultdict[int, int](int)
        events = []
        for event in [*(self.events[place] for place in places), *self.events[-PARTITIONS:]]:
            events.append(replace(event, offset=ends[event.partition]))
            ends[event.partition] += 1
        return _expected(events)


@functools.cache
def plan() -> Plan:
    text = json.dumps({**DESTINATION, "connection": {"region": "eu-west-1"}})
    return compile_plan(*parse_configuration((text, "destination.yaml"), None, {}))


def workload(seed: int) -> Workload:
    """That of a life."""
    return _made(seed % _KINDS)


@functools.cache
def _made(kind: int) -> Workload:
    rng = random.Random(kind)
    ends: dict[int, int] = defaultdict(int)
    events: list[Record] = []
    # The last ones, one for each partition, show what is behind what all others left there.
    for key, good in [*changes(rng, EVENTS, _PROFILES), *_last(rng)]:
        partition = zlib.crc32(key) % PARTITIONS
        value = good
        if rng.random() < _POISONED and len(events) < EVENTS:
            value = _POISON
        sizes = len(key), len(value or b"")
        events.append(
            ConsumerRecord("events", partition, ends[partition], 0, 0, key, value, None, *sizes, ())
        )
        ends[partition] += 1
    return _expected(events)


def _expected(events: list[Record]) -> Workload:
    poisoned = {(event.partition, event.offset) for event in events if event.value == _POISON}
    return Workload(events, exports_of(events), states_of(events), poisoned)


def _last(rng: random.Random) -> list[tuple[bytes, bytes | None]]:
    found: dict[int, tuple[bytes, bytes | None]] = {}
    for number in range(1000):
        key = b"last-%03d" % number
        (_, value), *_ = [
            each
            for each in changes(rng, 20, 1, start=EVENTS + 20 * number)
            if each[1] and b"time" in each[1].lower()
        ]
        found.setdefault(zlib.crc32(key) % PARTITIONS, (key, value))
        if len(found) == PARTITIONS:
            break
    return list(found.values())


def states_of(events: list[Record]) -> dict[int, dict[bytes, bytes]]:
    """The state of each partition in the end, profiles that left left out."""
    states: dict[int, dict[bytes, bytes | None]] = {n: defaultdict(lambda: None) for n in range(PARTITIONS)}
    core = Core(plan())
    for event in events:
        assert event.key is not None
        states[event.partition].setdefault(event.key, None)
        process(core, states[event.partition], [event], _NO_LIMITS)
    return {
        partition: {key: state for key, state in found.items() if state is not None and not has_left(state)}
        for partition, found in states.items()
    }


def exports_of(events: list[Record]) -> dict[bytes, list[bytes]]:
    """The core's exports, byte for byte, once the model agrees with them."""
    core, states = Core(plan()), defaultdict[bytes, "bytes | None"](lambda: None)
    model = NaiveModel(*parse_configuration((json.dumps(_DESTINATION), "destination.yaml"), None, {}))
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for event in events:
        assert event.key is not None
        states.setdefault(event.key, None)
        batch = process(core, states, [event], _NO_LIMITS)
        told = model.apply(event.key, event.value, (), 0)
        expected = [] if told.data is None else [json.dumps(plain(told.data))]
        assert [json.dumps(json.loads(export.data)) for export in batch.exports] == expected
        found[event.key] += [export.data for export in batch.exports]
    return dict(found)


_DESTINATION = {**DESTINATION, "connection": {"region": "eu-west-1"}}
