"""Workers under a definition that is kept in Kafka: they run while there is a dataflow that is enabled and can be followed.

The definition may come, change and go while the process runs. A change is handed to the workers that run; one that they cannot
take under way has them drained and started anew. What keeps them from working ends them, and never the process: whoever mends it
by the API needs the API.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from processor.errors import EXIT_BAD_CONFIGURATION, DefinitionUnavailable, Problem
from processor.profile.unexpected import trace_of
from processor.supervisor.course import Course, next_course
from processor.telemetry.report import Fleet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.configuration import Files
    from processor.definition.model import Definition
    from processor.supervisor.workers import Begin, Workers

log = structlog.get_logger(__name__)

_AGAIN_S: Final = 15.0
"""What is wrong on this machine alone, as with a file of keys, may be mended there without a change of the definition."""
_REFUSED_AGAIN_S: Final = 300.0
_DIED_AGAIN_S: Final = 30.0


class DefinedWorkers:
    """Has the workers that `begin` makes follow the definition.

    `current` returns the newest definition, or raises what keeps it from being known; `newer` waits for one that is newer than
    a version; `derive` makes the two files of one, or raises a ConfigurationError.
    """

    def __init__(
        self,
        begin: Begin,
        current: Callable[[], Definition],
        newer: Callable[[int], Awaitable[Definition]],
        derive: Callable[[Definition], Files],
    ) -> None:
        self._begin = begin
        self._current = current
        self._newer = newer
        self._derive = derive
        self._course = Course()
        self._definition: Definition | None = None
        """The newest that was looked at; None until the first."""
        self._changed = asyncio.Event()
        """Something is to be looked at that was not yet: a course, or a trouble that may be over."""
        self._look_again = asyncio.Event()
        self._workers: Workers | None = None
        self._trouble: str | None = None
        """Why there are no workers though there should be."""

    @property
    def stream(self) -> str:
        """Where records go, or went before nothing was to be exported; empty before there was a dataflow."""
        if self._course.plan is not None:
            return self._course.plan.destination.stream
        bound_to = None if self._definition is None else self._definition.bound_to
        return "" if bound_to is None else bound_to.stream

    @property
    def pids(self) -> dict[int, int]:
        """The process id of each worker that runs now."""
        return {} if self._workers is None else self._workers.pids

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop` is set; return the exit code: 0, or 1 where workers had to be killed at the end."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow(), name="follow-definition")
            code = await self._work(stop)
            following.cancel()
        return code

    async def ask(self) -> Fleet:
        """Return the observations of the workers that run, with what the process itself has to say."""
        workers = self._workers
        fleet = Fleet([]) if workers is None else await workers.ask()
        return msgspec.structs.replace(fleet, conditions=self._conditions(), notice=self._course.notice)

    def look_again(self) -> None:
        """Look at the definition once more, as if it had changed: what it leads to on this machine may have."""
        self._look_again.set()

    def kill(self) -> None:
        """End every worker at once."""
        if self._workers is not None:
            self._workers.kill()

    def _conditions(self) -> dict[str, str]:
        conditions: dict[str, str] = {}
        if self._definition is None:
            try:
                self._current()
                conditions["definition"] = "it is being read"
            except DefinitionUnavailable as error:
                conditions["definition"] = str(error)
        elif self._course.files is None and self._course.problems:
            conditions["definition"] = "; ".join(str(each) for each in self._course.problems)
        elif self._trouble is not None:
            conditions["workers"] = self._trouble
        return conditions

    async def _follow(self) -> None:
        """Look at each newer definition, at the same one again where it is asked for, and while something is wrong with it."""
        while True:
            version = -1 if self._definition is None else self._definition.version
            newer = asyncio.ensure_future(self._newer(version))
            again = asyncio.ensure_future(self._look_again.wait())
            try:
                wait_s = _AGAIN_S if self._course.problems else None
                await asyncio.wait([newer, again], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                definition = newer.result() if newer.done() else self._definition
                was_asked = again.done() or newer.done()
            finally:
                newer.cancel()
                again.cancel()
            self._look_again.clear()
            if definition is not None:
                await self._take(definition, was_asked=was_asked)

    async def _take(self, definition: Definition, *, was_asked: bool) -> None:
        former = self._course
        try:
            course = await asyncio.to_thread(next_course, former, definition, self._derive)
        except Exception as error:  # noqa: BLE001  whatever it is, the API that could mend it must not end with it, start after start
            if self._definition is not definition:
                # Its words may quote what is defined, a secret with it.
                log.error(  # noqa: TRY400  as said: the trace without words is what may be logged
                    "a definition is not followed by a fault of the processor: please report it",
                    version=definition.version,
                    error=type(error).__name__,
                    trace=trace_of(error),
                )
            course = replace(former, notice=None, problems=(_fault(definition, error),))
        self._course, self._definition = course, definition
        if course.problems and course.problems != former.problems:
            for problem in course.problems:
                log.error(
                    "the definition cannot be followed here",
                    version=definition.version,
                    problem=str(problem),
                    goes_on="nothing" if course.files is None else "the former",
                )
        elif course.notice is not None and course.notice != former.notice:
            log.warning(course.notice, version=definition.version)
        if not was_asked and course == former:
            return
        if self._workers is not None and course.files is not None and course.life == former.life:
            self._workers.hand_out(course.news())
        self._changed.set()

    async def _work(self, stop: asyncio.Event) -> int:
        stopping = asyncio.ensure_future(stop.wait())
        try:
            code = 0
            while not stop.is_set():
                self._changed.clear()
                if self._course.files is None:
                    code, self._trouble = 0, None
                    await self._until_changed(stopping, None)
                    continue
                code = await self._one_life(stopping)
                if self._trouble is not None:
                    again_s = _REFUSED_AGAIN_S if code == EXIT_BAD_CONFIGURATION else _DIED_AGAIN_S
                    await self._until_changed(stopping, again_s)
                    code = 0  # that workers could not work is no end of this process
            return code
        finally:
            stopping.cancel()

    async def _one_life(self, stopping: asyncio.Task[bool]) -> int:
        """Run workers until they are to stop, or to end for others, or cannot work; return their exit code."""
        life, ending, self._trouble = self._course.life, asyncio.Event(), None
        workers = self._workers = self._begin(lambda: self._course.handover())  # noqa: PLW0108  of the course as it is when a worker starts
        log.info(
            "workers are started", version=None if self._definition is None else self._definition.version
        )
        running = asyncio.ensure_future(workers.run(ending))
        try:
            while not (
                running.done() or stopping.done() or self._course.life != life or self._course.files is None
            ):
                self._changed.clear()
                await self._until_changed(stopping, None, running)
            has_failed = running.done()
            ending.set()
            code = await running
        finally:
            running.cancel()
            self._workers = None
        if has_failed:
            self._trouble = workers.why_given_up
        elif workers.why_given_up is not None:
            return 0  # they gave up in the moment in which they were to end
        return code

    async def _until_changed(
        self, stopping: asyncio.Task[bool], timeout_s: float | None, *others: asyncio.Task[int]
    ) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait(
                [changed, stopping, *others], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            changed.cancel()


def _fault(definition: Definition, error: Exception) -> Problem:
    message = f"version {definition.version} cannot be followed by a fault of the processor ({type(error).__name__})"
    return Problem("definition", None, "/", message, "Please report it, with the trace in the log")
