"""A process of `processor run` that is one worker: the only one, or one of several."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from processor.cli.console import errors
from processor.cli.failures import report_failures, told
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError, ProcessorError, leaves
from processor.service.allocator import take_from_one_arena
from processor.service.parent import Parent
from processor.service.reload import Changes
from processor.service.run import run_service
from processor.service.signals import stop_on_signals
from processor.settings import load_settings
from processor.telemetry.logs import configure_logs
from processor.telemetry.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from processor.configuration import Files
    from processor.governance.plan import Plan
    from processor.service.run import Serve
    from processor.settings import Settings

log = structlog.get_logger(__name__)

_SWITCH_INTERVAL_S: Final = 0.0005
_COLLECT_AFTER: Final = 20_000
"""How many more objects than went have come when the garbage collector looks at the young ones."""


def run_alone(settings: Settings, plan: Plan, read: Callable[[], Files], serve: Serve) -> int:
    """Run the only worker, which `serve` shows, and return the exit code; on SIGHUP it takes the files that `read` reads."""
    # Here, not where it is used: the loop must not wait until a module is loaded.
    if errors.is_terminal:
        from processor.telemetry.restore_bar import show_restoration

    async def serve_alone() -> None:
        stop, changes, status = asyncio.Event(), Changes(), Status()
        stop_on_signals(stop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: changes.offer(read()))
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(show_restoration(status, errors))] if errors.is_terminal else []
            await run_service(settings.of_worker(0), plan, stop, status, changes=changes, serve=serve)
            for task in beside:
                task.cancel()

    return _exit_code_of(serve_alone())


def run_worker(number: int, *, restarted: bool, gives_id_back: bool = False) -> int:
    """Run one worker of several, with what its parent hands over and its names from the environment; return the exit code."""
    # The parent sends changed files: a signal for all processes of that name is not this one's to follow.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = Parent.on_stdin(number)
    try:
        handover = parent.handover()
    except ConnectionError:
        return 0  # the parent has ended
    try:
        settings = replace(load_settings(), gives_id_back=gives_id_back)
        plan = plan_of(handover.files)
    except ConfigurationError as error:
        code = report_failures([error])
        parent.tell_why(told([error]))
        # What was fine before, as a file with a password, may be so again.
        return 1 if restarted else code
    configure_logs(settings.service)
    structlog.contextvars.bind_contextvars(worker=number)

    async def serve_one() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        changes = Changes(handover.problems)
        await run_service(settings, plan, stop, restarted=restarted, parent=parent, changes=changes)

    return _exit_code_of(serve_one(), parent.tell_why)


def _exit_code_of(
    service: Coroutine[object, object, None], tell: Callable[[Sequence[str]], None] | None = None
) -> int:
    """Run a worker to its end, and report what it fails with, to whom it is to `tell` as well."""
    _tune_process()
    try:
        uvloop.run(service)
    except (Exception, asyncio.CancelledError) as failure:
        failures = list(leaves(failure)) if isinstance(failure, BaseExceptionGroup) else [failure]
        if not all(isinstance(leaf, ProcessorError) for leaf in failures):
            # What is not ours is a bug, and its trace is what a report of it needs.
            log.critical("ended by a fault of the processor: please report it", exc_info=True)
            reasons, code = ["a fault of the processor: its log has the trace"], 1
        else:
            reasons, code = told(failures), report_failures(failures)
        if tell is not None:
            tell(reasons)
        return code
    return 0


def _tune_process() -> None:
    take_from_one_arena()
    # Threads read the store while the loop works: at Python's 5 ms they would wait longer than they read.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # What is loaded stays; of what is in flight most is gone by reference counts before it is looked at. Measured: 8
    # to 11% less CPU an event, and the same memory (docs/performance.md, "What was tried").
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
