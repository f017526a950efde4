"""What many partitions on one worker cost: how soon it is ready, what it takes at rest, and how many files.

python -m benchmarks.partitions [--partitions 600] [--open-files 1024]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus, started
from benchmarks.end_to_end.scene import SHARDS, scene
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task
from benchmarks.endpoint import running
from benchmarks.options import add_keep, count
from benchmarks.workload import REFERENCE

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Start, Task
    from benchmarks.end_to_end.scene import Scene

_LOOK_EVERY_S: Final = 0.02
_PATIENCE_S: Final = 300.0
_SETTLE_S: Final = 15.0
"""What was exported last is on disk by then, and the worker is at rest."""


@dataclass(frozen=True, slots=True)
class Started:
    """How one start went, and what the worker takes once there is nothing to do."""

    ready_s: float
    start_cpu_s: float
    idle_cpus: float
    resident_mib: float
    open_files: int
    threads: int


def main() -> None:
    """Start a worker three times: as a new group, with its stores, and without them; tell and keep what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--partitions", type=count, default=600, help="partitions of the topic [600]")
    parser.add_argument("--events", type=count, default=20_000, help="events in it, births included [20000]")
    parser.add_argument("--idle-seconds", type=count, default=30, help="how long it is watched at rest [30]")
    parser.add_argument("--open-files", type=count, help="the limit of open files, hard and soft [as it is]")
    add_keep(parser)
    options = parser.parse_args()
    shape = replace(REFERENCE, profiles=options.events)
    starts: dict[str, Started] = {}
    with scene(Cpus.split()) as stage, running(shards=SHARDS, cpus=stage.cpus.others) as endpoint:
        topic = stage.fill(shape, 1, options.partitions)
        task = new_task(stage, topic, shape, endpoint.url, "partitions")
        if options.open_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (options.open_files, options.open_files))
        for name in ("a new group", "with its stores", "without its stores"):
            if name == "without its stores":
                shutil.rmtree(task.home / "state")
            starts[name] = _started(stage, task, options.idle_seconds)
            print(name, starts[name], flush=True)
    figures = {
        "partitions": options.partitions,
        "events": options.events,
        "starts": {name: asdict(each) for name, each in starts.items()},
    }
    if options.keep:
        print(f"kept in {report.write('partitions', figures)}")


def _started(stage: Scene, task: Task, idle_s: float) -> Started:
    start: Start = Processor().start(task)
    began_s = time.monotonic()
    with started(start.command, start.environ, stage.cpus.contender, task.home / "output.log") as tree:
        while not _is_ready(start.metrics_port):
            if tree.has_ended or time.monotonic() - began_s > _PATIENCE_S:
                raise ContenderFailedError(tree.log_tail())
            time.sleep(_LOOK_EVERY_S)
        ready_s, start_cpu_s = time.monotonic() - began_s, tree.cpu_s
        time.sleep(_SETTLE_S)
        cpu_s, at_s = tree.cpu_s, time.monotonic()
        time.sleep(idle_s)
        return Started(
            ready_s=round(ready_s, 2),
            start_cpu_s=round(start_cpu_s, 2),
            idle_cpus=round((tree.cpu_s - cpu_s) / (time.monotonic() - at_s), 4),
            resident_mib=round(tree.resident_bytes[0] / 2**20, 1),
            open_files=tree.open_files,
            threads=tree.threads,
        )


def _is_ready(port: int | None) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
