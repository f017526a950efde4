"""Quix Streams as a contender, and its environment."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.end_to_end.contender import Start
from benchmarks.peers.prepared import peers_cache
from benchmarks.peers.task_arguments import arguments, own_environ

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Task

QUIX: Final = "Quix Streams"

_SCRIPT: Final = Path(__file__).with_name("quix.py")
_QUIX_VERSION: Final = "3.28.1"


@dataclass(frozen=True, slots=True)
class QuixStreams:
    """Quix Streams, in an environment of its own, which is made from PyPI once."""

    python: Path
    name: str = QUIX
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        command = [str(self.python), str(_SCRIPT), *arguments(task)]
        return Start([*command, "--state", str(task.home / "state")], own_environ())

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


def quix_python() -> Path:
    """The Python of Quix Streams' environment; made in the user's cache where it is not there yet."""
    # Of the Python that measures: they are built differently well, and all contenders are to have the same.
    of = f"{platform.python_version()}-{hashlib.sha256(sys.base_prefix.encode()).hexdigest()[:8]}"
    home = peers_cache() / f"quixstreams-{_QUIX_VERSION}-python-{of}"
    python, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists():
        print(f"preparing {home} (once)")
        venv.create(home, clear=True, with_pip=True)
        packages = [f"quixstreams[kinesis]=={_QUIX_VERSION}", "orjson"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.touch()
    return python
