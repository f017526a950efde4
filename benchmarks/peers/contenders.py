"""The peers as contenders: how each is started, and what is set."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from benchmarks.end_to_end.contender import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.end_to_end.contender import Task
    from benchmarks.workload import Shape

PLAIN: Final = "aiokafka and put_records"
QUIX: Final = "Quix Streams"

_HERE: Final = Path(__file__).parent
_QUIX_VERSION: Final = "3.28.1"
_CONNECT: Final = "redpanda-connect"


@dataclass(frozen=True, slots=True)
class PlainScript:
    """aiokafka and `client.put_records`, as most would write it."""

    name: str = PLAIN
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        return Start([sys.executable, str(_HERE / "plain.py"), *_arguments(task)], _own_environ())

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        return {
            "versions": {name: importlib.metadata.version(name) for name in ("aiokafka", "aiobotocore")},
            "max_poll_records": 2000,
            "records a call": 500,
            "calls at once": "1, for order's sake",
            "state": "a dictionary: neither durable nor bounded",
            "commits": "after each poll",
            "metrics": "none",
        }


@dataclass(frozen=True, slots=True)
class QuixStreams:
    """Quix Streams, in an environment of its own, which is made from PyPI once."""

    python: Path
    name: str = QUIX
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        command = [str(self.python), str(_HERE / "quix.py"), *_arguments(task)]
        return Start([*command, "--state", str(task.home / "state")], _own_environ())

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        return {
            "version": _QUIX_VERSION,
            "sink": "KinesisSink: calls of 500 records, one at a time, as it is made for order's sake",
            "value_serializer": "orjson.dumps in place of json.dumps, which is slower",
            "value_deserializer": "json, which is orjson there",
            "state": "RocksDB and changelog topic, both on by default",
            "commit_interval": "5 s, the default",
            "metrics": "none: it has none",
        }


@dataclass(frozen=True, slots=True)
class Batching:
    """Where Redpanda Connect gathers events into batches: a policy for each end, empty for none."""

    at_input: Mapping[str, object]
    at_output: Mapping[str, object]


_POLICY: Final = {"count": 500, "period": "20ms"}
THROUGHOUT: Final = Batching(at_input=_POLICY, at_output={})
"""Batches that are formed at the input go through mapping and output whole, one call for each: the quickest."""
AT_THE_OUTPUT: Final = Batching(at_input={}, at_output=_POLICY)
"""Events go through the mapping one by one, as the documentation of `aws_kinesis` has it."""
AS_THEY_COME: Final = Batching(at_input={}, at_output={})
"""The defaults: a call for each event."""


@dataclass(frozen=True, slots=True)
class RedpandaConnect:
    """Redpanda Connect; with a mapping of the export's shape, in Bloblang, or passing bytes through."""

    binary: Path
    mapping: Callable[[Shape], str] | None
    batching: Batching = THROUGHOUT
    name: str = "Redpanda Connect"
    exports_everything: bool = True

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        file = task.home / "connect.yaml"
        file.write_text(yaml.safe_dump(self._configuration(task), sort_keys=False), encoding="utf-8")
        return Start([str(self.binary), "run", str(file)], _own_environ(), None)

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        told = subprocess.run([self.binary, "--version"], stdout=subprocess.PIPE, text=True, check=True)
        return {
            "version": told.stdout.splitlines()[0].removeprefix("Version: "),
            "input": {"kafka_franz": _CONNECT_INPUT | {"batching": dict(self.batching.at_input) or "none"}},
            "processors": "none" if self.mapping is None else f"mapping, by `{self.mapping.__name__}`",
            "state": "none: every event is exported, with its own status",
            "output": {
                "aws_kinesis": {
                    "max_in_flight": 64,
                    "batching": dict(self.batching.at_output) or "as they come from the input",
                }
            },
            "metrics": "the default of the binary",
        }

    def _configuration(self, task: Task) -> dict[str, Any]:
        mapping = self.mapping
        read = {"seed_brokers": [task.servers], "topics": [task.topic], "consumer_group": task.group}
        write = {
            "stream": "exports",
            "partition_key": "${! @kafka_key }",
            "max_in_flight": 64,
            "region": "eu-west-1",
            "endpoint": task.endpoint_url,
            "credentials": {"id": "benchmark", "secret": "benchmark"},
            "batching": dict(self.batching.at_output),
        }
        return {
            "http": {"address": "127.0.0.1:0"},
            "input": {
                "kafka_franz": read | _CONNECT_INPUT | {"batching": dict(self.batching.at_input)},
            },
            "pipeline": {"processors": [{"mapping": mapping(task.shape)}] if mapping else []},
            "output": {"aws_kinesis": write},
            "logger": {"level": "INFO"},
        }


_CONNECT_INPUT: Final[dict[str, Any]] = {
    "start_offset": "earliest",
    "checkpoint_limit": 16_384,
    "commit_period": "1s",
}


def choosing(shape: Shape) -> str:
    """A mapping that takes the mapped segments by their names; the quickest that we found."""
    segments = ", ".join(f'"{id_}"' for id_ in shape.segment_ids[: shape.segments_mapped])
    chosen = f"root.segmentMembership.ups = this.segmentMembership.ups.with({segments})"
    return "\n".join([*_attributes(shape), chosen, "root.identityMap = this.identityMap"])


def filtering(shape: Shape) -> str:
    """A mapping that filters all segments, and makes the export's entries anew, as most would write it."""
    segments = ", ".join(f'"{id_}"' for id_ in shape.segment_ids[: shape.segments_mapped])
    entry = '{"lastQualificationTime": s.value.lastQualificationTime, "status": s.value.status}'
    filtered = f"ns.value.filter(s -> $mapped.contains(s.key)).map_each(s -> {entry})"
    chosen = f"root.segmentMembership = this.segmentMembership.map_each(ns -> {filtered})"
    mapped = f"let mapped = [{segments}]"
    return "\n".join([mapped, *_attributes(shape), chosen, "root.identityMap = this.identityMap"])


def find_connect() -> Path | None:
    """Redpanda Connect, where it is on the PATH."""
    found = shutil.which(_CONNECT)
    return None if found is None else Path(found)


def quix_python() -> Path:
    """The Python of Quix Streams' environment; made in the user's cache where it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # Of the Python that measures: they are built differently well, and all contenders are to have the same.
    of = f"{platform.python_version()}-{hashlib.sha256(sys.base_prefix.encode()).hexdigest()[:8]}"
    home = cache / "profile-export-processor" / f"quixstreams-{_QUIX_VERSION}-python-{of}"
    python, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists():
        print(f"preparing {home} (once)")
        venv.create(home, clear=True, with_pip=True)
        packages = [f"quixstreams[kinesis]=={_QUIX_VERSION}", "orjson"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.touch()
    return python


def _arguments(task: Task) -> list[str]:
    return [
        *("--servers", task.servers, "--topic", task.topic, "--group", task.group),
        *("--endpoint", task.endpoint_url),
        *("--segments", ",".join(task.shape.segment_ids[: task.shape.segments_mapped])),
        *("--attributes", ",".join(task.shape.attribute_paths)),
    ]


def _attributes(shape: Shape) -> list[str]:
    return [f"root.{path} = this.{path}" for path in shape.attribute_paths]


def _own_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PROCESSOR_"))}
