"""How far the backfills of one worker are: what is due, what is under way, what has come of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger(__name__)

Stage: TypeAlias = Literal["off", "waiting", "running", "complete"]
"""`off`: one is due, and the service is set to begin none by itself."""


class Cause(NamedTuple):
    """Why a backfill is due: fingerprints of the configuration that is followed, and of the one that the state was last complete for.

    `former` is None where it is not known. `request` is the id of the request that asked for it; None where a change did.
    """

    fingerprint: str
    former: str | None
    request: str | None

    @property
    def because(self) -> str:
        """What made the backfill due, as a clause."""
        return "the configuration has changed" if self.request is None else "it was asked for"


class Begun(NamedTuple):
    """A backfill that has begun: it looks at what stands before offset `boundary`, and has `validUntil` compared with `at_ms`.

    It reads from before offset `end` down to `source_begin`, the first offset that the source still had then.
    """

    number: int
    boundary: int
    at_ms: int
    source_begin: int
    end: int


@dataclass(slots=True)
class Progress:
    """The backfill of one partition. Offsets are the source's; times with `_s` are of the clock that `Backfills` was given."""

    stage: Stage
    cause: Cause
    begun: Begun | None = None
    begun_s: float = 0.0
    down_to: int = 0
    """Everything from this offset on was read."""
    advanced_s: float = 0.0
    """When it went on last."""
    ended_s: float | None = None
    events: int = 0
    """Those that were read again."""
    profiles: int = 0
    """Those whose latest event was looked at again."""
    exported: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Profiles that stay as they are, by the reason for which their latest event is refused now."""
    source_from_ms: int | None = None
    """The time of the first event that the source still had, in milliseconds since the epoch; None before it is known."""
    unmet: int | None = None
    """Profiles that have state, and no event in the source any more; None before it is known."""

    @property
    def share(self) -> float:
        """How much of the source was read, from 0 to 1."""
        if self.stage == "complete":
            return 1.0
        if self.begun is None:
            return 0.0
        whole = self.begun.end - self.begun.source_begin
        return (self.begun.end - self.down_to) / whole if whole > 0 else 0.0

    @property
    def remaining(self) -> int | None:
        """How many offsets of the source are to be read yet; None before it has begun."""
        if self.begun is None:
            return None
        return 0 if self.stage == "complete" else max(self.down_to - self.begun.source_begin, 0)

    def left_s(self, now_s: float) -> float | None:
        """How long it will take yet at the rate so far; None where that is not known."""
        if self.stage != "running" or not 0.0 < self.share < 1.0:
            return None
        return self.running_s(now_s) * (1.0 - self.share) / self.share

    def running_s(self, now_s: float) -> float:
        """For how long it runs, or has run; 0 before it has begun."""
        if self.begun is None:
            return 0.0
        return max((now_s if self.ended_s is None else self.ended_s) - self.begun_s, 0.0)


@dataclass(slots=True)
class BackfillFigures:
    """Totals since the worker's start, of all its partitions; `held_bytes` is what there is now."""

    begun: int = 0
    completed: int = 0
    read: int = 0
    """Events read from the source again."""
    read_bytes: int = 0
    """Their keys and values."""
    profiles: int = 0
    exported: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    held_bytes: int = 0
    """Latest events that were found and are not looked at yet."""


