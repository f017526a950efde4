"""Samples of workers as the text that Prometheus scrapes."""

from __future__ import annotations

from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from processor.telemetry.metrics import METRICS, WORKER_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family

    from processor.telemetry.metrics import Metric
    from processor.telemetry.samples import Sample, Samples


NONE: Final[Mapping[str, str]] = MappingProxyType({})
_OF_WORKER: Final = f'{WORKER_LABEL}="'.encode()


def exposition(workers: Mapping[str, Samples], of_all: Mapping[str, str] = NONE) -> bytes:
    """Return the text of the samples of each worker, by its name, with the labels `of_all`; families in the catalogue's order."""
    registry = CollectorRegistry()
    registry.register(_Workers(workers))
    text = generate_latest(registry)
    if not of_all:
        return text
    # Written into the text, not given to every series: hundreds of partitions have thousands of them. Nothing else reads
    # like the label that each has: within a label's value a quote is escaped.
    shared = "".join(f'{name}="{_escaped(value)}",' for name, value in of_all.items()).encode()
    for before in (b",", b"{"):
        text = text.replace(before + _OF_WORKER, before + shared + _OF_WORKER)
    return text


class _Workers(Collector):
    def __init__(self, workers: Mapping[str, Samples]) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Family]:
        for name, metric in METRICS.items():
            family = _family(metric)
            for worker, samples in self._workers.items():
                for sample in samples.get(name, ()):
                    _fill(family, metric, [worker, *sample.labels], sample)
            if family.samples:
                yield family


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    labels = [WORKER_LABEL, *metric.labels]
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=labels)
    if metric.kind == "gauge":
        return GaugeMetricFamily(metric.name, metric.help, labels=labels)
    return HistogramMetricFamily(metric.name, metric.help, labels=labels)


def _fill(
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily,
    metric: Metric,
    labels: list[str],
    sample: Sample,
) -> None:
    if isinstance(family, HistogramMetricFamily):
        bounds = [*(str(float(bound)) for bound in metric.bounds), "+Inf"]
        cumulated = list(zip(bounds, map(float, accumulate(sample.counts or ())), strict=True))
        family.add_metric(labels, cumulated, sample.value)
    else:
        family.add_metric(labels, sample.value)
