"""Looks at one worker: the report that everything outside is told, and the counters that rates are made of."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processor import __version__
from processor.kinesis.limiter import SHARD_RECORDS_PER_S
from processor.telemetry import metrics
from processor.telemetry.exposition import Samples, Sheet
from processor.telemetry.journal import JOURNAL
from processor.telemetry.loop_lag import LoopLag
from processor.telemetry.rates import Rates
from processor.telemetry.recent import Recent
from processor.telemetry.report import (
    DestinationReport,
    DiskReport,
    FlowReport,
    ItemReport,
    LimitReport,
    Observation,
    PartitionReport,
    Report,
    ShardReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.governance.plan import Plan
    from processor.kinesis.lanes import Lane
    from processor.kinesis.writer import Writer
    from processor.settings import Settings
    from processor.state.disk import DiskFigures
    from processor.telemetry.status import Status
    from processor.worker.pipeline import Pipeline

_LOOK_S: Final = 1.0
_STATM: Final = Path("/proc/self/statm")


class Observer:
    """Of one worker; `pipeline` is set once there is one. `run` it beside the worker."""

    def __init__(self, worker: int, settings: Settings, plan: Plan, status: Status, writer: Writer) -> None:
        self.worker = worker
        self.pipeline: Pipeline | None = None
        self.stalled: str | None = None
        """Why the worker should be ended: there is work and no progress."""
        self.loop_lag = LoopLag()
        self._settings = settings
        self._status = status
        self._writer = writer
        self._rates = Rates()
        self._recent_ages = Recent()
        self.use(plan, [])

    def use(self, plan: Plan, problems: list[str]) -> None:
        """The plan that is followed from now on; `problems` are those of one that was refused."""
        self.plan = plan
        self._destination = _destination(plan, problems)

    async def run(self) -> None:
        """Keep the rates current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.loop_lag.run(), name="loop-lag")
            while True:
                now_s = time.monotonic()
                self._rates.look(now_s, self._counters())
                self._recent_ages.look(now_s, self._status.durations.age.counts)
                await asyncio.sleep(_LOOK_S)

    @property
    def rates(self) -> dict[str, float]:
        """What is counted, a second, over the last seconds."""
        return self._rates.per_s()

    def shards(self) -> list[ShardReport]:
        """The open shards, as far as they are known."""
        rates = self.rates
        return [_shard(lane, rates) for lane in self._writer.lanes]

    def partitions(self) -> list[PartitionReport]:
        """All partitions that the worker owns, restored or not."""
        pipeline = self.pipeline
        return [
            self._apart(number)
            if pipeline is None or number not in pipeline.partitions
            else self._partition(number, pipeline)
            for number in sorted(self._status.partitions)
        ]

    def observe(self) -> Observation:
        """All there is to tell, as of now; taken without a turn of the loop, so the sums agree."""
        partitions = self.partitions()
        report = self._report(partitions)
        return Observation(report, self._samples(partitions, report.flow))

    def _report(self, partitions: list[PartitionReport]) -> Report:
        status, service, figures = self._status, self._settings.service, self._status.figures
        rates, counted = self.rates, self._writer.figures
        return Report(
            worker=self.worker,
            pid=os.getpid(),
            version=__version__,
            started_at=status.started_at,
            at=time.time(),
            is_ready=status.is_ready,
            conditions=dict(status.conditions),
            stalled=self.stalled,
            topic=self._settings.kafka.topic,
            group=self._settings.kafka.group,
            destination=self._destination,
            flow=FlowReport(
                in_flight=figures.in_flight,
                in_flight_bytes=sum(partition.held_bytes for partition in partitions),
                in_flight_limit_bytes=service.in_flight_bytes,
                fetched_bytes=self._fetched_bytes,
                buffered_bytes=counted.buffered_bytes,
                buffer_limit_bytes=self._settings.kinesis.buffer_bytes,
                requests_in_flight=counted.requests_in_flight,
                idle=rates.get("idle", 0.0),
                busy=rates.get("busy", 0.0),
                backpressured=rates.get("backpressured", 0.0),
            ),
            totals=self._counters(),
            rates=rates,
            dead_letters=dict(figures.dead_lettered),
            removed=dict(figures.removed),
            partitions=partitions,
            shards=self.shards(),
            errors=JOURNAL.entries,
            dead_letter_limit=self._limit(),
            disk=self._disk(),
            recent_ages=self._recent_ages.counts,
        )

    @property
    def _fetched_bytes(self) -> int:
        return 0 if self.pipeline is None else self.pipeline.source.fetched_bytes

    def _limit(self) -> LimitReport:
        if self.pipeline is None:
            return LimitReport()
        limit = self.pipeline.dead_letter_limit
        return LimitReport(limit.ratio, limit.is_held, limit.notice)

    def _disk(self) -> DiskReport | None:
        figures = None if self.pipeline is None else self.pipeline.disk.figures
        return None if figures is None else DiskReport(str(self._settings.state.directory), *figures)

    def _counters(self) -> dict[str, float]:
        figures, counted = self._status.figures, self._writer.figures
        counters: dict[str, float] = {
            "received": figures.received,
            "receivedBytes": figures.received_bytes,
            "exported": figures.exported,
            "unchanged": figures.unchanged,
            "skipped": figures.skipped,
            "deadLettered": figures.dead_lettered.total(),
            "abandoned": figures.abandoned,
            "stored": counted.stored,
            "storedBytes": counted.stored_bytes,
            "retried": counted.retried.total(),
            "requests": counted.requests,
            "possibleDuplicates": counted.possible_duplicates,
            "cpu": _cpu_s(),
            **self._status.occupied_s,
        }
        for lane in self._writer.lanes:
            counters[f"stored {lane.shard_id}"] = lane.stored
            counters[f"throttled {lane.shard_id}"] = lane.throttled
        return counters

    def _partition(self, number: int, pipeline: Pipeline) -> PartitionReport:
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

    def _apart(self, number: int) -> PartitionReport:
        """Of a partition that is owned and not worked on: it is being restored, or given up."""
        if number not in self._status.restoration:
            return PartitionReport(partition=number, is_restored=True)
        position, goal = self._status.restoration[number]
        return PartitionReport(
            partition=number,
            is_restored=False,
            lag_records=None if self.pipeline is None else self.pipeline.source.waiting(number),
            restored=position,
            restore_goal=goal,
        )

    def _samples(self, partitions: list[PartitionReport], flow: FlowReport) -> Samples:
        sheet, status = Sheet(), self._status
        _add_events(sheet, status)
        sheet.add(metrics.EVENTS_IN_FLIGHT_BYTES, flow.in_flight_bytes)
        sheet.add(metrics.EVENTS_IN_FLIGHT_LIMIT_BYTES, flow.in_flight_limit_bytes)
        sheet.add(metrics.EVENTS_FETCHED_BYTES, flow.fetched_bytes)
        sheet.add(metrics.LOOP_LAG, self.loop_lag.longest_s)
        if self.pipeline is not None:
            sheet.add(metrics.STATE_MEMORY_BYTES, self.pipeline.state_memory_bytes)
            sheet.add(metrics.DEAD_LETTER_LIMIT_RATIO, self.pipeline.dead_letter_limit.ratio)
            _add_disk(sheet, self.pipeline.disk.figures)
        for each in partitions:
            label = str(each.partition)
            if each.restore_goal is not None:
                sheet.add(metrics.RESTORE_REMAINING, each.restore_goal - (each.restored or 0), label)
            if each.lag_records is not None:
                sheet.add(metrics.PARTITION_LAG, each.lag_records, label)
                sheet.add(metrics.PARTITION_OPEN, each.open_records, label)
                sheet.add(metrics.PARTITION_OPEN_SECONDS, each.open_s, label)
            if each.lag_s is not None:
                sheet.add(metrics.PARTITION_LAG_SECONDS, each.lag_s, label)
        sheet.add(metrics.CONFIGURATION_PROBLEMS, len(self._destination.problems))
        _add_writer(sheet, self._writer)
        sheet.add(metrics.KINESIS_BUFFER_LIMIT_BYTES, self._settings.kinesis.buffer_bytes)
        _add_service(sheet, status)
        return sheet.samples


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
    sheet.add_distribution(metrics.BATCH_EVENTS_SIZE, durations.batch_events)
    sheet.add_distribution(metrics.BATCH_SECONDS, durations.processing)
    sheet.add_distribution(metrics.EVENT_AGE, durations.age)
    sheet.add_all(metrics.TIME, status.occupied_s)
    sheet.add(metrics.PARTITIONS_ASSIGNED, len(status.partitions))
    sheet.add(metrics.REBALANCES, figures.rebalances)
    sheet.add_distribution(metrics.COMMIT_SECONDS, durations.commit)
    sheet.add_distribution(metrics.CHANGELOG_SECONDS, durations.changelog)
    sheet.add(metrics.INTRUDER_RECORDS, figures.intruder_records)
    sheet.add_all(metrics.EVENTS_LOST, {"deleted": 0, "passed": 0} | figures.lost)
    sheet.add_all(metrics.BEGUN_ANEW, {"nothing": 0, "topic": 0} | figures.begun_anew)


