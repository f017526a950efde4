"""The metrics: every name, with what it means. Read from the worker's plain figures at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from processor.kinesis.writer import Writer
    from processor.telemetry.status import Status

METRICS = {
    "processor_events_received": "Events taken from Kafka.",
    "processor_events_exported": "Events whose export Kinesis has acknowledged.",
    "processor_events_unchanged": "Events that changed nothing the destination may see.",
    "processor_events_skipped": "Events that the state reflected already: a replay.",
    "processor_events_abandoned": "Events given back unacknowledged; the partition's next owner reads them again.",
    "processor_events_dead_lettered": "Events in the dead-letter topic, by reason.",
    "processor_events_in_flight": "Events taken and not yet acknowledged.",
    "processor_items_removed": "Items that governance kept back, by policy.",
    "processor_partitions_assigned": "Partitions that this worker owns now.",
    "processor_state_restore_records_remaining": "Changelog records between a partition's store and its goal.",
    "processor_state_intruder_records": "Records that a zombie appended to the changelog, and that were overruled.",
    "processor_ready": "1 while the worker is ready, else 0.",
    "processor_kinesis_records_stored": "Records that Kinesis has acknowledged.",
    "processor_kinesis_bytes_stored": "Their data and partition keys.",
    "processor_kinesis_records_rejected": "Records that Kinesis refused even alone.",
    "processor_kinesis_records_retried": "Records sent again, by Kinesis' error code.",
    "processor_kinesis_possible_duplicates": "Records sent again though Kinesis may have stored them.",
    "processor_kinesis_requests": "PutRecords calls.",
    "processor_kinesis_buffered_bytes": "Exports that wait or are on their way.",
}


class WorkerCollector(Collector):
    """One worker's metrics."""

    def __init__(self, status: Status, writer: Writer) -> None:
        self._status = status
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        """All families, as of now; taken without a turn of the loop, so the sums agree."""
        events, records = self._status.figures, self._writer.figures
        yield _counter("processor_events_received", events.received)
        yield _counter("processor_events_exported", events.exported)
        yield _counter("processor_events_unchanged", events.unchanged)
        yield _counter("processor_events_skipped", events.skipped)
        yield _counter("processor_events_abandoned", events.abandoned)
        yield _counters("processor_events_dead_lettered", "reason", events.dead_lettered)
        yield _gauge("processor_events_in_flight", events.in_flight)
        yield _counters("processor_items_removed", "policy", events.removed)
        yield _gauge("processor_partitions_assigned", len(self._status.partitions))
        yield self._restoration()
        yield _counter("processor_state_intruder_records", events.intruder_records)
        yield _gauge("processor_ready", int(self._status.is_ready))
        yield _counter("processor_kinesis_records_stored", records.stored)
        yield _counter("processor_kinesis_bytes_stored", records.stored_bytes)
        yield _counter("processor_kinesis_records_rejected", records.rejected)
        yield _counters("processor_kinesis_records_retried", "code", records.retried)
        yield _counter("processor_kinesis_possible_duplicates", records.possible_duplicates)
        yield _counter("processor_kinesis_requests", records.requests)
        yield _gauge("processor_kinesis_buffered_bytes", records.buffered_bytes)

    def _restoration(self) -> Metric:
        name = "processor_state_restore_records_remaining"
        family = GaugeMetricFamily(name, METRICS[name], labels=["partition"])
        for partition, (position, end) in self._status.restoration.items():
            family.add_metric([str(partition)], end - position)
        return family


def _counter(name: str, value: int) -> Metric:
    return CounterMetricFamily(name, METRICS[name], value=value)


def _counters(name: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, METRICS[name], labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, value: int) -> Metric:
    return GaugeMetricFamily(name, METRICS[name], value=value)
