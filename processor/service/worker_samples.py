"""The samples of one worker: a value of each series of its metrics, as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor import __version__
from processor.kinesis.shard_limiter import SHARD_RECORDS_PER_S
from processor.native import CORE, faults
from processor.service.process_usage import cpu_s, resident_bytes
from processor.telemetry import metrics
from processor.telemetry.backfill_report import backfill_reports, by_stage, left_s, still_s
from processor.telemetry.samples import Samples, Sheet

if TYPE_CHECKING:
    from processor.kinesis.writer import Writer
    from processor.service.observed import Observed
    from processor.state.disk import DiskFigures
    from processor.telemetry.backfills import Backfills
    from processor.telemetry.report import PartitionReport, Report
    from processor.telemetry.status import Status


def worker_samples(observed: Observed, report: Report, loop_lag_s: float) -> Samples:
    """Return the samples of the same moment as `report`; `loop_lag_s` is the event loop's longest lag of late, in seconds."""
    sheet, status, flow = Sheet(), observed.status, report.flow
    _add_events(sheet, status)
    sheet.add(metrics.EVENTS_IN_FLIGHT_BYTES, flow.in_flight_bytes)
    sheet.add(metrics.EVENTS_IN_FLIGHT_LIMIT_BYTES, flow.in_flight_limit_bytes)
    sheet.add(metrics.EVENTS_FETCHED_BYTES, flow.fetched_bytes)
    sheet.add(metrics.LOOP_LAG, loop_lag_s)
    if observed.pipeline is not None:
        sheet.add(metrics.STATE_MEMORY_BYTES, observed.pipeline.state_memory_bytes)
        sheet.add(metrics.DEAD_LETTER_LIMIT_RATIO, observed.pipeline.dead_letter_limit.ratio)
        _add_disk(sheet, observed.pipeline.disk.figures)
    for each in report.partitions:
        _add_partition(sheet, each)
    sheet.add(metrics.CONFIGURATION_PROBLEMS, len(report.destination.problems))
    _add_backfills(sheet, status.backfills)
    _add_writer(sheet, observed.writer)
    sheet.add(metrics.KINESIS_BUFFER_LIMIT_BYTES, observed.settings.kinesis.buffer_bytes)
    _add_service(sheet, status)
    return sheet.samples


def _add_partition(sheet: Sheet, partition: PartitionReport) -> None:
    label = str(partition.partition)
    if partition.restore_goal is not None:
        sheet.add(metrics.RESTORE_REMAINING, partition.restore_goal - (partition.restored or 0), label)
    if partition.lag_records is not None:
        sheet.add(metrics.PARTITION_LAG, partition.lag_records, label)
        sheet.add(metrics.PARTITION_OPEN, partition.open_records, label)
        sheet.add(metrics.PARTITION_OPEN_SECONDS, partition.open_s, label)
    if partition.lag_s is not None:
        sheet.add(metrics.PARTITION_LAG_SECONDS, partition.lag_s, label)


def _add_events(sheet: Sheet, status: Status) -> None:
    figures, durations = status.figures, status.durations
    sheet.add(metrics.EVENTS_RECEIVED, figures.received)
    sheet.add(metrics.EVENTS_RECEIVED_BYTES, figures.received_bytes)
    sheet.add(metrics.EVENTS_EXPORTED, figures.exported)
    sheet.add(metrics.EVENTS_UNCHANGED, figures.unchanged)
    sheet.add(metrics.EVENTS_SKIPPED, figures.skipped)
    sheet.add_all(metrics.EVENTS_DEAD_LETTERED, figures.dead_lettered)
    sheet.add(metrics.EVENTS_ABANDONED, figures.abandoned)
    sheet.add(metrics.EVENTS_IN_FLIGHT, figures.in_flight)
    sheet.add_all(metrics.ITEMS_REMOVED, figures.removed)
    sheet.add_histogram(metrics.BATCH_EVENTS_SIZE, durations.batch_events)
    sheet.add_histogram(metrics.BATCH_SECONDS, durations.processing)
    sheet.add_histogram(metrics.EVENT_AGE, durations.age)
    sheet.add_all(metrics.TIME, status.occupied_s)
    sheet.add(metrics.PARTITIONS_ASSIGNED, len(status.partitions))
    sheet.add(metrics.REBALANCES, figures.rebalances)
    sheet.add_histogram(metrics.COMMIT_SECONDS, durations.commit)
    sheet.add_histogram(metrics.CHANGELOG_SECONDS, durations.changelog)
    sheet.add(metrics.INTRUDER_RECORDS, figures.intruder_records)
    sheet.add_all(metrics.EVENTS_LOST, {"deleted": 0, "passed": 0} | figures.lost)
    sheet.add_all(metrics.BEGUN_ANEW, {"nothing": 0, "topic": 0} | figures.begun_anew)


