"""The catalogue keeps Prometheus' rules, and nothing is exposed that is not in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from processor.telemetry import metrics
from processor.telemetry.exposition import exposition
from processor.telemetry.histogram import Histogram
from processor.telemetry.metrics import METRICS, Metric
from processor.telemetry.samples import Sheet
from tests.support.scrape import parsed

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
BASE_UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(r"_(ms|millis|milliseconds|minutes|kb|mb|kib|mib|percent)(_|$)")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_names_follow_the_rules(metric: Metric) -> None:
    assert re.fullmatch(r"processor_[a-z][a-z0-9_]*", metric.name)
    assert not OTHER_UNITS.search(metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert metric.help.endswith(".")
    if metric.kind == "histogram":
        assert list(metric.bounds) == sorted(metric.bounds)
        assert metric.name.endswith(BASE_UNITS) or metric is metrics.BATCH_EVENTS_SIZE


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_labels_are_bounded(metric: Metric) -> None:
    bounded = {"partition", "shard", "reason", "policy", "code", "condition", "state", "result", "version"}
    bounded |= {"cause", "beside", "stage", "core"}
    assert set(metric.labels) <= bounded


def test_every_metric_is_in_the_docs() -> None:
    documented = set(re.findall(r"^\| `(processor_\w+)`", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert documented == {metric.exposed_name for metric in METRICS.values()}


def test_what_is_not_in_the_catalogue_is_not_exposed() -> None:
    sheet = Sheet()
    sheet.add(Metric("processor_secret_thing", "gauge", "Not in the catalogue."), 1)
    assert exposition({"0": sheet.samples}) == b""


def test_a_histogram_reads_as_prometheus_reads_it() -> None:
    spread = Histogram(metrics.BATCH_EVENTS_SIZE.bounds)
    for value in (1, 3, 200, 1000):
        spread.observe(value)
    sheet = Sheet()
    sheet.add_histogram(metrics.BATCH_EVENTS_SIZE, spread)
    (family,) = text_string_to_metric_families(exposition({"3": sheet.samples}).decode())
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert found["1.0"] == 1
    assert found["5.0"] == 2
    assert found["200.0"] == 3
    assert found["+Inf"] == found["processor_batch_events_count"] == 4
    assert found["processor_batch_events_sum"] == 1204


def test_workers_are_distinguished_by_their_label() -> None:
    sheets = [Sheet(), Sheet()]
    for sheet in sheets:
        sheet.add(metrics.EVENTS_RECEIVED, 5)
    text = exposition({str(number): sheet.samples for number, sheet in enumerate(sheets)}).decode()
    assert text.count("# HELP processor_events_received_total") == 1
    assert set(parsed(text)) == {
        ("processor_events_received_total", frozenset({("worker", number)})) for number in ("0", "1")
    }


@pytest.mark.parametrize("group", ["exports", 'the "exports"', "a\\b", "two\nlines", '{worker="0"', "größer"])
def test_every_series_says_which_deployment_it_is_of(group: str) -> None:
    sheet, spread = Sheet(), Histogram(metrics.BATCH_EVENTS_SIZE.bounds)
    sheet.add(metrics.EVENTS_RECEIVED, 5)
    sheet.add(metrics.PARTITION_LAG, 7, "3")
    sheet.add_histogram(metrics.BATCH_EVENTS_SIZE, spread)
    of_all = {"group": group, "topic": "changes", "stream": "s"}
    found = parsed(exposition({"0": sheet.samples, "1": sheet.samples}, of_all).decode())
    without = parsed(exposition({"0": sheet.samples, "1": sheet.samples}).decode())
    assert found == {(name, labels | set(of_all.items())): value for (name, labels), value in without.items()}
