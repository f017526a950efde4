"""What a scrape holds, as Prometheus itself would read it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

Series = tuple[str, frozenset[tuple[str, str]]]


def parsed(text: str) -> dict[Series, float]:
    """Each series' value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sums(scrape: Mapping[Series, float]) -> dict[str, dict[str, float]]:
    """By worker, then by name: the sum over all other labels."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (name, labels), value in scrape.items():
        found[dict(labels)["worker"]][name] += value
    return found


def unaccounted(scrape: Mapping[Series, float]) -> dict[str, float]:
    """By worker: events received, less all that became of them."""
    fates = ("exported", "unchanged", "skipped", "dead_lettered", "abandoned")
    return {
        worker: values["processor_events_received_total"]
        - sum(values[f"processor_events_{fate}_total"] for fate in fates)
        - values["processor_events_in_flight"]
        for worker, values in sums(scrape).items()
        if values["processor_worker_up"]
    }
