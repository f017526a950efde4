"""The labels of every series that is scraped here, by which Prometheus distinguishes this deployment from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.telemetry.metrics import TARGET_LABELS

if TYPE_CHECKING:
    from processor.settings import Settings


def target_labels(settings: Settings, stream: str) -> dict[str, str]:
    """Return the group, the topic, and the stream by its name, of a name or an ARN; it is empty until a first one is defined."""
    values = settings.kafka.group, settings.kafka.topic, stream.rpartition("/")[2]
    return dict(zip(TARGET_LABELS, values, strict=True))
