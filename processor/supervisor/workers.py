"""Several workers on one machine: a parent that starts them, passes signals on, and starts a dead one again.

Each worker is a process of its own with one event loop, and a member of the same consumer group; Kafka shares
the partitions out. A line (`worker_line.py`) leads to each worker: over it the parent hands out the configuration files
and asks how the worker is, and when the parent ends, however it ends, its workers drain and end too. A worker that does
not answer for too long is killed and started anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from processor.errors import EXIT_BAD_CONFIGURATION
from processor.supervisor.worker_connection import WorkerConnection
from processor.telemetry.report import Fleet, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.configuration import Files
    from processor.service.messages import Handover
    from processor.settings import Settings

log = structlog.get_logger(__name__)

_STARTING: Final = "it is being started"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a dead worker is started again, when that is given up, and when a silent one counts as dead; in seconds."""

    base_s: float = 1.0
    max_s: float = 30.0
    steady_after_s: float = 60.0
    """A worker that lived for longer counts as one that worked."""
    max_deaths: int = 5
    """How many deaths in a row, none of them steady, are one too many."""
    answer_s: float = 2.0
    """How long a question waits for its answer."""
    first_answer_s: float = 0.5
    """The same until the first answer: a probe must not wait for a worker whose interpreter is still being started."""
    silence_s: float = 120.0
    """A worker that answers nothing for longer is killed."""

    def wait_s(self, deaths: int) -> float:
        """Return the seconds to wait after so many deaths in a row; after one it is 0, for the worker's partitions wait for it."""
        return min(self.max_s, self.base_s * 2 ** (deaths - 2)) if deaths > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """How worker number `index` is started: its command less what this module adds, and its environment."""

    arguments: Sequence[str]
    environ: Mapping[str, str]


