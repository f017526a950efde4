"""One worker that runs, whose files are changed under it, and what it reports of its backfills."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.end_to_end.contender import Processor
from benchmarks.end_to_end.processes import started
from benchmarks.end_to_end.throughput import ContenderFailedError
from benchmarks.workload import destination_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.end_to_end.contender import Task
    from benchmarks.end_to_end.processes import ProcessTree
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

LOOK_EVERY_S: Final = 0.5
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the worker is like at one moment, in seconds since the epoch; counts are since its start."""

    at_s: float
    lag: int
    received: int
    complete: int
    read: int
    read_bytes: int
    profiles: int
    exported: int
    resident_bytes: int
    cpu_s: float


class Deployment:
    """A worker for a task, that follows the destination file in its home."""

    def __init__(self, task: Task, tree: ProcessTree, port: int) -> None:
        self._task = task
        self._tree = tree
        self._port = port

    def look(self) -> Look | None:
        """What it is like now; None where it does not answer, as at its start."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/status", timeout=5) as answer:
                status: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, OSError):
            return None
        if (
            not status["workers"]
            or not status["workers"][0]["partitions"]
            or status["lag"]["unknownPartitions"]
        ):
            return None
        totals = status["workers"][0]["totals"]
        return Look(
            at_s=time.time(),
            lag=status["lag"]["records"],
            received=int(totals["received"]),
            complete=int(totals["backfillsCompleted"]),
            read=int(totals["backfillRead"]),
            read_bytes=int(totals["backfillReadBytes"]),
            profiles=int(totals["backfillProfiles"]),
            exported=int(totals["backfillExported"]),
            resident_bytes=self._tree.resident_bytes[0],
            cpu_s=self._tree.cpu_s,
        )

    def until(self, reached: Callable[[Look], bool], seen: list[Look] | None = None) -> Look:
        """Look again and again until it is so; all looks are added to `seen`.

        Raises:
            ContenderFailedError: it ended, or nothing went on for too long.

        """
        before: tuple[int, ...] = ()
        since_s = time.monotonic()
        while True:
            look = self.look()
            if look is not None:
                if seen is not None:
                    seen.append(look)
                if reached(look):
                    return look
                now = (look.received, look.complete, look.read, look.profiles)
                if now != before:
                    before, since_s = now, time.monotonic()
            if self._tree.has_ended or time.monotonic() - since_s > _PATIENCE_S:
                raise ContenderFailedError(
                    f"it ended, or stands still, at {before}:\n{self._tree.log_tail()}"
                )
            time.sleep(LOOK_EVERY_S)

    def until_complete(self, backfills: int, seen: list[Look] | None = None) -> Look:
        """Wait until so many backfills of a partition have come to their end, as `until` does."""
        return self.until(lambda look: look.complete >= backfills, seen)

    def watch(self, seconds: float) -> list[Look]:
        """What it is like, again and again, for some time."""
        until_s, seen = time.time() + seconds, list[Look]()
        self.until(lambda look: look.at_s >= until_s, seen)
        return seen

    def change(self, shape: Shape, attribute: str | None = None) -> None:
        """Have it follow the destination of `shape`, with one attribute more mapped."""
        text = destination_text(shape, self._task.endpoint_url)
        if attribute is not None:
            text = text.replace("attributes: [", f"attributes: [{attribute}, ")
        (self._task.home / "destination.yaml").write_text(text, encoding="utf-8")
        os.kill(self._tree.pids[0], signal.SIGHUP)


def loopback_bytes() -> int:
    """What has gone over this machine's loopback: all that is read and written here, whoever does."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    return 0


@contextmanager
def deployed(task: Task, scene: Scene, environ: Mapping[str, str] | None = None) -> Iterator[Deployment]:
    """A worker at work for `task`, on the CPU of contenders, with settings of its own."""
    start = Processor(environ=environ or {}).start(task)
    with started(start.command, start.environ, scene.cpus.contender, task.home / "output.log") as tree:
        yield Deployment(task, tree, start.metrics_port or 0)


def with_segment_mapped(shape: Shape) -> Shape:
    """The same, with one more segment mapped: members of it are exported."""
    return replace(shape, segments_mapped=shape.segments_mapped + 1)
