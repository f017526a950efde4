"""What processes cost, from Linux's /proc: CPU and memory of a process and all of its descendants."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_STOP_S: Final = 40.0
_TAIL_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Cpus:
    """Who runs where: the contender on CPUs of its own, all else on the others."""

    contender: frozenset[int]
    others: frozenset[int]

    @property
    def are_apart(self) -> bool:
        """Whether the contender shares its CPUs with nobody."""
        return not self.contender & self.others

    @classmethod
    def split(cls) -> Cpus:
        """One CPU for the contender; where there is but one, all share it."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(frozenset(allowed[:1]), frozenset(allowed[1:] or allowed))

    @classmethod
    def shared(cls) -> Cpus:
        """All CPUs for all."""
        allowed = frozenset(os.sched_getaffinity(0))
        return cls(allowed, allowed)


class ProcessTree:
    """A process that was started, and whatever it started in turn."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self._process = process
        self._log_file = log_file

    @property
    def cpu_s(self) -> float:
        """CPU-seconds of all threads of all processes, ended children that were waited for included."""
        return sum(map(cpu_s_of, self.pids))

    @property
    def peak_bytes(self) -> list[int]:
        """The highest resident memory that each of the processes has had, the largest first."""
        return sorted((_peak_bytes(pid) for pid in self.pids), reverse=True)

    @property
    def resident_bytes(self) -> list[int]:
        """The resident memory of each of the processes now, the largest first."""
        return sorted((_peak_bytes(pid, "VmRSS:") for pid in self.pids), reverse=True)

    @property
    def open_files(self) -> int:
        """How many files all of the processes have open."""
        return sum(_entries(pid, "fd") for pid in self.pids)

    @property
    def threads(self) -> int:
        """How many threads all of the processes have."""
        return sum(_entries(pid, "task") for pid in self.pids)

    @property
    def pids(self) -> list[int]:
        """The process and its descendants."""
        parents = {
            int(entry.name): _parent(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()
        }
        found = [self._process.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    @property
    def has_ended(self) -> bool:
        """Whether the first process has."""
        return self._process.poll() is not None

    def log_tail(self) -> str:
        """The last lines of its output."""
        text = self._log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_TAIL_LINES:])


def cpu_s_of(pid: int) -> float:
    """CPU-seconds of all threads of one process, ended children that were waited for included."""
    return sum(_stat(pid)[_CPU_FIELDS]) / _TICKS_PER_S


@contextmanager
def on_cpus(cpus: Collection[int]) -> Iterator[None]:
    """Let processes and threads that are started meanwhile begin on `cpus`: some count them once, as their first act."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], cpus: Collection[int], log_file: Path
) -> Iterator[ProcessTree]:
    """Run a command on `cpus` while the context lasts; then it is asked to end, and ended."""
    with log_file.open("wb") as log, on_cpus(cpus):
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield ProcessTree(process, log_file)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Whatever it started and did not end goes with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


_PARENT_FIELD: Final = 1
_CPU_FIELDS: Final = slice(11, 15)


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat from the parent's on (at 1); zeros for one that has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 20
    return [0, *map(int, text.rpartition(")")[2].split()[1:])]


def _parent(pid: int) -> int:
    return _stat(pid)[_PARENT_FIELD]


def _entries(pid: int, directory: str) -> int:
    try:
        return sum(1 for _ in (_PROC / str(pid) / directory).iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _peak_bytes(pid: int, name: str = "VmHWM:") -> int:
    try:
        text = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    kib = [int(line.split()[1]) for line in text.splitlines() if line.startswith(name)]
    return kib[0] * 1024 if kib else 0
