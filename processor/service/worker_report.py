"""The report of one worker: all that is shown of it outside its process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from processor import __version__
from processor.kinesis.shard_limiter import SHARD_RECORDS_PER_S
from processor.native import CORE
from processor.service.observed import counters
from processor.telemetry.backfill_report import backfill_reports, still_reported
from processor.telemetry.recent_lines import RECENT_LINES
from processor.telemetry.report import (
    DestinationReport,
    DiskReport,
    FlowReport,
    ItemReport,
    LimitReport,
    PartitionReport,
    Report,
    ShardReport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.governance.plan import Plan
    from processor.kinesis.lane import Lane
    from processor.service.observed import Observed


def worker_report(
    observed: Observed,
    partitions: list[PartitionReport],
    *,
    worker: int,
    stalled: str | None,
    destination: DestinationReport,
    rates: dict[str, float],
    recent_ages: list[int],
) -> Report:
    """Return the report of worker number `worker`, as of now; `stalled` says why it should be ended, if it should."""
    status, settings = observed.status, observed.settings
    return Report(
        worker=worker,
        pid=os.getpid(),
        version=__version__,
        core=CORE,
        started_at=status.started_at,
        at=time.time(),
        is_ready=status.is_ready,
        conditions=dict(status.conditions),
        stalled=stalled,
        topic=settings.kafka.topic,
        group=settings.kafka.group,
        destination=destination,
        flow=_flow(observed, partitions, rates),
        totals=counters(observed),
        rates=rates,
        dead_letters=dict(status.figures.dead_lettered),
        removed=dict(status.figures.removed),
        partitions=partitions,
        shards=shard_reports(observed, rates),
        errors=RECENT_LINES.lines,
        dead_letter_limit=_limit(observed),
        disk=_disk(observed),
        backfills=still_reported(backfill_reports(status.backfills)),
        recent_ages=recent_ages,
    )


def shard_reports(observed: Observed, rates: Mapping[str, float]) -> list[ShardReport]:
    """Return a report of each open shard, as far as shards are known; `rates` are those of `counters`, a second."""
    return [_shard(lane, rates) for lane in observed.writer.lanes]


def destination_report(plan: Plan, problems: list[str]) -> DestinationReport:
    """Return what `plan` exports, and where to, as loaded now; `problems` are those of a plan that was refused."""
    removals = {removal.item: removal for removal in plan.standing.removals}
    items = []
    for item in plan.items:
        removal = removals.get(item)
        items.append(
            ItemReport(
                kind=item.kind,
                name=item.name,
                labels=sorted(item.labels),
                removed_by=None if removal is None else removal.policy,
                action=None if removal is None else removal.action,
            )
        )
    destination = plan.destination
    return DestinationReport(
        name=destination.name,
        stream=destination.stream,
        region=destination.connection.region,
        marketing_actions=list(destination.marketing_actions),
        enforcement=plan.governance.enforcement,
        consent_policies=[policy.name for policy in plan.consent_policies],
        items=items,
        loaded_at=time.time(),
        problems=problems,
    )


def _flow(observed: Observed, partitions: list[PartitionReport], rates: Mapping[str, float]) -> FlowReport:
    settings, counted, pipeline = observed.settings, observed.writer.figures, observed.pipeline
    return FlowReport(
        in_flight=observed.status.figures.in_flight,
        in_flight_bytes=sum(partition.held_bytes for partition in partitions),
        in_flight_limit_bytes=settings.service.in_flight_bytes,
        fetched_bytes=0 if pipeline is None else pipeline.source.fetched_bytes,
        buffered_bytes=counted.buffered_bytes,
        buffer_limit_bytes=settings.kinesis.buffer_bytes,
        requests_in_flight=counted.requests_in_flight,
        idle=rates.get("idle", 0.0),
        busy=rates.get("busy", 0.0),
        backpressured=rates.get("backpressured", 0.0),
    )


def _limit(observed: Observed) -> LimitReport:
    if observed.pipeline is None:
        return LimitReport()
    limit = observed.pipeline.dead_letter_limit
    return LimitReport(limit.ratio, limit.is_held, limit.notice)


def _disk(observed: Observed) -> DiskReport | None:
    figures = None if observed.pipeline is None else observed.pipeline.disk.figures
    return None if figures is None else DiskReport(str(observed.settings.state.directory), *figures)


def _shard(lane: Lane, rates: Mapping[str, float]) -> ShardReport:
    return ShardReport(
        shard=lane.shard_id,
        records_per_s=rates.get(f"stored {lane.shard_id}", 0.0),
        throttled_per_s=rates.get(f"throttled {lane.shard_id}", 0.0),
        throttled=lane.throttled,
        limit_records_per_s=lane.limiter.scale * SHARD_RECORDS_PER_S,
        buffered_bytes=lane.held_bytes,
        takes_nothing=lane.is_failing,
    )
