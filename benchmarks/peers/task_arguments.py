"""What every peer that is written here is told: by arguments, and an environment without this project's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Task


def arguments(task: Task) -> list[str]:
    """What to read, where to export to, and what is mapped."""
    return [
        *("--servers", task.servers, "--topic", task.topic, "--group", task.group),
        *("--endpoint", task.endpoint_url),
        *("--segments", ",".join(task.shape.segment_ids[: task.shape.segments_mapped])),
        *("--attributes", ",".join(task.shape.attribute_paths)),
    ]


def own_environ() -> dict[str, str]:
    """The environment, less what is set for AWS' clients and for the processor."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PROCESSOR_"))}
