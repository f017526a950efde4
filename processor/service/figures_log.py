"""The figures of one worker in the log: a line every so many seconds, and one when shards begin or cease to throttle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.telemetry.backfill_report import backfilling
from processor.telemetry.repeated_lines import STATE_CHANGED
from processor.telemetry.report import lag_of

if TYPE_CHECKING:
    from processor.service.observer import Observer

log = structlog.get_logger(__name__)

_LOOK_S: Final = 1.0


class FiguresLog:
    """Logs the figures of one worker, from what its observer sees, every `interval_s` seconds."""

    def __init__(self, observer: Observer, interval_s: float) -> None:
        self._observer = observer
        self._interval_s = interval_s
        self._throttling: set[str] = set()

    async def run(self) -> None:
        """Log until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._log_throttling(), name="throttling")
            while True:
                await asyncio.sleep(self._interval_s)
                log.info("figures", **self.figures())
                self._log_backfills()

    def figures(self) -> dict[str, object]:
        """Return what the line holds: how far behind the worker is, rates of the last 10 s, what there is now, and totals."""
        observed = self._observer.observe().report
        rates, flow, totals = observed.rates, observed.flow, observed.totals
        lag = lag_of([observed])
        return {
            "lag_records": lag.records,
            "lag_s": None if lag.oldest_s is None else round(lag.oldest_s, 1),
            "age_p99_s": None if lag.p99_s is None else round(lag.p99_s, 2),
            "received_per_s": round(rates.get("received", 0.0), 1),
            "exported_per_s": round(rates.get("exported", 0.0), 1),
            "retried_per_s": round(rates.get("retried", 0.0), 1),
            "partitions": len(observed.partitions),
            "restoring": sum(not each.is_restored for each in observed.partitions),
            "in_flight": flow.in_flight,
            "buffered_bytes": flow.buffered_bytes,
            "cpu": round(rates.get("cpu", 0.0), 2),
            "busy": round(flow.busy, 2),
            "backpressured": round(flow.backpressured, 2),
            "received": int(totals["received"]),
            "exported": int(totals["exported"]),
            "unchanged": int(totals["unchanged"]),
            "skipped": int(totals["skipped"]),
            "dead_lettered": int(totals["deadLettered"]),
            "abandoned": int(totals["abandoned"]),
            "retried": int(totals["retried"]),
            "backfills_due": sum(each.stage != "complete" for each in observed.backfills),
            "backfill_exported": int(totals["backfillExported"]),
        }

    def _log_backfills(self) -> None:
        """Log how far the backfills are that go on."""
        observed = self._observer.observe().report
        found = backfilling([observed.backfills])
        if found is None or not any(each.is_going_on for each in observed.backfills):
            return
        running = [each for each in observed.backfills if each.stage == "running"]
        log.info(
            "backfills",
            share=round(found.share, 3),
            left_s=None if found.left_s is None else round(found.left_s),
            running=[each.partition for each in running],
            waiting=found.partitions["waiting"],
            complete=found.partitions["complete"],
            remaining_offsets=sum(each.remaining or 0 for each in running),
            events_per_s=round(observed.rates.get("backfillRead", 0.0), 1),
            exported_per_s=round(observed.rates.get("backfillExported", 0.0), 1),
            profiles=found.profiles,
            exported=found.exported,
            refused=found.refused,
        )

    async def _log_throttling(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            shards = self._observer.shards()
            throttling = {each.shard for each in shards if each.throttled_per_s > 0}
            if throttling - self._throttling:
                log.warning(
                    "shards throttle",
                    shards=sorted(throttling),
                    throttled_per_s=round(sum(each.throttled_per_s for each in shards), 1),
                    **{STATE_CHANGED: True},
                )
            elif self._throttling and not throttling:
                log.info("shards throttle no more", shards=sorted(self._throttling))
            self._throttling = throttling
