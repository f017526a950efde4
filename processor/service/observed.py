"""What of one worker is looked at, and its counters: the totals since its start that rates are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.service.process_usage import cpu_s

if TYPE_CHECKING:
    from processor.kinesis.writer import Writer
    from processor.settings import Settings
    from processor.telemetry.status import Status
    from processor.worker.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Observed:
    """One worker, as far as it is looked at; `pipeline` is None until the worker is connected."""

    settings: Settings
    status: Status
    writer: Writer
    pipeline: Pipeline | None = None


def counters(observed: Observed) -> dict[str, float]:
    """Return what is counted since the start, by its name in the report, and what each open shard took and throttled."""
    figures, counted = observed.status.figures, observed.writer.figures
    backfills = observed.status.backfills.figures
    found: dict[str, float] = {
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
        "backfillsCompleted": backfills.completed,
        "backfillRead": backfills.read,
        "backfillReadBytes": backfills.read_bytes,
        "backfillProfiles": backfills.profiles,
        "backfillExported": backfills.exported,
        "cpu": cpu_s(),
        **observed.status.occupied_s,
    }
    for lane in observed.writer.lanes:
        found[f"stored {lane.shard_id}"] = lane.stored
        found[f"throttled {lane.shard_id}"] = lane.throttled
    return found
