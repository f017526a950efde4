"""What is answered over HTTP: pure functions of the observations of all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from processor.telemetry import metrics
from processor.telemetry.backfill_report import backfilling
from processor.telemetry.exposition import exposition
from processor.telemetry.report import lag_of
from processor.telemetry.samples import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.telemetry.backfill_report import Backfilling
    from processor.telemetry.report import Fleet
    from processor.telemetry.samples import Samples


_NONE: Final = "none"
"""The worker of series where there is none."""


def liveness(fleet: Fleet) -> dict[str, str]:
    """Return why workers should be ended and started anew, by worker; one that is being started is live."""
    return {
        f"worker {each.report.worker}": each.report.stalled
        for each in fleet.observations
        if each.report.stalled is not None
    }


def reasons(fleet: Fleet) -> dict[str, str]:
    """Return what keeps the process from being ready, by condition; with several workers each names its worker."""
    found = {
        **fleet.conditions,
        **{f"worker {number}": why for number, why in sorted(fleet.silent.items())},
    }
    is_alone = len(fleet.observations) + len(fleet.silent) == 1
    for each in fleet.observations:
        for what, why in each.report.conditions.items():
            found[what if is_alone else f"worker {each.report.worker}: {what}"] = why
    return found


def metrics_text(fleet: Fleet, of_all: Mapping[str, str]) -> bytes:
    """Return the text of all workers' series, each with its worker's label and those `of_all`."""
    workers: dict[str, Samples] = {str(each.report.worker): dict(each.samples) for each in fleet.observations}
    if not workers and not fleet.silent:
        workers[_NONE] = _of_no_worker(fleet)
    for number in fleet.silent:
        sheet = Sheet()
        sheet.add(metrics.UP, 0)
        workers[str(number)] = sheet.samples
    for number, restarts in fleet.restarts.items():
        sheet = Sheet()
        sheet.add(metrics.RESTARTS, restarts)
        workers[str(number)] = workers.get(str(number), {}) | sheet.samples
    return exposition(workers, of_all)


def _of_no_worker(fleet: Fleet) -> Samples:
    """What is scraped of a process that has no worker: that it answers, and why it is not ready, if it is not."""
    sheet = Sheet()
    sheet.add(metrics.UP, 1)
    sheet.add(metrics.READY, not fleet.conditions)
    for condition in fleet.conditions:
        sheet.add(metrics.CONDITION, 1, condition)
    return sheet.samples


def status_json(fleet: Fleet, api: str | None = None) -> bytes:
    """Return everything that the page shows, as JSON; `api` is the prefix of the API's paths, None where there is none."""
    reports = [each.report for each in fleet.observations]
    why, lag, backfill = reasons(fleet), lag_of(reports), backfilling([each.backfills for each in reports])
    status: dict[str, Any] = {
        "ready": not why,
        "reasons": why,
        "live": not liveness(fleet),
        "notice": fleet.notice,
        "api": api,
        "silent": {str(number): text for number, text in fleet.silent.items()},
        "restarts": {str(number): count for number, count in fleet.restarts.items()},
        "lag": {
            "records": lag.records,
            "oldestS": lag.oldest_s,
            "p99S": lag.p99_s,
            "unknownPartitions": lag.unknown,
        },
        "backfill": None if backfill is None else _backfill(backfill),
        "workers": reports,
    }
    return msgspec.json.encode(status)


def _backfill(found: Backfilling) -> dict[str, Any]:
    return {
        "partitions": found.partitions,
        "share": found.share,
        "leftS": found.left_s,
        "events": found.events,
        "profiles": found.profiles,
        "exported": found.exported,
        "refused": found.refused,
        "unmet": found.unmet,
        "sourceFromMs": found.source_from_ms,
        "causes": [
            {"fingerprint": fingerprint, "former": former, "request": request}
            for fingerprint, former, request in found.causes
        ],
    }