class Workers:
    """Runs a worker for each command until it is to stop, or until one cannot work.

    `handover` is what a worker is started with; `stop_timeout_s` is how long workers may take to end by themselves;
    `held` are descriptors of files that workers hold open as long as they live.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        handover: Callable[[], Handover],
        stop_timeout_s: float,
        policy: RestartPolicy | None = None,
        held: Sequence[int] = (),
    ) -> None:
        self._commands = commands
        self._handover = handover
        self._stop_timeout_s = stop_timeout_s
        self._policy = policy or RestartPolicy()
        self._held = held
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._lines: dict[int, WorkerConnection] = {}
        self._restarts: Counter[int] = Counter()
        self._ending = asyncio.Event()
        self._exit_code = 0
        self._last_words: dict[int, list[str]] = {}
        self._why_given_up: str | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop` is set, or all must end; return the exit code: 0, 1, or 78."""
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end_all(stop), name="end-all")
            watching = tasks.create_task(self._kill_the_silent(), name="kill-the-silent")
            workers = [
                tasks.create_task(self._keep_running(index), name=f"worker-{index}")
                for index in range(len(self._commands))
            ]
            await asyncio.wait(workers)
            ending.cancel()
            watching.cancel()
        return self._exit_code

    @property
    def pids(self) -> dict[int, int]:
        """The process id of each worker that runs now."""
        return {index: process.pid for index, process in self._processes.items()}

    @property
    def why_given_up(self) -> str | None:
        """Why all workers were ended though none was to stop, in the words of the one that cannot work; None where they were not."""
        return self._why_given_up

    async def ask(self) -> Fleet:
        """Return the observations of all workers, as of now; one that does not answer within 2 s is passed over."""
        indexes = range(len(self._commands))
        answers = await asyncio.gather(*(self._asked(index) for index in indexes))
        return Fleet(
            [answer for answer in answers if isinstance(answer, Observation)],
            {
                index: answer
                for index, answer in zip(indexes, answers, strict=True)
                if isinstance(answer, str)
            },
            {index: self._restarts[index] for index in indexes},
        )

    def hand_out(self, files: Files) -> None:
        """Have every worker that runs take changed files."""
        for line in self._lines.values():
            line.send(files)

    def kill(self) -> None:
        """End every worker at once: left alone it would drain, though nobody waits for it any more."""
        self._signal_all(signal.SIGKILL)

    async def _asked(self, index: int) -> Observation | str:
        line = self._lines.get(index)
        if line is None:
            return _STARTING
        policy = self._policy
        timeout_s = policy.answer_s if line.has_answered else policy.first_answer_s
        try:
            async with asyncio.timeout(timeout_s):
                return await line.ask()
        except TimeoutError:
            return f"it does not answer within {timeout_s:g} s" if line.has_answered else _STARTING
        except ConnectionError:
            return _STARTING

    async def _kill_the_silent(self) -> None:
        """Kill a worker that cannot even end itself; its next life is begun as after any death."""
        silent_since: dict[int, float] = {}
        loop, silence_s = asyncio.get_running_loop(), self._policy.silence_s
        while True:
            await asyncio.sleep(silence_s / 10)
            fleet = await self.ask()
            pids = self.pids
            for each in fleet.observations:
                silent_since.pop(each.report.pid, None)
            for index in fleet.silent:
                pid = pids.get(index)
                if pid is not None and loop.time() - silent_since.setdefault(pid, loop.time()) > silence_s:
                    log.error("a worker does not answer, killing it", worker=index, silence_s=silence_s)
                    self._processes[index].kill()

    async def _keep_running(self, index: int) -> None:
        deaths, loop = 0, asyncio.get_running_loop()
        while not self._ending.is_set():
            began_s = loop.time()
            code = await self._one_life(index, is_restart=deaths > 0)
            if self._ending.is_set():
                return
            if code == EXIT_BAD_CONFIGURATION:
                self._give_up(code, "a worker cannot work with this configuration", index)
                return
            deaths = 1 if loop.time() - began_s > self._policy.steady_after_s else deaths + 1
            if deaths >= self._policy.max_deaths:
                self._give_up(1, "a worker dies again and again", index)
                return
            wait_s = self._policy.wait_s(deaths)
            self._restarts[index] += 1
            log.error("a worker died, starting it again", worker=index, exit_code=code, wait_s=wait_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._ending.wait()

    async def _one_life(self, index: int, *, is_restart: bool) -> int:
        command = self._commands[index]
        arguments = [*command.arguments, "--worker", str(index), *(["--restarted"] if is_restart else [])]
        ours, theirs = socket.socketpair()
        self._lines[index] = line = await WorkerConnection.over(ours)
        # From here on changed files are sent over the line: none is missed.
        line.hand_over(self._handover())
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "processor",
                *arguments,
                env=command.environ,
                stdin=theirs.fileno(),
                pass_fds=self._held,
                # Ctrl-C in a terminal is the parent's to pass on: a worker would take it and ours for two.
                start_new_session=True,
            )
            theirs.close()
            self._processes[index] = process
            if self._ending.is_set():  # all were asked to end while this one was being started
                process.terminate()
            code = await process.wait()
            self._last_words[index] = await line.last_words() if code else []
            return code
        finally:
            self._processes.pop(index, None)
            del self._lines[index]
            line.close()

    def _give_up(self, code: int, reason: str, index: int) -> None:
        log.error("giving up", reason=reason, worker=index)
        self._why_given_up = "; ".join([f"{reason}, number {index}", *self._last_words.get(index, ())])
        self._exit_code = code
        self._ending.set()

    async def _end_all(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            stopped = tasks.create_task(stop.wait())
            gave_up = tasks.create_task(self._ending.wait())
            await asyncio.wait([stopped, gave_up], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            gave_up.cancel()
        self._ending.set()
        self._signal_all(signal.SIGTERM)
        await asyncio.sleep(self._stop_timeout_s)
        log.error("workers do not end, killing them", workers=sorted(self._processes))
        self._exit_code = self._exit_code or 1
        self.kill()

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)


Begin: TypeAlias = "Callable[[Callable[[], Handover]], Workers]"
"""Makes the workers of one life of theirs, which are started with what the callable hands over."""


def worker_environ(environ: Mapping[str, str], settings: Settings, index: int) -> dict[str, str]:
    """Return a worker's environment: what must differ between the members of one machine does."""
    kafka = settings.of_worker(index).kafka
    own = {"PROCESSOR_KAFKA_CLIENT_ID": kafka.client_id, "PROCESSOR_KAFKA_INSTANCE_ID": kafka.instance_id}
    return {**environ, **{name: value for name, value in own.items() if value}}
