"""The plain script as a contender."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.end_to_end.contender import Start
from benchmarks.peers.task_arguments import arguments, own_environ

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Task

PLAIN: Final = "aiokafka and put_records"

_SCRIPT: Final = Path(__file__).with_name("plain.py")


@dataclass(frozen=True, slots=True)
class PlainScript:
    """aiokafka and `client.put_records`, as most would write it."""

    name: str = PLAIN
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        return Start([sys.executable, str(_SCRIPT), *arguments(task)], own_environ())

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
