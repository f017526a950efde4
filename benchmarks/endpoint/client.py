"""An endpoint in a process of its own, and what it tells of itself."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import urllib.request
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts since the start; `bytes` are those of PutRecords calls, head and body. `at_s` is when they were read."""

    records: int
    throttled: int
    requests: int
    bytes: int
    connections: int
    at_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Ordering:
    """Of so many profiles: how many had a record that came after a later one, and of how many the last one did."""

    profiles: int
    out_of_order: int
    stale_at_the_end: int


class ServedEndpoint:
    """A running endpoint."""

    def __init__(self, url: str, pid: int, certificate: Path | None) -> None:
        self.url = url
        self.pid = pid
        self._context = ssl.create_default_context(cafile=str(certificate)) if certificate else None

    def figures(self) -> Figures:
        """The counts of now."""
        return Figures(**json.loads(self._got("/figures")))

    def times(self) -> list[tuple[float, float]]:
        """Of each record, in the order of the answers: the newest time in it, and when it was answered."""
        flat = array("d", self._got("/times"))
        return list(zip(flat[::2], flat[1::2], strict=True))

    def order(self) -> Ordering:
        """Whether the records of each profile came in the order of its events."""
        return Ordering(**json.loads(self._got("/order")))

    def _got(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=30, context=self._context) as answer:  # noqa: S310  our own address
            return bytes(answer.read())


@contextmanager
def running(
    *,
    shards: int = 1,
    latency_ms: float = 0,
    latency_spread_ms: float = 0,
    limited: bool = False,
    timed: bool = False,
    ordered: bool = False,
    certificate: Path | None = None,
    cpus: Collection[int] | None = None,
) -> Iterator[ServedEndpoint]:
    """An endpoint in a process of its own, on the given CPUs."""
    command = [sys.executable, "-m", "benchmarks.endpoint", "--port=0", f"--shards={shards}"]
    command += [f"--latency-ms={latency_ms}", f"--latency-spread-ms={latency_spread_ms}"]
    command += ["--limited"] if limited else []
    command += ["--timed"] if timed else []
    command += ["--ordered"] if ordered else []
    command += [f"--certificate={certificate}"] if certificate else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            if cpus is not None:
                os.sched_setaffinity(process.pid, cpus)
            port = int(process.stdout.readline()) if process.stdout is not None else 0
            scheme = "https" if certificate else "http"
            yield ServedEndpoint(f"{scheme}://127.0.0.1:{port}", process.pid, certificate)
        finally:
            process.terminate()
