"""The labels of every series that is scraped here, by which Prometheus distinguishes this deployment from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.telemetry.metrics import TARGET_LABELS

if TYPE_CHECKING:
    from processor.governance.destination import Destination
    from processor.settings import Settings


def target_labels(settings: Settings, destination: Destination | None) -> dict[str, str]:
    """Return the group, the topic, and the stream by its name, which is empty as long as no destination is defined."""
    stream = "" if destination is None else destination.stream.rpartition("/")[2]
    values = settings.kafka.group, settings.kafka.topic, stream
    return dict(zip(TARGET_LABELS, values, strict=True))
