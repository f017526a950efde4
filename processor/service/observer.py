"""Looks at one worker: its rates, kept current, and its report with the samples of the same moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from processor.service.observed import Observed, counters
from processor.service.partition_reports import partition_reports
from processor.service.worker_report import destination_report, shard_reports, worker_report
from processor.service.worker_samples import worker_samples
from processor.telemetry.loop_lag import LoopLag
from processor.telemetry.rates import Rates
from processor.telemetry.recent_counts import RecentCounts
from processor.telemetry.report import Fleet, Observation

if TYPE_CHECKING:
    from processor.governance.plan import Plan
    from processor.kinesis.writer import Writer
    from processor.settings import Settings
    from processor.telemetry.report import ShardReport
    from processor.telemetry.status import Status
    from processor.worker.pipeline import Pipeline

_LOOK_S: Final = 1.0


class Observer:
    """Looks at worker number `worker`, from before it is connected; `run` it beside the worker."""

    def __init__(self, worker: int, settings: Settings, plan: Plan, status: Status, writer: Writer) -> None:
        self.loop_lag = LoopLag()
        self._worker = worker
        self._observed = Observed(settings, status, writer)
        self._stalled: str | None = None
        self._rates = Rates()
        self._recent_ages = RecentCounts()
        self._plan = plan
        self._destination = destination_report(plan, [])

    @property
    def plan(self) -> Plan:
        """The plan that the worker follows, or is to begin with."""
        return self._plan

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline that is looked at; None until the worker is connected."""
        return self._observed.pipeline

    def follow(self, pipeline: Pipeline) -> None:
        """Look at `pipeline` from now on: the worker is connected."""
        self._observed = replace(self._observed, pipeline=pipeline)

    def take(self, plan: Plan) -> None:
        """Report `plan` as the one that the worker follows, and no problem."""
        self._plan, self._destination = plan, destination_report(plan, [])

    def refuse(self, problems: list[str]) -> None:
        """Report `problems` of a plan that the worker does not follow; it goes on with its own."""
        self._destination = destination_report(self._plan, problems)

    def report_stalled(self, why: str) -> None:
        """Report that the worker should be ended: it has work, and makes no progress."""
        self._stalled = why

    async def run(self) -> None:
        """Keep the rates current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.loop_lag.run(), name="loop-lag")
            while True:
                now_s = time.monotonic()
                self._rates.look(now_s, counters(self._observed))
                self._recent_ages.look(now_s, self._observed.status.durations.age.counts)
                await asyncio.sleep(_LOOK_S)

    def shards(self) -> list[ShardReport]:
        """Return a report of each open shard, as far as shards are known."""
        return shard_reports(self._observed, self._rates.per_s())

    def observe(self) -> Observation:
        """Return the worker's report and samples, as of now; taken without a turn of the loop, so the sums agree."""
        report = worker_report(
            self._observed,
            partition_reports(self._observed),
            worker=self._worker,
            stalled=self._stalled,
            destination=self._destination,
            rates=self._rates.per_s(),
            recent_ages=self._recent_ages.counts,
        )
        return Observation(report, worker_samples(self._observed, report, self.loop_lag.longest_s))

    async def ask(self) -> Fleet:
        """Return the observation of a process whose only worker this is."""
        return Fleet([self.observe()])
