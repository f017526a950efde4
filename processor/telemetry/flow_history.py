"""What flowed in the last hour: rates between looks at all workers' counters, kept by the process that serves them.

A worker's counters begin at nothing with each of its lives, and one that does not answer for a while has its news all at once.
Neither is a leap in the rates: what came is told as having come since that worker was last seen, or since it began.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.telemetry.report import Fleet, Report

POINTS_MAX: Final = 240
_COUNTED: Final = ("received", "exported", "stored", "deadLettered")


class Point(NamedTuple):
    """Rates per second, as they were in the time before `at_ms`, of all workers together."""

    at_ms: int
    received: float
    exported: float
    stored: float
    dead_lettered: float


class _Seen(NamedTuple):
    """A life of a worker as it was last seen; `now_s` is of the clock of looks."""

    now_s: float
    life: tuple[int, float]
    totals: Mapping[str, float]


class FlowHistory:
    """Keeps the latest points, at most `POINTS_MAX`."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=POINTS_MAX)
        self._seen: dict[int, _Seen] = {}
        self._looked_s: float | None = None

    @property
    def points(self) -> list[Point]:
        """The points, the oldest first. Of a time in which no worker answered there is none."""
        return list(self._points)

    def look(self, now_s: float, at_ms: int, fleet: Fleet) -> None:
        """Note what the workers have counted: a point, unless it is the first look; `now_s` is of a clock that does not jump."""
        rates = [self._rates(now_s, each.report) for each in fleet.observations]
        is_first, self._looked_s = self._looked_s is None, now_s
        if not is_first and (rates or not fleet.silent):
            self._points.append(Point(at_ms, *(sum(each[name] for each in rates) for name in _COUNTED)))
        for each in fleet.observations:
            life = each.report.pid, each.report.started_at
            self._seen[each.report.worker] = _Seen(now_s, life, each.report.totals)
        # Of one that is silent it is not known what it counts meanwhile; one that is gone has counted for the last time.
        there = {each.report.worker for each in fleet.observations} | fleet.silent.keys()
        self._seen = {worker: seen for worker, seen in self._seen.items() if worker in there}

    def _rates(self, now_s: float, report: Report) -> dict[str, float]:
        seen = self._seen.get(report.worker)
        former: Mapping[str, float] = {}
        if seen is not None and seen.life == (report.pid, report.started_at):
            former, passed_s = seen.totals, now_s - seen.now_s
        else:
            since_look_s = 0.0 if self._looked_s is None else now_s - self._looked_s
            passed_s = max(since_look_s, report.at - report.started_at)
        return {
            name: max(0.0, report.totals.get(name, 0.0) - former.get(name, 0.0)) / max(passed_s, _LEAST_S)
            for name in _COUNTED
        }


_LEAST_S: Final = 0.001
