"""The figures and the health of one worker, as plain numbers; metrics, logs and the page read them from here."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import structlog

from processor.telemetry.backfills import Backfills
from processor.telemetry.histogram import AGE_S, BATCH_EVENTS, LATENCY_S, Histogram
from processor.telemetry.repeated_lines import STATE_CHANGED, gist

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.profile.batch import Batch

log = structlog.get_logger(__name__)

Occupation: TypeAlias = Literal["idle", "busy", "backpressured"]

DRAINING: Final = "draining"
EXPECTED: Final = frozenset({"starting", "rebalancing", "restoring", DRAINING})
"""Conditions that belong to every life; all others are somebody's to look at."""

_HANDED_OVER: Final = "handed over"
"""How a condition ends whose partition is another's now: nothing recovered."""


@dataclass(slots=True)
class Figures:
    """Events since the start.

    At every instant: `received = exported + unchanged + skipped + dead_lettered + abandoned + in_flight`.
    An event that is taken and given back before it was begun counts as abandoned: another member reads it.
    """

    received: int = 0
    received_bytes: int = 0
    exported: int = 0
    unchanged: int = 0
    skipped: int = 0
    abandoned: int = 0
    in_flight: int = 0
    intruder_records: int = 0
    rebalances: int = 0
    dead_lettered: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    conditions_begun: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    begun_anew: Counter[str] = field(default_factory=Counter)
    reloads: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Durations:
    """How long things took, in seconds; and how large batches were."""

    processing: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    age: Histogram = field(default_factory=lambda: Histogram(AGE_S))
    commit: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    changelog: Histogram = field(default_factory=lambda: Histogram(LATENCY_S))
    batch_events: Histogram = field(default_factory=lambda: Histogram(BATCH_EVENTS))