def _add_disk(sheet: Sheet, figures: DiskFigures | None) -> None:
    if figures is not None:
        sheet.add(metrics.STATE_DISK_BYTES, figures.stores_bytes)
        sheet.add(metrics.STATE_DISK_FREE_BYTES, figures.free_bytes)
        sheet.add(metrics.STATE_DISK_SIZE_BYTES, figures.size_bytes)


def _add_writer(sheet: Sheet, writer: Writer) -> None:
    counted = writer.figures
    sheet.add(metrics.KINESIS_STORED, counted.stored)
    sheet.add(metrics.KINESIS_STORED_BYTES, counted.stored_bytes)
    sheet.add(metrics.KINESIS_REJECTED, counted.rejected)
    sheet.add_all(metrics.KINESIS_RETRIED, counted.retried)
    sheet.add(metrics.KINESIS_DUPLICATES, counted.possible_duplicates)
    sheet.add(metrics.KINESIS_UNREADABLE, counted.unreadable)
    sheet.add(metrics.KINESIS_REQUESTS, counted.requests)
    sheet.add_distribution(metrics.KINESIS_REQUEST_SECONDS, counted.answer_s)
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
    sheet.add(metrics.CPU_SECONDS, _cpu_s())
    for resident_bytes in _resident_bytes():
        sheet.add(metrics.MEMORY_BYTES, resident_bytes)
    sheet.add(metrics.BUILD, 1, __version__)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident_bytes() -> Iterator[int]:
    """The memory that is resident, where the system tells it."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return
    yield pages * resource.getpagesize()


def _shard(lane: Lane, rates: dict[str, float]) -> ShardReport:
    return ShardReport(
        shard=lane.shard_id,
        records_per_s=rates.get(f"stored {lane.shard_id}", 0.0),
        throttled_per_s=rates.get(f"throttled {lane.shard_id}", 0.0),
        throttled=lane.throttled,
        limit_records_per_s=lane.limiter.scale * SHARD_RECORDS_PER_S,
        buffered_bytes=lane.held_bytes,
        takes_nothing=lane.is_failing,
    )


def _destination(plan: Plan, problems: list[str]) -> DestinationReport:
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
