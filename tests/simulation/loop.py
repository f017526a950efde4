# mypy: disable-error-code="override, attr-defined, has-type"
# asyncio's handles show mypy nothing of what a loop needs to know of them.
"""An event loop with virtual time, whose turns come in an order that a seed picks, and whose processes can die.

A *process* here is everything that was begun in one context: its tasks, timers and callbacks. When it is killed
nothing of it runs any more, as after `kill -9`; when it is frozen, nothing of it runs until it is thawed.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import itertools
import sys
from typing import TYPE_CHECKING, Any

from tests.virtual_time import Stuck

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)


class Process:
    """What dies, or stands still, together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.frozen_until_s = 0.0
        self.world: Any = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of this process."""
        return asyncio.get_running_loop().create_task(coroutine, name=name, context=self.context)


class Simulation(asyncio.AbstractEventLoop):
    """The loop. Sockets, threads, signals and child processes do not exist in it."""

    def __init__(self, rng: random.Random) -> None:
        self.turns = 0
        self._rng = rng
        self._now_s = 0.0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._errors: list[dict[str, Any]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        """All of them: what is collected would run its `finally`, in a process that is dead."""

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now_s

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        """See asyncio."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        self._tasks.append(task)
        if process is not None:
            process.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def is_running(self) -> bool:
        """See asyncio."""
        return True

    def is_closed(self) -> bool:
        """See asyncio."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is left where it is until its time."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody handled fails the life."""
        self._errors.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """See `call_exception_handler`."""
        self._errors.append(context)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end; what nobody handled is raised.

        Raises:
            Stuck: nothing is ready, and nothing ever will be; or it goes on for ever.

        """
        asyncio._set_running_loop(self)
        # Nothing is collected while it lives; then only what came into being in it is looked at.
        gc.freeze()
        gc.disable()
        try:
            task = self.create_task(coroutine, name="life")
            while not task.done():
                if self.turns > _TURNS_MAX:
                    raise Stuck
                self._turn()
            result = task.result()
        finally:
            asyncio._set_running_loop(None)
            self._bury()
            gc.enable()
            gc.unfreeze()
        for error in self._errors:
            raise error.get("exception") or RuntimeError(error["message"])
        return result

    def _bury(self) -> None:
        """End what nothing will ever end; what it does at its end is no part of the life, nor is its complaint."""
        complain = sys.unraisablehook
        sys.unraisablehook = lambda _: None
        try:
            self._end_all()
            gc.collect()
        finally:
            sys.unraisablehook = complain

    def _end_all(self) -> None:
        self._timers.clear()
        self._ready.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False
                coroutine = task.get_coro()
                for _ in range(_FINALLIES):
                    try:
                        coroutine.close()
                    except (RuntimeError, asyncio.CancelledError, ExceptionGroup):
                        continue
                    break
        self._tasks.clear()

    def _turn(self) -> None:
        """Run what is ready, in an order of chance; where nothing is, time passes to the next timer."""
        timers = self._timers
        if not self._ready:
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            if not timers:
                raise Stuck
            self._now_s = max(self._now_s, timers[0][0])
        while timers and timers[0][0] <= self._now_s:
            due = heapq.heappop(timers)[2]
            if not due._cancelled:
                self._ready.append(due)
        ready, self._ready = self._ready, []
        self.turns += 1
        if len(ready) > 1:
            ready = self._in_some_order(ready)
        for handle in ready:
            if not handle._cancelled and self._may_run(handle):
                handle._run()

    def _in_some_order(self, ready: list[asyncio.Handle]) -> list[asyncio.Handle]:
        """Tasks change places with tasks only: asyncio promises that callbacks are called in order."""
        places = [at for at, handle in enumerate(ready) if _is_step(handle)]
        if len(places) > 1:
            shuffled = places[:]
            self._rng.shuffle(shuffled)
            now = ready[:]
            for place, other in zip(places, shuffled, strict=True):
                ready[place] = now[other]
        return ready

    def _may_run(self, handle: asyncio.Handle) -> bool:
        process = handle._context.get(PROCESS)
        if process is None:
            return True
        if process.is_dead:
            return False
        if process.frozen_until_s > self._now_s:
            heapq.heappush(
                self._timers,
                (process.frozen_until_s, next(self._numbers), _Thawed(process.frozen_until_s, handle, self)),
            )
            return False
        return True


class _Thawed(asyncio.TimerHandle):
    """A handle that waits for its process to be thawed."""

    def __init__(self, when: float, handle: asyncio.Handle, loop: Simulation) -> None:
        super().__init__(when, handle._callback, handle._args, loop, handle._context)
        self._of = handle._of if isinstance(handle, _Thawed) else handle

    def _run(self) -> None:
        if not self._of._cancelled:
            super()._run()


_TURNS_MAX = 150_000
"""Far more than any life needs."""

_FINALLIES = 10
"""How many of them a coroutine may have that wait for something."""


def _is_step(handle: asyncio.Handle) -> bool:
    callback = handle._callback
    return (
        type(callback).__name__ == "TaskStepMethWrapper" or getattr(callback, "__name__", "") == "task_wakeup"
    )
