"""Events gathered ahead by when they are due, in the batches that go to Kafka: what takes long is done before the first is due."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.workload.lives import Event

_TICK_S: Final = 0.01
"""Between two times at which something is due, where that is much: a broker that is sent to more often has less time for all else."""
_FEW_A_TICK: Final = 10
"""Events that are fewer than that are sent one by one, each when it is due."""


@dataclass(slots=True)
class Produced:
    """What goes into a topic; `changes` is how many exports follow from it."""

    events: int = 0
    changes: int = 0
    value_bytes: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        self.events += 1
        self.changes += event.is_change
        self.value_bytes += len(event.value)

    def as_dict(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


@dataclass(slots=True)
class Batches:
    """Batches by partition, in order: events of one profile are in one partition's. `new` makes one, of as much as it may hold."""

    partitions: int
    new: Callable[[], Any]
    produced: Produced = field(default_factory=Produced, init=False)
    _gathered: list[tuple[int, Any]] = field(default_factory=list, init=False)
    _open: dict[int, Any] = field(default_factory=dict, init=False)

    def add(self, event: Event) -> None:
        """Put an event behind those of its partition."""
        partition = zlib.crc32(event.key) % self.partitions
        while (
            self._open_batch(partition).append(key=event.key, value=event.value, timestamp=event.timestamp_ms)
            is None
        ):
            del self._open[partition]  # it is full
        self.produced.add(event)

    def take(self) -> list[tuple[int, Any]]:
        """Take all batches that are not taken yet, each with its partition."""
        taken, self._gathered, self._open = self._gathered, [], {}
        return taken

    def take_full(self) -> list[tuple[int, Any]]:
        """Take those that hold as much as they may."""
        taken = [each for each in self._gathered if self._open.get(each[0]) is not each[1]]
        self._gathered = list(self._open.items())
        return taken

    def _open_batch(self, partition: int) -> Any:  # noqa: ANN401  aiokafka has no type for it
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self.new()
            self._gathered.append((partition, batch))
        return batch


class Tick(NamedTuple):
    """What is due at one time, in seconds since the epoch."""

    due_s: float
    batches: list[tuple[int, Any]]


class Plan(NamedTuple):
    """What is to be sent, and when; `began_s` is when the first event is due."""

    began_s: float
    ticks: list[Tick]
    produced: Produced


def planned(events: Iterable[Event], batches: Batches, rate: float, began_s: float) -> Plan:
    """Gather events, of which `rate` are due a second, evenly, from `began_s` on."""
    events = iter(events)
    a_tick = rate * _TICK_S if rate * _TICK_S > _FEW_A_TICK else 1.0
    ticks: list[Tick] = []
    count = 0
    while some := list(islice(events, round((len(ticks) + 1) * a_tick) - count)):
        for event in some:
            batches.add(event)
        count += len(some)
        ticks.append(Tick(began_s + (count - 1) / rate, batches.take()))
    return Plan(began_s, ticks, batches.produced)
