"""Redpanda Connect as a contender, in its several settings."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from benchmarks.end_to_end.contender import Start
from benchmarks.peers.prepared import PeerUnavailableError
from benchmarks.peers.task_arguments import own_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.end_to_end.contender import Task
    from benchmarks.workload import Shape

_CONNECT: Final = "redpanda-connect"


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
        return Start([str(self.binary), "run", str(file)], own_environ(), None)

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


def find_connect() -> Path:
    """Redpanda Connect, which is looked for on the PATH.

    Raises:
        PeerUnavailableError: it is not there.

    """
    found = shutil.which(_CONNECT)
    if found is None:
        raise PeerUnavailableError(f"not on the PATH: {_CONNECT}")
    return Path(found)


def _attributes(shape: Shape) -> list[str]:
    return [f"root.{path} = this.{path}" for path in shape.attribute_paths]
