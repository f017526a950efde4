"""A process of `processor run`: the only worker, or one of several, or their parent."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from processor import __version__
from processor.cli.console import errors
from processor.cli.defined_process import run_defined
from processor.cli.failures import report_failures, report_refused, told
from processor.cli.worker_processes import workers_of
from processor.configuration.key_files import key_file_problems
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError, ProcessorError, leaves
from processor.kafka.client import client_options
from processor.native import CORE, PROBLEMS
from processor.service.allocator import take_from_one_arena
from processor.service.parent import Parent
from processor.service.reload import Changes
from processor.service.run import run_service
from processor.service.signals import stop_on_signals
from processor.settings import is_defined_in_kafka, load_settings
from processor.supervisor.allowed_cpus import allowed_cpus
from processor.supervisor.last_valid_files import LastValid
from processor.supervisor.member_name import take_name
from processor.telemetry.logs import configure_logs
from processor.telemetry.restore_bar import show_restoration
from processor.telemetry.status import Status
from processor.telemetry.target_labels import target_labels
from processor.web.server import serve
from processor.web.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from processor.configuration import Files
    from processor.governance.plan import Plan
    from processor.settings import Settings
    from processor.supervisor.member_name import MemberName

log = structlog.get_logger(__name__)

_SWITCH_INTERVAL_S: Final = 0.0005
_COLLECT_AFTER: Final = 20_000
"""How many more objects than went have come when the garbage collector looks at the young ones."""


def run_all(read: Callable[[], Files], workers: int | None) -> int:
    """Run `workers` workers, by default as many as the settings say, and return the exit code; `read` reads the two files.

    Where the definition is kept in Kafka, the files are not looked at; nor are they where wrong settings leave that open,
    for nobody is to write files that are not wanted.
    """
    if is_defined_in_kafka() is not False:
        return run_defined(workers)
    problems = [*PROBLEMS]
    try:
        files = read()
        plan = plan_of(files)
        problems += key_file_problems(plan.destination)
    except ConfigurationError as error:
        problems += error.problems
    try:
        settings = load_settings()
        # Files of certificates and keys are read before anything is connected.
        client_options(settings.kafka)
        certificate(settings.service)
    except ConfigurationError as error:
        problems += error.problems
    if problems:
        return report_refused(problems)
    # The files are read: until there is a handler, a signal to read them again must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure_logs(settings.service)
    log.info("starting", version=__version__, core=CORE)
    count = workers or settings.service.workers or allowed_cpus()
    name = take_name(settings)
    settings = settings.named(None if name is None else name.name)
    if count > 1:
        return _run_parent(count, settings, LastValid(read, files, plan), plan, name)

    async def serve_alone() -> None:
        stop, changes, status = asyncio.Event(), Changes(), Status()
        stop_on_signals(stop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: changes.offer(read()))
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(show_restoration(status, errors))] if errors.is_terminal else []
            await run_service(settings.of_worker(0), plan, stop, status, changes=changes)
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


def _run_parent(count: int, settings: Settings, files: LastValid, plan: Plan, name: MemberName | None) -> int:
    begin, service = workers_of(count, settings, name), settings.service

    async def supervise() -> int:
        stop = asyncio.Event()
        parent = begin(files.handover)
        stop_on_signals(stop, parent.kill)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: parent.hand_out(files.changed()))
        labels = target_labels(settings, plan.destination.stream)
        async with serve(service, parent.ask, lambda: labels):
            return await parent.run(stop)

    try:
        return asyncio.run(supervise())
    except ConfigurationError as error:
        return report_failures([error])
