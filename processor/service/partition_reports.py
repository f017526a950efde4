"""The partitions of one worker, in its report: how far each is, how far behind, and what it waits for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from processor.telemetry.report import PartitionReport

if TYPE_CHECKING:
    from processor.service.observed import Observed
    from processor.worker.pipeline import Pipeline


def partition_reports(observed: Observed) -> list[PartitionReport]:
    """Return a report of each partition that the worker owns, restored or not, by number."""
    pipeline = observed.pipeline
    return [
        _not_worked_on(number, observed)
        if pipeline is None or number not in pipeline.partitions
        else _worked_on(number, pipeline)
        for number in sorted(observed.status.partitions)
    ]


def _worked_on(number: int, pipeline: Pipeline) -> PartitionReport:
    partition = pipeline.partitions[number]
    reach, held = pipeline.reach(number), pipeline.tail.held_back(number)
    reached = partition.reached_offset
    lag = None if reach is None else max(reach.end - reached, 0)
    oldest_ms = partition.oldest_timestamp_ms
    if oldest_ms is None and lag:
        # What is still in Kafka is no older than what was acknowledged last.
        oldest_ms = partition.reached_timestamp_ms
    lag_s = None if lag else 0.0
    if oldest_ms is not None:
        # Compared with the wall clock, which may jump, and with producers' clocks, which may be ahead.
        lag_s = max(time.time() - oldest_ms / 1000, 0.0)
    return PartitionReport(
        partition=number,
        is_restored=True,
        next_offset=reached,
        end_offset=None if reach is None else reach.end,
        lag_records=lag,
        lag_s=lag_s,
        held_bytes=partition.held_bytes,
        open_records=0 if held is None else held.records,
        open_s=0.0 if held is None else held.since_s,
    )


def _not_worked_on(number: int, observed: Observed) -> PartitionReport:
    """Return the report of a partition that is owned, and is being restored or given up."""
    restoration, pipeline = observed.status.restoration, observed.pipeline
    if number not in restoration:
        return PartitionReport(partition=number, is_restored=True)
    position, goal = restoration[number]
    return PartitionReport(
        partition=number,
        is_restored=False,
        lag_records=None if pipeline is None else pipeline.source.waiting(number),
        restored=position,
        restore_goal=goal,
    )
