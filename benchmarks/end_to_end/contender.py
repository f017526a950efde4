"""Who takes part in a run, and how it is started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from benchmarks.workload import destination_text
from processor.embedded.server import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.workload import Shape


@dataclass(frozen=True, slots=True)
class Task:
    """What a contender is to do in one run: read `topic` as `group`, export to `endpoint_url`; `home` is its own."""

    servers: str
    topic: str
    group: str
    endpoint_url: str
    home: Path
    shape: Shape


@dataclass(frozen=True, slots=True)
class Start:
    """A command, its environment, and the port at which it tells metrics of itself, if it does."""

    command: Sequence[str]
    environ: Mapping[str, str]
    metrics_port: int | None = None


class Contender(Protocol):
    """Something that exports what is in the topic to the endpoint."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def exports_everything(self) -> bool:
        """Whether each event becomes a record, changed or not: it keeps no state."""

    def start(self, task: Task) -> Start:
        """How it is started for a task; files that it needs are written to the task's home."""

    def settings(self) -> dict[str, object]:
        """What was set, to be written down beside its figures."""


@dataclass(frozen=True, slots=True)
class Processor:
    """`processor run` as a production user has it: metrics that are scraped, logs at info, durable state."""

    workers: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)
    name: str = "processor"
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        destination = task.home / "destination.yaml"
        destination.write_text(destination_text(task.shape, task.endpoint_url), encoding="utf-8")
        port = free_ports(1)[0]
        environ = {
            **os.environ,
            "PROCESSOR_KAFKA_SERVERS": task.servers,
            "PROCESSOR_KAFKA_TOPIC": task.topic,
            "PROCESSOR_KAFKA_GROUP": task.group,
            "PROCESSOR_STATE_DIRECTORY": str(task.home / "state"),
            "PROCESSOR_HTTP_PORT": str(port),
            **self.environ,
        }
        command = [sys.executable, "-m", "processor", "run", "--destination", str(destination)]
        command += ["--workers", str(self.workers)]
        return Start(command, environ, port)

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        return {"workers": self.workers, "all other settings": dict(self.environ) or "the defaults"}
