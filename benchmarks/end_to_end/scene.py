"""What all contenders meet: one Kafka, one topic that is full already, and an endpoint made anew for each run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.end_to_end.processes import on_cpus
from processor.embedded import start_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.end_to_end.processes import Cpus
    from benchmarks.workload import Shape
    from processor.embedded import EmbeddedKafka

SHARDS: Final = 64
PARTITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class FilledTopic:
    """A topic and what is in it: births, then `events`; `changes` of all these cause an export."""

    name: str
    births: int
    events: int
    changes: int
    value_bytes: int


class Scene:
    """A Kafka of one broker, its topics, and a directory for what runs leave behind."""

    def __init__(self, kafka: EmbeddedKafka, kafka_data: Path, home: Path, cpus: Cpus) -> None:
        self.servers = kafka.bootstrap_servers
        self.home = home
        self.cpus = cpus
        self._kafka = kafka
        self._kafka_data = kafka_data
        self._names = 0

    @property
    def broker_pid(self) -> int:
        """The process of the broker."""
        return self._kafka.pid

    def new_name(self, what: str) -> str:
        """A name that nothing in this scene has yet."""
        self._names += 1
        return f"{what}-{self._names}"

    def fill(self, shape: Shape, events: int, partitions: int = PARTITIONS) -> FilledTopic:
        """A new topic with all births, and then `events` more."""
        name = self.new_name("events")
        told = self._produce(name, shape, events, [f"--partitions={partitions}"])
        # The system would write to disk what this and earlier runs have left in memory, on the CPUs of the run that follows.
        os.sync()
        return FilledTopic(name, shape.profiles, events, told["changes"], told["value_bytes"])

    def feed(self, topic: FilledTopic, shape: Shape, events: int, rate: float) -> dict[str, Any]:
        """More events for a topic, at a rate; what the workload's command tells of them."""
        return self._produce(topic.name, shape, events, ["--without-births", f"--rate={rate}"])

    def topic_bytes(self, topic: str) -> int:
        """What a topic takes on the broker's disk, as batches came over the wire."""
        return sum(
            log.stat().st_size
            for log in self._kafka_data.glob(f"{topic}-*/*.log")
            if log.parent.name.removeprefix(f"{topic}-").isdigit()
        )

    def _produce(self, topic: str, shape: Shape, events: int, options: list[str]) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.workload", "--servers", self.servers, "--topic", topic]
        command += [f"--events={events}", *options]
        command += [f"--{f.name.replace('_', '-')}={getattr(shape, f.name)}" for f in fields(shape)]
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        return dict(json.loads(told))


@contextmanager
def scene(cpus: Cpus, group_begins_after_ms: int = 0) -> Iterator[Scene]:
    """Kafka, and all that this process starts by itself, on the CPUs of the others; so long a new group waits for more members."""
    with ExitStack() as stack:
        # Asked to end, as by Ctrl-C: what was started ends too, and its files go.
        for number in (signal.SIGTERM, signal.SIGHUP):
            stack.callback(signal.signal, number, signal.signal(number, _end))
        stack.enter_context(on_cpus(cpus.others))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        # Heads of a second's worth: a broker does not sync each append, and its own cleaner is not to be measured.
        properties = {
            "log.dirs": str(home / "kafka"),
            "log.cleaner.enable": "false",
            "group.initial.rebalance.delay.ms": str(group_begins_after_ms),
        }
        kafka = stack.enter_context(start_kafka(properties))
        yield Scene(kafka, home / "kafka", home, cpus)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
