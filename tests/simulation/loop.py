# mypy: disable-error-code="attr-defined, override"
# asyncio shows mypy neither what ends a task without a complaint, nor how little it needs of a handle.
"""An event loop with virtual time, whose turns come in an order that a seed picks, and whose processes can die.

A *process* here is everything that was begun in one context: its tasks, timers and callbacks. When it is killed
nothing of it runs any more, as after `kill -9`; when it is frozen, nothing of it runs until it is thawed.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import math
import sys
import warnings
from contextvars import copy_context
from heapq import heappop, heappush
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

import msgspec

from tests.support.virtual_time import Stuck

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)


class Process:
    """What dies, or stands still, together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_hindered = False
        """Whether a look is due before anything of it runs."""
        self.world: Any = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)
        self.freezes = 0
        self.frozen_until_s = 0.0
        self._steps = 0
        """How many ran since there were plans."""
        self._plans: list[tuple[int, str, Callable[[str], None]]] = []

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of this process."""
        return asyncio.get_running_loop().create_task(coroutine, name=name, context=self.context)

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        """Have it called in this process: when it is thawed, and never once it is dead."""
        asyncio.get_running_loop().call_soon(callback, *args, context=self.context)

    def kill(self) -> None:
        """Nothing of it runs any more, nor looks at what failed just before."""
        self.is_dead = self.is_hindered = True
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()

    def freeze(self, until_s: float) -> None:
        """Nothing of it runs until then."""
        self.frozen_until_s = until_s
        self.freezes += 1
        self.is_hindered = True

    def after_steps(self, steps: int, then: Callable[[str], None], named: str = "") -> None:
        """Let so many of its steps run; call `then`, with the name of the next one that begins so, before that does."""
        self._plans.append((self._steps + steps, named, then))
        self.is_hindered = True

    def forget_plans(self) -> None:
        """What is planned for a step to come is off."""
        self._plans.clear()

    def held_until_s(self, now_s: float, callback: object) -> float:
        """When a step that is due may run: now, later, or never."""
        if self._plans and not self.is_dead and self.frozen_until_s <= now_s:
            self._act(_name(callback))
        if self.is_dead:
            return math.inf
        if self.frozen_until_s > now_s:
            return self.frozen_until_s
        self.is_hindered = bool(self._plans)
        return now_s

    def _act(self, step: str) -> None:
        due = [plan for plan in self._plans if plan[0] <= self._steps and step.startswith(plan[1])]
        self._steps += 1
        for plan in due:
            # One of them may have killed it: killed once more, it would be started again twice, on one disk.
            if not self.is_dead:
                self._plans.remove(plan)
                plan[2](step)


class _Handle(msgspec.Struct, eq=False):
    """A callback that is to be called: what asyncio knows as a handle, and as little as it needs of one."""

    callback: Any
    args: tuple[Any, ...]
    context: Any
    is_cancelled: bool = False

    def cancel(self) -> None:
        """See asyncio. One that waits for its time is left where it is until then."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """See asyncio."""
        return self.is_cancelled


class Simulation(asyncio.AbstractEventLoop):
    """The loop. Sockets, threads, signals and child processes do not exist in it."""

    def __init__(self, rng: random.Random) -> None:
        self.turns = 0
        self.now_s = 0.0
        """Seconds since the world began."""
        self._rng = rng
        self._ready: list[_Handle] = []
        self._timers: list[tuple[float, int, _Handle]] = []
        self._numbers = itertools.count()
        self._errors: list[dict[str, Any]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        """All of them: what is collected would run its `finally`, in a process that is dead."""

    def time(self) -> float:
        """Seconds since the world began."""
        return self.now_s

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        """See asyncio."""
        handle = _Handle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        """See asyncio."""
        handle = _Handle(callback, args, copy_context() if context is None else context)
        heappush(self._timers, (self.now_s + delay, next(self._numbers), handle))
        return handle

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        """See asyncio."""
        handle = _Handle(callback, args, copy_context() if context is None else context)
        heappush(self._timers, (when, next(self._numbers), handle))
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

    # Asked by every future; `bool` says no without a step of Python.
    get_debug = staticmethod(bool)

    def is_running(self) -> bool:
        """See asyncio."""
        return True

    def is_closed(self) -> bool:
        """See asyncio."""
        return False

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
            self._run_until(task.done)
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
            # A task that is begun at such an end never gets its turn.
            with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
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

    def _run_until(self, is_done: Callable[[], bool]) -> None:
        """Turn after turn, run what is ready, in an order of chance; where nothing is, time passes to the next timer."""
        while not is_done():
            if self.turns == _TURNS_MAX:
                raise Stuck
            self.turns += 1
            ready, self._ready = self._ready, []
            if not ready:
                ready = self._due()
            if len(ready) > 1:
                ready = self._in_some_order(ready)
            for handle in ready:
                if handle.is_cancelled:
                    continue
                context = handle.context
                process = context.get(PROCESS)
                if process is not None and process.is_hindered and not self._may_run(handle, process):
                    continue
                try:
                    context.run(handle.callback, *handle.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001  as asyncio does
                    self._errors.append({"exception": error})

    def _due(self) -> list[_Handle]:
        """Let time pass to the next timer; that one, and those of the same moment."""
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heappop(timers)
        if not timers:
            raise Stuck
        when_s, _, handle = heappop(timers)
        due = [handle]
        while timers and timers[0][0] <= when_s:
            due.append(heappop(timers)[2])
        self.now_s = max(self.now_s, when_s)
        return due

    def _in_some_order(self, ready: list[_Handle]) -> list[_Handle]:
        """Tasks change places with tasks only: asyncio promises that callbacks are called in order."""
        places = [at for at, handle in enumerate(ready) if _is_step(handle.callback)]
        if len(places) > 1:
            shuffled = places[:]
            if len(places) > _FEW:
                self._rng.shuffle(shuffled)
            elif self._rng.random() < 0.5:
                shuffled.reverse()
            now = ready[:]
            for place, other in zip(places, shuffled, strict=True):
                ready[place] = now[other]
        return ready

    def _may_run(self, handle: _Handle, process: Process) -> bool:
        until_s = process.held_until_s(self.now_s, handle.callback)
        if self.now_s < until_s < math.inf:
            heappush(self._timers, (until_s, next(self._numbers), handle))
        return until_s <= self.now_s


_TURNS_MAX = 150_000
"""Far more than any life needs."""

_FEW = 2
"""Of which there are but two orders."""

_FINALLIES = 10
"""How many of them a coroutine may have that wait for something."""


def _is_step(callback: Any) -> bool:
    kind = type(callback)
    if kind is BuiltinFunctionType:
        is_step: bool = callback.__name__ == "task_wakeup"
        return is_step
    return kind.__name__ == "TaskStepMethWrapper"


def _name(callback: object) -> str:
    """Of a task, or of a callback."""
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return task.get_name()
    return getattr(callback, "__qualname__", type(callback).__name__)