class Status:
    """One worker's figures and its health; whoever has something to report calls the verb for it, and nobody writes figures.

    `conditions` maps what is not as it should be (`starting`, `kafka`, `kinesis`, …) to a sentence; the worker
    is ready when there is none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.figures = Figures()
        self.durations = Durations()
        self.backfills = Backfills(clock)
        self.partitions: set[int] = set()
        self.restoration: dict[int, tuple[int, int]] = {}
        """Partitions that are being restored: the changelog offset that is reached, and the one to reach."""
        self.conditions: dict[str, str] = {"starting": "connecting"}
        self.started_at = time.time()
        self._causes: dict[str, dict[int, str]] = {}
        """By condition, then by partition, of those that partitions have apart."""
        self._clock = clock
        self._begun_at_s: dict[str, float] = {"starting": clock()}
        self._occupation: Occupation = "idle"
        self._occupied_since_s = clock()
        self._occupied_s: dict[str, float] = {"idle": 0.0, "busy": 0.0, "backpressured": 0.0}

    @property
    def is_ready(self) -> bool:
        """Whether all is as it should be."""
        return not self.conditions

    @property
    def occupied_s(self) -> dict[str, float]:
        """How long the worker was idle, busy and held back, until now."""
        running_s = self._clock() - self._occupied_since_s
        return self._occupied_s | {self._occupation: self._occupied_s[self._occupation] + running_s}

    def unhealthy(self, what: str, why: str, partition: int | None = None) -> None:
        """Note that something is not as it should be, with all, or with one partition."""
        if partition is not None:
            self._causes.setdefault(what, {})[partition] = why
        if what not in self.conditions:
            self.figures.conditions_begun[what] += 1
            self._begun_at_s[what] = self._clock()
            report = log.info if what in EXPECTED else log.warning
            report("unready", condition=what, reason=why, **{STATE_CHANGED: True})
        elif what not in EXPECTED and gist(why) != gist(self.conditions[what]):
            log.warning("unready", condition=what, reason=why)
        self.conditions[what] = why

    def healthy(self, what: str, partition: int | None = None) -> None:
        """Note that it is again; where partitions had it apart, once the last of them is.

        A worker that drains recovers from nothing: what it waited for is only asked for no more.
        """
        self._end(what, partition, None)

    def _end(self, what: str, partition: int | None, event: str | None) -> None:
        if what not in self.conditions or DRAINING in self.conditions:
            return
        causes = self._causes.get(what, {})
        causes.pop(-1 if partition is None else partition, None)
        if partition is not None and causes:
            self.conditions[what] = next(iter(causes.values()))
            return
        self._causes.pop(what, None)
        del self.conditions[what]
        after_s = self._clock() - self._begun_at_s.pop(what, self._clock())
        event = (event or "recovered") if self.conditions else "ready"
        log.info(event, condition=what, after_s=round(after_s, 1))

    def has(self, what: str, partition: int) -> bool:
        """Whether a partition has this condition."""
        return partition in self._causes.get(what, {})

    def released_for(self, what: str, partition: int) -> None:
        """A partition that this worker keeps is released for `what`, which lasts; whatever else was wrong with it is over."""
        for other in [name for name, causes in self._causes.items() if partition in causes and name != what]:
            self.healthy(other, partition)

    def rebalanced(self) -> None:
        """The group has a new assignment, and this worker its part in it."""
        self.figures.rebalances += 1
        self.healthy("starting")
        self.healthy("rebalancing")

    def assigned(self, partition: int) -> None:
        """A partition is this worker's; its state is to be restored."""
        self.partitions.add(partition)
        self.restoration[partition] = (0, 0)
        self.unhealthy("restoring", "state is being restored")

    def restoring(self, partition: int, position: int, end: int) -> None:
        """How far a partition's state is."""
        self.restoration[partition] = (position, end)

    def restored(self, partition: int) -> None:
        """A partition's state is complete."""
        self._restored(partition, None)

    def _restored(self, partition: int, event: str | None) -> None:
        self.restoration.pop(partition, None)
        if not self.restoration:
            self._end("restoring", None, event)

    def revoked(self, partition: int) -> None:
        """A partition is this worker's no more, nor is what was wrong with it."""
        self.partitions.discard(partition)
        self.backfills.released(partition)
        self._restored(partition, _HANDED_OVER)
        for what in [what for what, causes in self._causes.items() if partition in causes]:
            self._end(what, partition, _HANDED_OVER)

    def received(self, records: int, size_bytes: int = 0) -> None:
        """Records were taken from Kafka; `size_bytes` of keys and values."""
        self.figures.received += records
        self.figures.received_bytes += size_bytes
        self.figures.in_flight += records
        self._occupy()

    def abandoned(self, records: int) -> None:
        """Records were given up, or given back, before they were acknowledged."""
        self.figures.abandoned += records
        self.figures.in_flight -= records
        self._occupy()

    def lost(self, how: Literal["deleted", "passed"], events: int) -> None:
        """Events were never taken: the source deleted them, or the group's offset was set past them by hand."""
        self.figures.lost[how] += events

    def group_began(self, beside: Literal["nothing", "topic"]) -> None:
        """A partition was begun without an offset of the group, which has committed none, or those of another topic."""
        self.figures.begun_anew[beside] += 1

    def intruded(self, records: int) -> None:
        """An intruder has appended records to the changelog."""
        self.figures.intruder_records += records

    def kept(self, took_s: float) -> None:
        """Changes of state were appended to the changelog and put into the store."""
        self.durations.changelog.observe(took_s)

    def committed(self, took_s: float) -> None:
        """Offsets were committed."""
        self.durations.commit.observe(took_s)

    def reloaded(self, outcome: Literal["taken", "refused"]) -> None:
        """Changed configuration files were taken, or refused."""
        self.figures.reloads[outcome] += 1

    def held_back(self) -> None:
        """All buffers are full: nothing more is taken until some of it is acknowledged."""
        self._occupy("backpressured")

    def processed(self, batch: Batch, took_s: float) -> None:
        """The core has worked on a batch."""
        self.durations.processing.observe(took_s)
        self.durations.batch_events.observe(batch.received)

    def settled(self, batch: Batch) -> None:
        """Kinesis has what it takes of a batch, and Kafka the dead letters."""
        # A clock that jumps, or a producer's that is ahead, must not make an age negative.
        self.durations.age.observe(max(time.time() - batch.timestamp_ms / 1000, 0.0))

    def acknowledged(self, batch: Batch, rejected: int) -> None:
        """A batch has gone all its way; `rejected` of its exports are in the dead letters after all."""
        figures = self.figures
        figures.in_flight -= batch.received
        figures.exported += batch.exports_made - rejected
        figures.unchanged += batch.unchanged
        figures.skipped += batch.skipped
        for dead_letter in batch.dead_letters:
            figures.dead_lettered[dead_letter.reason.value] += 1
        if rejected:
            figures.dead_lettered["rejected"] += rejected
        for removal in batch.removed:
            figures.removed[removal.policy] += 1
        self._occupy()

    def _occupy(self, occupation: Occupation | None = None) -> None:
        now: Occupation = occupation or ("busy" if self.figures.in_flight else "idle")
        if now != self._occupation:
            at_s = self._clock()
            self._occupied_s[self._occupation] += at_s - self._occupied_since_s
            self._occupation, self._occupied_since_s = now, at_s