class Backfills:
    """Takes what the backfills of one worker report, and logs when one is due, begins and ends; nobody else writes its figures.

    What is reported late of a partition that was released counts in the figures alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.figures = BackfillFigures()
        self._clock = clock
        self._progress: dict[int, Progress] = {}

    @property
    def progress(self) -> Mapping[int, Progress]:
        """By partition, of those of which one is or was due since they were assigned."""
        return self._progress

    @property
    def now_s(self) -> float:
        """The time of the clock that the progress is measured with."""
        return self._clock()

    def due(self, partition: int, cause: Cause, *, is_off: bool) -> None:
        """Note that a backfill is due; `is_off` where none is begun by itself."""
        stage: Stage = "off" if is_off else "waiting"
        self._progress[partition] = Progress(stage, cause, advanced_s=self._clock())
        log.info("a backfill is due", partition=partition, because=cause.because, **_reported(cause))
        if is_off:
            # Without its partition: the log holds back what says the same of hundreds of them.
            log.warning(
                "a backfill is due, and PROCESSOR_BACKFILL=off: profiles without a new event stay at the destination as they "
                "are until `processor backfill` begins it",
                **_reported(cause),
            )

    def begin(self, partition: int, begun: Begun) -> None:
        """Note that the backfill that is due has begun; to say so again of one number changes nothing."""
        due, now_s = self._progress.get(partition), self._clock()
        if due is None or (due.begun is not None and due.begun.number == begun.number):
            return
        cause = due.cause
        self._progress[partition] = Progress(
            "running", cause, begun, now_s, down_to=begun.end, advanced_s=now_s
        )
        self.figures.begun += 1
        log.info(
            "a backfill has begun",
            partition=partition,
            because=cause.because,
            **_reported(cause),
            number=begun.number,
            boundary=begun.boundary,
            at=utc(begun.at_ms),
            offsets_to_read=max(begun.end - begun.source_begin, 0),
        )

    def read(self, partition: int, down_to: int, events: int, size_bytes: int) -> None:
        """Note that events were read again, and that everything from offset `down_to` on was."""
        progress = self._advanced(partition)
        if progress is not None:
            progress.down_to = down_to
            progress.events += events
        self.figures.read += events
        self.figures.read_bytes += size_bytes

    def looked_at(
        self, partition: int, profiles: int, exported: int, refused: Counter[str], removed: Counter[str]
    ) -> None:
        """Note that the latest events of `profiles` have gone all their way; `removed` counts items by policy."""
        progress = self._advanced(partition)
        for each in (self.figures,) if progress is None else (progress, self.figures):
            each.profiles += profiles
            each.exported += exported
            each.refused += refused
        self.figures.removed += removed

    def hold(self, size_bytes: int) -> None:
        """Note how much is found and not looked at yet."""
        self.figures.held_bytes = size_bytes

    def source_begins(self, partition: int, timestamp_ms: int) -> None:
        """Note the time of the first event that the source still has."""
        if partition in self._progress:
            self._progress[partition].source_from_ms = timestamp_ms

    def unmet(self, partition: int, profiles: int) -> None:
        """Note how many profiles have state, and no event in the source any more."""
        if partition in self._progress:
            self._progress[partition].unmet = profiles

    def complete(self, partition: int) -> None:
        """Note that the backfill is at its end."""
        self.figures.completed += 1
        progress = self._advanced(partition)
        if progress is None:
            return
        progress.stage, progress.ended_s = "complete", progress.advanced_s
        took_s = progress.running_s(progress.advanced_s)
        log.info(
            "a backfill is complete",
            partition=partition,
            fingerprint=progress.cause.fingerprint,
            took_s=round(took_s, 1),
            events=progress.events,
            events_per_s=round(progress.events / took_s, 1) if took_s else None,
            profiles=progress.profiles,
            exported=progress.exported,
            refused=dict(progress.refused),
            source_from=None if progress.source_from_ms is None else utc(progress.source_from_ms),
            unmet=progress.unmet,
        )

    def released(self, partition: int) -> None:
        """Forget a partition that is this worker's no more, or that no backfill is due of."""
        self._progress.pop(partition, None)

    def _advanced(self, partition: int) -> Progress | None:
        progress = self._progress.get(partition)
        if progress is not None:
            progress.advanced_s = self._clock()
        return progress


def utc(timestamp_ms: int) -> str:
    """Return a time as people read it; an event's may lie outside all calendars, and is returned as its number then."""
    try:
        return f"{datetime.fromtimestamp(timestamp_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(timestamp_ms)


def _reported(cause: Cause) -> dict[str, str | None]:
    found = {"fingerprint": cause.fingerprint, "former": cause.former}
    return found if cause.request is None else {**found, "request": cause.request}