def _add_disk(sheet: Sheet, figures: DiskFigures | None) -> None:
    if figures is not None:
        sheet.add(metrics.STATE_DISK_BYTES, figures.stores_bytes)
        sheet.add(metrics.STATE_DISK_FREE_BYTES, figures.free_bytes)
        sheet.add(metrics.STATE_DISK_SIZE_BYTES, figures.size_bytes)


def _add_backfills(sheet: Sheet, backfills: Backfills) -> None:
    figures, reports = backfills.figures, backfill_reports(backfills)
    sheet.add_all(
        metrics.BACKFILL_PARTITIONS, {str(stage): count for stage, count in by_stage(reports).items()}
    )
    remaining = sum(each.remaining for each in reports if each.is_going_on and each.remaining is not None)
    sheet.add(metrics.BACKFILL_REMAINING, remaining)
    left = left_s(reports)
    if left is not None:
        sheet.add(metrics.BACKFILL_LEFT, left)
    sheet.add(metrics.BACKFILL_STILL, still_s(reports))
    sheet.add(metrics.BACKFILL_BEGUN, figures.begun)
    sheet.add(metrics.BACKFILL_COMPLETED, figures.completed)
    sheet.add(metrics.BACKFILL_READ, figures.read)
    sheet.add(metrics.BACKFILL_READ_BYTES, figures.read_bytes)
    sheet.add(metrics.BACKFILL_PROFILES, figures.profiles)
    sheet.add(metrics.BACKFILL_EXPORTED, figures.exported)
    sheet.add_all(metrics.BACKFILL_REFUSED, figures.refused)
    sheet.add_all(metrics.BACKFILL_REMOVED, figures.removed)
    sheet.add(metrics.BACKFILL_UNMET, sum(each.unmet or 0 for each in reports))
    sheet.add(metrics.BACKFILL_HELD_BYTES, figures.held_bytes)


def _add_writer(sheet: Sheet, writer: Writer) -> None:
    counted = writer.figures
    sheet.add(metrics.KINESIS_STORED, counted.stored)
    sheet.add(metrics.KINESIS_STORED_BYTES, counted.stored_bytes)
    sheet.add(metrics.KINESIS_REJECTED, counted.rejected)
    sheet.add_all(metrics.KINESIS_RETRIED, counted.retried)
    sheet.add(metrics.KINESIS_DUPLICATES, counted.possible_duplicates)
    sheet.add(metrics.KINESIS_UNREADABLE, counted.unreadable)
    sheet.add(metrics.KINESIS_REQUESTS, counted.requests)
    sheet.add_histogram(metrics.KINESIS_REQUEST_SECONDS, counted.answer_s)
    sheet.add(metrics.KINESIS_REQUESTS_IN_FLIGHT, counted.requests_in_flight)
    sheet.add(metrics.KINESIS_REQUEST_LIMIT, writer.size.limit_bytes)
    sheet.add(metrics.KINESIS_BUFFERED_BYTES, counted.buffered_bytes)
    for lane in writer.lanes:
        sheet.add(metrics.SHARD_STORED, lane.stored, lane.shard_id)
        sheet.add(metrics.SHARD_THROTTLED, lane.throttled, lane.shard_id)
        sheet.add(metrics.SHARD_BUFFERED_BYTES, lane.held_bytes, lane.shard_id)
        sheet.add(metrics.SHARD_LIMIT, lane.limiter.scale * SHARD_RECORDS_PER_S, lane.shard_id)


def _add_service(sheet: Sheet, status: Status) -> None:
    sheet.add(metrics.UP, 1)
    sheet.add(metrics.READY, int(status.is_ready))
    sheet.add_all(metrics.CONDITION, dict.fromkeys(status.conditions, 1))
    sheet.add_all(metrics.CONDITIONS_BEGUN, status.figures.conditions_begun)
    sheet.add_all(metrics.RELOADS, {"taken": 0, "refused": 0} | status.figures.reloads)
    sheet.add(metrics.STARTED, status.started_at)
    sheet.add(metrics.CPU_SECONDS, cpu_s())
    memory_bytes = resident_bytes()
    if memory_bytes is not None:
        sheet.add(metrics.MEMORY_BYTES, memory_bytes)
    sheet.add(metrics.COMPILED_CORE_FAULTS, faults())
    sheet.add(metrics.BUILD, 1, __version__, CORE)
