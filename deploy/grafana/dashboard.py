"""The Grafana dashboard, as JSON on standard output: python deploy/grafana/dashboard.py > deploy/grafana/processor.json.

Read from the top: is it well, does it keep up, where is the time spent, what does Kinesis take, what is kept back.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 24
HEIGHT: Final = 8
OURS: Final = 'job=~"$job", group=~"$group"'
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its queries with their legends, and the unit of its values."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    told: str = ""
    """What it means, where the title does not say it."""


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The rate of a counter a second, summed up over all but `by`."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{OURS}{where}}}[$__rate_interval]))"


def quantile(share: float, metric: str) -> str:
    """A quantile of a histogram, over all workers."""
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{OURS}}}[$__rate_interval])))"


def quantiles(metric: str) -> dict[str, str]:
    """What most see, and what the worst see."""
    return {"median": quantile(0.5, metric), "p99": quantile(0.99, metric)}


ROWS: Final[dict[str, list[Panel]]] = {
    "Is it well?": [
        Panel(
            "Lag",
            {"": f"sum(processor_partition_lag_records{{{OURS}}})"},
            kind="stat",
            told="What there is to take, from the logs' ends: also while nothing is fetched.",
        ),
        Panel("Oldest event that is not acknowledged", {"": f"max(processor_partition_lag_seconds{{{OURS}}})"}, "s", "stat"),
        Panel("Event to acknowledgement, p99", {"": quantile(0.99, "processor_event_age_seconds")}, "s", "stat"),
        Panel(
            "Workers ready",
            {"ready": f"sum(processor_ready{{{OURS}}})", "all": f"count(processor_worker_up{{{OURS}}})"},
            kind="stat",
        ),
        Panel("Partitions owned", {"": f"sum(processor_partitions_assigned{{{OURS}}})"}, kind="stat"),
        Panel(
            "Restarts and rebalances",
            {
                "restarts": f"sum(increase(processor_worker_restarts_total{{{OURS}}}[$__rate_interval]))",
                "rebalances": f"max(increase(processor_rebalances_total{{{OURS}}}[$__rate_interval]))",
            },
        ),
        Panel(
            "Not ready, by condition",
            {"{{condition}}": f"sum by (condition) (processor_unready_condition{{{OURS}}}) or vector(0)"},
            told="Nothing but 0 is well.",
        ),
    ],
    "Does it keep up?": [
        Panel(
            "Events",
            {
                "received": rate("processor_events_received_total"),
                "exported": rate("processor_events_exported_total"),
                "unchanged": rate("processor_events_unchanged_total"),
                "skipped": rate("processor_events_skipped_total"),
                "abandoned": rate("processor_events_abandoned_total"),
            },
            "ops",
        ),
        Panel("Lag by partition", {"{{partition}}": f"sum by (partition) (processor_partition_lag_records{{{OURS}}})"}),
        Panel("Lag in seconds", {"{{partition}}": f"max by (partition) (processor_partition_lag_seconds{{{OURS}}})"}, "s"),
        Panel(
            "Kept back by open transactions",
            {"{{partition}}": f"max by (partition) (processor_partition_open_transaction_seconds{{{OURS}}})"},
            "s",
            told="Their producers must end them; lag does not count what they keep back.",
        ),
        Panel("Event to acknowledgement", quantiles("processor_event_age_seconds"), "s"),
        Panel(
            "State to restore",
            {"{{partition}}": f"sum by (partition) (processor_state_restore_records_remaining{{{OURS}}}) or vector(0)"},
            told="Changelog records; partitions are being restored while it is above 0.",
        ),
    ],
    "Where is the time spent?": [
        Panel(
            "Busy, back-pressured, idle",
            {"{{state}}": f"{rate('processor_time_seconds_total', 'state')} / scalar(count(processor_worker_up{{{OURS}}}))"},
            "percentunit",
            told="Busy: with events in flight, which is mostly waiting for Kinesis and Kafka; what work costs is CPU, beside. Back-pressured: all buffers are full, Kinesis takes less than there is.",
        ),
        Panel("CPU", {"{{instance}} {{worker}}": rate("processor_process_cpu_seconds_total", "instance, worker")}, "percentunit"),
        Panel("Memory", {"{{instance}} {{worker}}": f"sum by (instance, worker) (processor_process_resident_memory_bytes{{{OURS}}})"}, "bytes"),
        Panel(
            "Disk of the stores",
            {
                "{{instance}} stores": f"sum by (instance) (processor_state_disk_bytes{{{OURS}}})",
                "{{instance}} free": f"min by (instance) (processor_state_disk_free_bytes{{{OURS}}})",
            },
            "bytes",
            told="A worker whose disk is full waits, unready, until there is room.",
        ),
        Panel("Event loop lag", {"{{instance}} {{worker}}": f"max by (instance, worker) (processor_event_loop_lag_seconds{{{OURS}}})"}, "s"),
        Panel("A batch on the loop", quantiles("processor_batch_processing_seconds"), "s"),
        Panel("Appends to the changelog", quantiles("processor_changelog_append_seconds"), "s"),
        Panel("Commits", quantiles("processor_kafka_commit_seconds"), "s"),
        Panel(
            "Buffers, of their limits",
            {
                "events in flight, unpacked": f"sum(processor_events_in_flight_bytes{{{OURS}}}) / sum(processor_events_in_flight_limit_bytes{{{OURS}}})",
                "exports": f"sum(processor_kinesis_buffered_bytes{{{OURS}}}) / sum(processor_kinesis_buffer_limit_bytes{{{OURS}}})",
            },
            "percentunit",
        ),
    ],
    "What does Kinesis take?": [
        Panel("Records stored", {"{{shard}}": rate("processor_kinesis_shard_records_stored_total", "shard")}, "ops"),
        Panel("Records throttled", {"{{shard}}": rate("processor_kinesis_shard_records_throttled_total", "shard")}, "ops"),
        Panel(
            "What a worker gives a shard at most",
            {"{{shard}}": f"max by (shard) (processor_kinesis_shard_limit_records_per_second{{{OURS}}})"},
            "ops",
            told="Each worker finds its own limit, from the published 1,000 a second: those of several are no sum.",
        ),
        Panel("Waiting for a shard", {"{{shard}}": f"sum by (shard) (processor_kinesis_shard_buffered_bytes{{{OURS}}})"}, "bytes"),
        Panel("PutRecords", quantiles("processor_kinesis_request_seconds"), "s"),
        Panel(
            "Sent again, by code",
            {
                "{{code}}": f"{rate('processor_kinesis_records_retried_total', 'code')} or vector(0)",
                "outcome unknown": rate("processor_kinesis_possible_duplicates_total"),
            },
            "ops",
        ),
        Panel("Bytes stored", {"": rate("processor_kinesis_bytes_stored_total")}, "Bps"),
    ],
    "Does a backfill go on?": [
        Panel(
            "Partitions, by stage",
            {"{{stage}}": f"sum by (stage) (processor_backfill_partitions{{{OURS}}})"},
            told="Off: due, and begun by `processor backfill` alone. Complete: since they were assigned.",
        ),
        Panel(
            "Left, about",
            {"": f"max(processor_backfill_left_seconds{{{OURS}}}) or vector(0)"},
            "s",
            "stat",
            told="Of the slowest worker, by its rate so far.",
        ),
        Panel(
            "Since it last went on",
            {"{{instance}} {{worker}}": f"max by (instance, worker) (processor_backfill_still_seconds{{{OURS}}})"},
            "s",
            told="It waits for live events; a quarter of an hour is an alert.",
        ),
        Panel(
            "Events and profiles",
            {
                "events read again": rate("processor_backfill_events_read_total"),
                "profiles looked at": rate("processor_backfill_profiles_total"),
                "exported": rate("processor_backfill_exported_total"),
            },
            "ops",
        ),
        Panel("Read from Kafka again", {"": rate("processor_backfill_read_bytes_total")}, "Bps"),
        Panel("Found and not looked at yet", {"{{instance}} {{worker}}": f"sum by (instance, worker) (processor_backfill_held_bytes{{{OURS}}})"}, "bytes"),
        Panel(
            "Profiles that stay as they are",
            {
                "refused, {{reason}}": f"sum by (reason) (processor_backfill_refused_total{{{OURS}}}) or vector(0)",
                "not in the source any more": f"sum(processor_backfill_unmet_profiles{{{OURS}}})",
            },
            told="Their latest event is refused under the configuration of now, or the source has none of them any more.",
        ),
    ],
    "What is kept back?": [
        Panel("Dead letters, by reason", {"{{reason}}": rate("processor_events_dead_lettered_total", "reason")}, "ops"),
        Panel(
            "How near the limit of dead letters is",
            {"{{instance}} {{worker}}": f"max by (instance, worker) (processor_dead_letter_limit_ratio{{{OURS}}})"},
            "percentunit",
            told="At 100 % no more are written, and partitions with bad events stand still.",
        ),
        Panel("Removed by governance, by policy", {"{{policy}}": rate("processor_items_removed_total", "policy")}, "ops"),
    ],
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Grafana's model of it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(_placed({"type": "row", "title": title, "panels": []}, len(panels), (0, top, WIDTH, 1)))
        top += 1
        for place, panel in enumerate(row):
            width = WIDTH // 3
            left, down = place % 3 * width, place // 3 * HEIGHT
            panels.append(_placed(_drawn(panel), len(panels), (left, top + down, width, HEIGHT)))
        top += (len(row) + 2) // 3 * HEIGHT
    return {
        "uid": "processor",
        "title": "processor",
        "tags": ["processor"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _VARIABLES},
        "panels": panels,
    }


_VARIABLES: Final[list[dict[str, Any]]] = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
    {
        "name": "job",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(processor_worker_up, job)", "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    },
    {
        "name": "group",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": 'label_values(processor_worker_up{job=~"$job"}, group)', "refId": "group"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    },
]


def _drawn(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.told,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _placed(drawn: dict[str, Any], number: int, place: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"id": number + 1, **drawn, "gridPos": dict(zip("xywh", place, strict=True))}


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=2)
    sys.stdout.write("\n")
