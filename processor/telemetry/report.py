"""What a worker reports of itself, as data: the parent asks for it, metrics and the status page are made from it.

No profile's data is in it, nor a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from processor.telemetry.backfill_report import BackfillReport  # noqa: TC001  msgspec reads the annotations
from processor.telemetry.histogram import AGE_S, quantile
from processor.telemetry.recent_lines import LoggedLine  # noqa: TC001  as above
from processor.telemetry.samples import Samples  # noqa: TC001  as above

if TYPE_CHECKING:
    from collections.abc import Sequence


class PartitionReport(msgspec.Struct, frozen=True, rename="camel"):
    """An assigned partition. Offsets are the source's; `restored` and `restore_goal` the changelog's.

    One that is restored and has no offset is being given up. `lag_records` are those that may be taken, fetched or not;
    `lag_s` is the age of the oldest, None where none of them was seen yet; `open_records` are kept back by a transaction
    that is open, and were for `open_s`.
    """

    partition: int
    is_restored: bool
    next_offset: int | None = None
    end_offset: int | None = None
    lag_records: int | None = None
    lag_s: float | None = None
    held_bytes: int = 0
    open_records: int = 0
    open_s: float = 0.0
    restored: int | None = None
    restore_goal: int | None = None


class ShardReport(msgspec.Struct, frozen=True, rename="camel"):
    """An open shard, as this worker knows it. `shard` is empty where shards are not known."""

    shard: str
    records_per_s: float
    throttled_per_s: float
    throttled: int
    limit_records_per_s: float
    buffered_bytes: int
    takes_nothing: bool


class ItemReport(msgspec.Struct, frozen=True, rename="camel"):
    """An item of the destination, and what keeps it back, if anything."""

    kind: str
    name: str
    labels: list[str]
    removed_by: str | None = None
    action: str | None = None


class DestinationReport(msgspec.Struct, frozen=True, rename="camel"):
    """What is exported, where to, and what governance lets through; `problems` are those of a refused reload."""

    name: str
    stream: str
    region: str
    marketing_actions: list[str]
    enforcement: str
    consent_policies: list[str]
    items: list[ItemReport]
    loaded_at: float
    problems: list[str] = []


class FlowReport(msgspec.Struct, frozen=True, rename="camel"):
    """How full the buffers are, and where the time went, as shares of the last ten seconds."""

    in_flight: int
    in_flight_bytes: int
    in_flight_limit_bytes: int
    fetched_bytes: int
    buffered_bytes: int
    buffer_limit_bytes: int
    requests_in_flight: int
    idle: float
    busy: float
    backpressured: float


class DiskReport(msgspec.Struct, frozen=True, rename="camel"):
    """The disk of the stores: what this worker's take, what is free, how large it is, and where they are."""

    path: str
    stores_bytes: int
    free_bytes: int
    size_bytes: int


class LimitReport(msgspec.Struct, frozen=True, rename="camel"):
    """The limit of dead letters: how near it is, 1 where it holds them back; `notice` is what an operator should know."""

    ratio: float = 0.0
    is_held: bool = False
    notice: str | None = msgspec.field(
        default=None, name="told"
    )  # the member's name outside, which others may read


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """One worker, as of one moment. `stalled` says why it should be ended; `totals` count since the start."""

    worker: int
    pid: int
    version: str
    core: str
    """`compiled` or `plain`."""
    started_at: float
    at: float
    is_ready: bool
    conditions: dict[str, str]
    stalled: str | None
    topic: str
    group: str
    destination: DestinationReport
    flow: FlowReport
    totals: dict[str, float]
    rates: dict[str, float]
    dead_letters: dict[str, int]
    removed: dict[str, int]
    partitions: list[PartitionReport]
    shards: list[ShardReport]
    errors: list[LoggedLine]
    dead_letter_limit: LimitReport = LimitReport()
    disk: DiskReport | None = None
    backfills: list[BackfillReport] = []
    recent_ages: list[int] = []
    """Of the last minute: how old batches were when they were acknowledged, counted by the bounds of `AGE_S`."""


class Observation(msgspec.Struct, frozen=True, rename="camel"):
    """A worker's report with the samples of its metrics, of the same moment."""

    report: Report
    samples: Samples


class Fleet(msgspec.Struct, frozen=True, rename="camel"):
    """All workers of a process: the observations of those that answered, and why the others did not.

    `restarts` says how often each was started again; it is empty where there is no parent to do that. `conditions` are
    what keeps the process itself from being ready, and `notice` what an operator should know of it, as with a dead-letter limit.
    """

    observations: list[Observation]
    silent: dict[int, str] = {}
    restarts: dict[int, int] = {}
    conditions: dict[str, str] = {}
    notice: str | None = None


class Lag(NamedTuple):
    """How far behind workers are: what there is to take, how old the oldest of it is, and how old what they took was.

    `unknown` partitions are not counted in it, for where they end, or begin, is not known yet. `p99_s` is of the last
    minute, from an event's timestamp to its acknowledgement; None where nothing was acknowledged.
    """

    records: int
    oldest_s: float | None
    p99_s: float | None
    unknown: int


def lag_of(reports: Sequence[Report]) -> Lag:
    """Return how far behind workers are, all together."""
    partitions = [each for report in reports for each in report.partitions]
    known = [each.lag_records for each in partitions if each.lag_records is not None]
    ages = [each.lag_s for each in partitions if each.lag_s is not None]
    recent = [sum(counts) for counts in zip(*(r.recent_ages for r in reports if r.recent_ages), strict=True)]
    return Lag(
        sum(known), max(ages, default=None), quantile(0.99, AGE_S, recent), len(partitions) - len(known)
    )
