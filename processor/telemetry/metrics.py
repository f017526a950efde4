"""The metrics: every name there is, what it means, and its labels. docs/metrics.md is generated from here.

Names follow Prometheus' rules: `processor_<what>_<unit>`, base units, counters with `_total`. All are counted per
batch, per call or per interval, never per event. Every series has the label `worker`, and those by which one
deployment is distinguished from another; no label is a profile, a segment or an attribute. Series of a partition or shard disappear with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from processor.telemetry.histogram import AGE_S, BATCH_EVENTS, LATENCY_S

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

WORKER_LABEL: Final = "worker"
TARGET_LABELS: Final = ("group", "topic", "stream")
"""Of every series: many deployments may be scraped by one Prometheus."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Its series have `labels` beside `worker`; `bounds` are a histogram's upper bounds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = ()

    @property
    def exposed_name(self) -> str:
        """The name that a query uses."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


SECTIONS: Final[dict[str, dict[str, Metric]]] = {}
"""All metrics, by the heading they stand under in the docs, then by name."""


def _counter(name: str, text: str, *labels: str) -> Metric:
    return _kept(Metric(f"processor_{name}", "counter", text, labels))


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return _kept(Metric(f"processor_{name}", "gauge", text, labels))


def _histogram(name: str, bounds: Sequence[float], text: str) -> Metric:
    return _kept(Metric(f"processor_{name}", "histogram", text, (), bounds))


def _kept(metric: Metric) -> Metric:
    list(SECTIONS.values())[-1][metric.name] = metric
    return metric


# What becomes of events. In every scrape, for each worker:
# received = exported + unchanged + skipped + dead_lettered (all reasons) + abandoned + in_flight.
SECTIONS["Events"] = {}
EVENTS_RECEIVED = _counter("events_received", "Events taken from Kafka.")
EVENTS_RECEIVED_BYTES = _counter("events_received_bytes", "Their keys and values.")
EVENTS_EXPORTED = _counter("events_exported", "Events whose export Kinesis has acknowledged.")
EVENTS_UNCHANGED = _counter("events_unchanged", "Events that changed nothing the destination may see.")
EVENTS_SKIPPED = _counter("events_skipped", "Events that the state reflected already: a replay.")
EVENTS_DEAD_LETTERED = _counter(
    "events_dead_lettered", "Events in the dead-letter topic, by the reason's word.", "reason"
)
DEAD_LETTER_LIMIT_RATIO = _gauge(
    "dead_letter_limit_ratio",
    "How near the worker is to the limit of dead letters: 1 where it writes no more of them.",
)
EVENTS_ABANDONED = _counter(
    "events_abandoned", "Events given back unacknowledged; the partition's next owner reads them again."
)
EVENTS_IN_FLIGHT = _gauge("events_in_flight", "Events taken and not yet acknowledged.")
EVENTS_IN_FLIGHT_BYTES = _gauge("events_in_flight_bytes", "What they hold in memory, unpacked, about.")
EVENTS_IN_FLIGHT_LIMIT_BYTES = _gauge(
    "events_in_flight_limit_bytes", "What they may hold, and one batch: PROCESSOR_IN_FLIGHT_BYTES."
)
EVENTS_FETCHED_BYTES = _gauge(
    "events_fetched_bytes",
    "What is fetched and not unpacked to its end, as Kafka sent it: compressed. At most the assigned partitions "
    "times PROCESSOR_KAFKA_PARTITION_FETCH_MAX_BYTES, or a batch each where that is larger.",
)
ITEMS_REMOVED = _counter(
    "items_removed",
    "Items (attributes, segments, identities) that governance kept back, by policy.",
    "policy",
)

# How long things take. Batches hold up to 200 events of one partition.
SECTIONS["Time"] = {}
BATCH_EVENTS_SIZE = _histogram("batch_events", BATCH_EVENTS, "Events in a batch.")
BATCH_SECONDS = _histogram(
    "batch_processing_seconds", LATENCY_S, "Decoding, diffing and assembling a batch, on the loop."
)
EVENT_AGE = _histogram(
    "event_age_seconds",
    AGE_S,
    "From an event's timestamp to its acknowledgement by Kinesis, end to end; the first event of each batch.",
)
TIME = _counter(
    "time_seconds",
    "Time spent: `busy` with events in flight, which is mostly waiting for Kinesis and Kafka (CPU is "
    "`processor_process_cpu_seconds_total`), `backpressured` with all buffers full so that nothing is taken, "
    "or `idle`. The three add up to the time since the start.",
    "state",
)
LOOP_LAG = _gauge(
    "event_loop_lag_seconds", "The longest that the event loop kept a timer waiting, in the last ten seconds."
)

# The source and the group.
SECTIONS["Kafka"] = {}
PARTITIONS_ASSIGNED = _gauge("partitions_assigned", "Partitions that this worker owns now.")
PARTITION_LAG = _gauge(
    "partition_lag_records",
    "Offsets of a partition that may be taken and are not acknowledged yet, fetched or not, as far as its end is known: "
    "it is asked for every PROCESSOR_KAFKA_LAG_INTERVAL_MS. While it is restored, those behind the group's offset.",
    "partition",
)
PARTITION_LAG_SECONDS = _gauge(
    "partition_lag_seconds",
    "How old the oldest event is that is not acknowledged, by its timestamp; 0 where there is none, and missing "
    "while none of them was seen yet.",
    "partition",
)
PARTITION_OPEN = _gauge(
    "partition_open_transaction_records",
    "Offsets of a partition that a transaction which is not ended keeps back; only where all before it is taken.",
    "partition",
)
PARTITION_OPEN_SECONDS = _gauge(
    "partition_open_transaction_seconds",
    "For how long it has, as this worker saw it; 0 where none does.",
    "partition",
)
REBALANCES = _counter("rebalances", "Times that the group gave this worker an assignment.")
COMMIT_SECONDS = _histogram("kafka_commit_seconds", LATENCY_S, "Commits of offsets.")
CHANGELOG_SECONDS = _histogram(
    "changelog_append_seconds", LATENCY_S, "Appends to the changelog, with the store's write behind them."
)

# What was last exported, and how it comes back.
SECTIONS["State"] = {}
RESTORE_REMAINING = _gauge(
    "state_restore_records_remaining",
    "Changelog records between a partition's store and its goal; only while it is being restored.",
    "partition",
)
INTRUDER_RECORDS = _counter(
    "state_intruder_records",
    "Records that a zombie appended to the changelog, behind which their owner appended its own again.",
)
STATE_DISK_BYTES = _gauge("state_disk_bytes", "What the files of the worker's open stores take on disk.")
STATE_DISK_FREE_BYTES = _gauge(
    "state_disk_free_bytes",
    "What is free to the worker on the disk of its stores; workers that share a disk report the same.",
)
STATE_DISK_SIZE_BYTES = _gauge("state_disk_size_bytes", "How large that disk is.")

EVENTS_LOST = _counter(
    "events_lost",
    "Offsets of the source that this group never took, counted where the partition was begun or read: `deleted` by the source's "
    "retention before they were read, or `passed` over by an offset that somebody set forward.",
    "cause",
)
BEGUN_ANEW = _counter(
    "partitions_begun_anew",
    "Partitions that the group began without an offset of its own: beside `nothing`, or beside its offsets of another `topic`.",
    "beside",
)

# Every profile's latest event looked at again. None of it is counted among the events above: what a backfill reads again was received
# before, and what it exports is beside the balance of events.
SECTIONS["Backfills"] = {}
BACKFILL_PARTITIONS = _gauge(
    "backfill_partitions",
    "Partitions of this worker of which a backfill is due: `off` where it is begun by `processor backfill` alone "
    "(PROCESSOR_BACKFILL=off), `waiting` for its turn or for live events, `running`; or `complete` since they were assigned.",
    "stage",
)
BACKFILL_REMAINING = _gauge(
    "backfill_remaining_offsets",
    "Offsets of the source that the backfill which is under way is to read yet; those that wait are not in it.",
)
BACKFILL_LEFT = _gauge(
    "backfill_left_seconds",
    "How long the worker will take yet for those that run or wait, by its rate so far; 0 where there are none, and missing "
    "while it is not known.",
)
BACKFILL_STILL = _gauge(
    "backfill_still_seconds",
    "For how long no backfill of the worker has gone on though one runs or waits; 0 where none does.",
)
BACKFILL_BEGUN = _counter("backfills_begun", "Backfills of a partition that were begun.")
BACKFILL_COMPLETED = _counter(
    "backfills_completed", "Those that came to their end; the others were begun anew, here or elsewhere."
)
BACKFILL_READ = _counter("backfill_events_read", "Events that were read from the source again.")
BACKFILL_READ_BYTES = _counter("backfill_read_bytes", "Their keys and values.")
BACKFILL_PROFILES = _counter("backfill_profiles", "Profiles whose latest event was looked at again.")
BACKFILL_EXPORTED = _counter(
    "backfill_exported",
    "Exports of backfills that Kinesis has acknowledged; `processor_events_exported_total` does not count them, "
    "`processor_kinesis_records_stored_total` does.",
)
BACKFILL_REFUSED = _counter(
    "backfill_refused",
    "Profiles that stay as they are at the destination, for their latest event is refused under the configuration of now, by "
    "the reason's word; no dead letter is written.",
    "reason",
)
BACKFILL_REMOVED = _counter(
    "backfill_items_removed",
    "Items that governance kept back of what backfills looked at, by policy.",
    "policy",
)
BACKFILL_UNMET = _gauge(
    "backfill_unmet_profiles",
    "Profiles that have state and no event in the source any more, as the last backfill of each partition found; they stay as they are.",
)
BACKFILL_HELD_BYTES = _gauge(
    "backfill_held_bytes", "Latest events that were found and are not looked at yet, in memory."
)

# The writer and the stream.
SECTIONS["Kinesis"] = {}
KINESIS_STORED = _counter("kinesis_records_stored", "Records that Kinesis has acknowledged.")
KINESIS_STORED_BYTES = _counter("kinesis_bytes_stored", "Their data and partition keys.")
KINESIS_REJECTED = _counter("kinesis_records_rejected", "Records that Kinesis refused even alone.")
KINESIS_RETRIED = _counter("kinesis_records_retried", "Records sent again, by Kinesis' error code.", "code")
KINESIS_DUPLICATES = _counter(
    "kinesis_possible_duplicates", "Records sent again though Kinesis may have stored them."
)
KINESIS_UNREADABLE = _counter(
    "kinesis_unreadable_answers", "PutRecords answers that did not say what became of each record."
)
KINESIS_REQUESTS = _counter("kinesis_requests", "PutRecords calls.")
KINESIS_REQUEST_SECONDS = _histogram(
    "kinesis_request_seconds", LATENCY_S, "PutRecords calls that were answered, until their answer."
)
KINESIS_REQUESTS_IN_FLIGHT = _gauge("kinesis_requests_in_flight", "PutRecords calls on their way.")
KINESIS_REQUEST_LIMIT = _gauge(
    "kinesis_request_limit_bytes",
    "What a call may carry now: PROCESSOR_KINESIS_MAX_REQUEST_BYTES, less where the way takes no more.",
)
KINESIS_BUFFERED_BYTES = _gauge("kinesis_buffered_bytes", "Exports that wait or are on their way.")
KINESIS_BUFFER_LIMIT_BYTES = _gauge(
    "kinesis_buffer_limit_bytes", "What they may hold: PROCESSOR_KINESIS_BUFFER_BYTES."
)
SHARD_STORED = _counter("kinesis_shard_records_stored", "Records that a shard has acknowledged.", "shard")
SHARD_THROTTLED = _counter("kinesis_shard_records_throttled", "Records that a shard has throttled.", "shard")
SHARD_BUFFERED_BYTES = _gauge(
    "kinesis_shard_buffered_bytes", "What waits for a shard or is on its way to it.", "shard"
)
SHARD_LIMIT = _gauge(
    "kinesis_shard_limit_records_per_second",
    "What this worker gives a shard at most at present; it starts at the published 1,000 and finds the real limit. Each "
    "worker has its own: do not add them up.",
    "shard",
)

# The service itself.
SECTIONS["Service"] = {}
UP = _gauge(
    "worker_up",
    "1 where the worker answers, else 0. Its other series are missing then. Of a process that is to have none, under `none`: 1.",
)
READY = _gauge("ready", "1 while the worker is ready, else 0.")
CONDITION = _gauge(
    "unready_condition",
    "1 for each condition that keeps the worker from being ready; see docs/operations.md.",
    "condition",
)
CONDITIONS_BEGUN = _counter("unready_conditions", "How often each condition has begun.", "condition")
RELOADS = _counter("configuration_reloads", "Reloads on SIGHUP that were `taken` or `refused`.", "result")
CONFIGURATION_PROBLEMS = _gauge(
    "configuration_problems",
    "What is wrong with the files that were read last and are not followed, the former ones going on; 0 where they are followed.",
)
STARTED = _gauge("worker_start_time_seconds", "When the worker started, in seconds since the epoch.")
RESTARTS = _counter("worker_restarts", "How often a worker died or was ended, and was started again.")
CPU_SECONDS = _counter("process_cpu_seconds", "CPU time of the worker's process, user and system.")
MEMORY_BYTES = _gauge("process_resident_memory_bytes", "Memory of the worker's process that is resident.")
STATE_MEMORY_BYTES = _gauge(
    "state_memory_bytes",
    "What the stores hold in memory: hot records, changes that wait for the disk, RocksDB's blocks and write buffers.",
)
COMPILED_CORE_FAULTS = _counter(
    "compiled_core_faults",
    "How often the compiled core failed by a fault of its own, and left to the plain one what it failed on: to be reported.",
)
BUILD = _gauge(
    "build_info", "1, with the version, and the core that runs: compiled or plain.", "version", "core"
)

METRICS: Final[dict[str, Metric]] = {
    name: metric for section in SECTIONS.values() for name, metric in section.items()
}
