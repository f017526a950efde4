"""The labels of every series that is scraped here, by which Prometheus distinguishes this deployment from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.telemetry.metrics import TARGET_LABELS

if TYPE_CHECKING:
    from processor.governance.destination import Destination
    from processor.settings import Settings


def target_labels(settings: Settings, destination: Destination) -> dict[str, str]:
    """Return the group, the topic, and the stream by its name; none of them changes while the service runs."""
    values = settings.kafka.group, settings.kafka.topic, destination.stream.rpartition("/")[2]
    return dict(zip(TARGET_LABELS, values, strict=True))
