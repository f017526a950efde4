"""What many partitions on one worker cost: how soon it is ready, what it takes at rest, and how many files.

python -m benchmarks.partitions [--partitions 600] [--open-files 1024]

Opening a store waits for the disk some ten times, so how long that takes is told beside it; TMPDIR says which disk it is.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import time
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import SHARDS, scene
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task, running_contender
from benchmarks.endpoint import running
from benchmarks.options import add_keep, count
from benchmarks.workload import REFERENCE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.end_to_end.contender import Task
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
    disk_sync_ms: float
    """What bringing a new file to the disk took meanwhile, in the median."""
    load: float
    """Who waited for a CPU meanwhile, this run's own included: the system's load of a minute."""


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
            print(f"{name}: {starts[name]}", flush=True)
    figures = {
        "partitions": options.partitions,
        "events": options.events,
        "starts": {name: asdict(each) for name, each in starts.items()},
    }
    if options.keep:
        print(f"kept in {report.write('partitions', figures)}")


def _started(stage: Scene, task: Task, idle_s: float) -> Started:
    began_s, syncs_ms = time.monotonic(), [_sync_ms(task.home / "probe")]
    (task.home / "output.log").unlink(missing_ok=True)
    with running_contender(Processor(), task, stage) as tree:
        while not _is_ready(task):
            syncs_ms.append(_sync_ms(task.home / "probe"))
            if tree.has_ended or time.monotonic() - began_s > _PATIENCE_S:
                raise ContenderFailedError(tree.log_tail())
            time.sleep(_LOOK_EVERY_S)
        ready_s, start_cpu_s, load = time.monotonic() - began_s, tree.cpu_s, round(os.getloadavg()[0], 1)
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
            disk_sync_ms=round(median(syncs_ms), 2),
            load=load,
        )


def _is_ready(task: Task) -> bool:
    """Whether it has said so: all partitions are restored then, and it is a member."""
    log = task.home / "output.log"
    return log.exists() and '"event": "ready"' in log.read_text(encoding="utf-8", errors="replace")


def _sync_ms(path: Path) -> float:
    began_s = time.perf_counter()
    with path.open("wb") as file:
        file.write(b"x")
        os.fsync(file.fileno())
    path.unlink()
    return (time.perf_counter() - began_s) * 1000


if __name__ == "__main__":
    main()
