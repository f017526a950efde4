"""The backfills of workers as others see them: each partition's, and what there is to say of all together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from processor.telemetry.backfills import Stage  # noqa: TC001  msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.telemetry.backfills import Backfills, Progress

_TOLD_FOR_S: Final = 3600.0
"""How long after their end backfills are shown: who asked for one may look later."""


class BackfillReport(msgspec.Struct, frozen=True, rename="camel"):
    """The backfill of one partition that is due, under way, or at its end since the partition was assigned.

    `former` is the fingerprint of the configuration that the state was last complete for, where that is known. `offsets` are
    those of the source that it reads in all, and `remaining` those to be read yet; None before it has begun. `running_s` is for
    how long it runs, or has run, `still_s` when it last went on, and `ended_s` when it ended, both as seconds ago. `refused`
    counts profiles that stay as they are, by reason; `unmet` those that have state, and no event in the source any more.
    """

    partition: int
    stage: Stage
    fingerprint: str
    former: str | None
    request: str | None
    share: float
    running_s: float
    still_s: float
    ended_s: float | None = None
    offsets: int | None = None
    remaining: int | None = None
    boundary: int | None = None
    at_ms: int | None = None
    events: int = 0
    profiles: int = 0
    exported: int = 0
    refused: dict[str, int] = {}
    source_from_ms: int | None = None
    unmet: int | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether it will come to its end by itself."""
        return self.stage in {"waiting", "running"}


class Backfilling(NamedTuple):
    """The backfills of several partitions, all together.

    `partitions` are counted by stage, all stages among them. `share` is how much of what is begun, or begins by itself, is done, from 0 to 1, partitions counted
    alike. `left_s` is how long the slowest worker will take yet, by its rate so far; None where that is not known.
    `source_from_ms` is the time from which on every partition's source was there.
    """

    partitions: dict[Stage, int]
    share: float
    left_s: float | None
    events: int
    profiles: int
    exported: int
    refused: dict[str, int]
    unmet: int
    source_from_ms: int | None
    causes: list[tuple[str, str | None, str | None]]
    """Fingerprint, former one and request of those that are not complete; of all where all are."""


def backfill_reports(backfills: Backfills) -> list[BackfillReport]:
    """Return a report of each partition of which a backfill is or was due, by number."""
    return [
        _report(partition, progress, backfills.now_s)
        for partition, progress in sorted(backfills.progress.items())
    ]


def still_reported(reports: Iterable[BackfillReport]) -> list[BackfillReport]:
    """Return those that are due, under way, or ended within the hour."""
    return [each for each in reports if each.ended_s is None or each.ended_s <= _TOLD_FOR_S]


def left_s(reports: Sequence[BackfillReport]) -> float | None:
    """Return how long one worker will take yet for its backfills, in seconds: 0 where none goes on, None where it is not known.

    A worker has one under way at a time. How much those that wait have to read shows when they begin: until then they are taken
    for as large as those that have begun, on average.
    """
    due = [each for each in reports if each.is_going_on]
    begun = [(each.offsets, each.remaining or 0) for each in reports if each.offsets is not None]
    read = sum(offsets - remaining for offsets, remaining in begun)
    if not due:
        return 0.0
    if not read:
        return None
    average = sum(offsets for offsets, _ in begun) / len(begun)
    remaining = sum(average if each.remaining is None else each.remaining for each in due)
    return remaining * sum(each.running_s for each in reports) / read


def still_s(reports: Sequence[BackfillReport]) -> float:
    """Return for how long one worker's backfills have not gone on, in seconds; 0 where none is to."""
    if not any(each.is_going_on for each in reports):
        return 0.0
    return min(each.still_s for each in reports)


def backfilling(workers: Iterable[Sequence[BackfillReport]]) -> Backfilling | None:
    """Return what there is to show of the backfills of all workers; None where there is none."""
    by_worker = [reports for reports in workers if reports]
    all_of_them = [each for reports in by_worker for each in reports]
    if not all_of_them:
        return None
    lefts = [left_s(reports) for reports in by_worker]
    known = [each for each in lefts if each is not None]
    counted = [each for each in all_of_them if each.stage != "off"]
    incomplete = [each for each in all_of_them if each.stage != "complete"]
    times_ms = [each.source_from_ms for each in all_of_them if each.source_from_ms is not None]
    causes = {(each.fingerprint, each.former, each.request): None for each in incomplete or all_of_them}
    return Backfilling(
        partitions=by_stage(all_of_them),
        share=sum(each.share for each in counted) / len(counted) if counted else 0.0,
        left_s=max(known) if len(known) == len(lefts) else None,
        events=sum(each.events for each in all_of_them),
        profiles=sum(each.profiles for each in all_of_them),
        exported=sum(each.exported for each in all_of_them),
        refused=_added_up(each.refused for each in all_of_them),
        unmet=sum(each.unmet or 0 for each in all_of_them),
        source_from_ms=max(times_ms, default=None),
        causes=list(causes),
    )


def by_stage(reports: Iterable[BackfillReport]) -> dict[Stage, int]:
    """Return how many partitions are at each stage, all stages among them."""
    found: dict[Stage, int] = {"off": 0, "waiting": 0, "running": 0, "complete": 0}
    for each in reports:
        found[each.stage] += 1
    return found


def _report(partition: int, progress: Progress, now_s: float) -> BackfillReport:
    begun = progress.begun
    return BackfillReport(
        partition=partition,
        stage=progress.stage,
        fingerprint=progress.cause.fingerprint,
        former=progress.cause.former,
        request=progress.cause.request,
        share=progress.share,
        running_s=progress.running_s(now_s),
        still_s=max(now_s - progress.advanced_s, 0.0),
        ended_s=None if progress.ended_s is None else max(now_s - progress.ended_s, 0.0),
        offsets=None if begun is None else max(begun.end - begun.source_begin, 0),
        remaining=progress.remaining,
        boundary=None if begun is None else begun.boundary,
        at_ms=None if begun is None else begun.at_ms,
        events=progress.events,
        profiles=progress.profiles,
        exported=progress.exported,
        refused=dict(progress.refused),
        source_from_ms=progress.source_from_ms,
        unmet=progress.unmet,
    )


def _added_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for reason, count in each.items():
            total[reason] = total.get(reason, 0) + count
    return total
