"""A process of `processor run`: the only worker, or the parent of several; each loads what it alone needs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import structlog

from processor import __version__
from processor.cli.failures import report_refused
from processor.configuration.key_files import key_file_problems
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError
from processor.kafka.client import client_options
from processor.native import CORE, PROBLEMS
from processor.settings import is_defined_in_kafka, load_settings
from processor.supervisor.allowed_cpus import allowed_cpus
from processor.supervisor.member_name import take_name
from processor.telemetry.logs import configure_logs
from processor.web.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.configuration import Files
    from processor.errors import Problem

log = structlog.get_logger(__name__)


def run_all(read: Callable[[], Files], workers: int | None) -> int:
    """Run `workers` workers, by default as many as the settings say, and return the exit code; `read` reads the two files.

    Where the definition is kept in Kafka, the files are not looked at; nor are they where wrong settings leave that open,
    for nobody is to write files that are not wanted.
    """
    if is_defined_in_kafka() is not False:
        from processor.cli.defined_process import run_defined

        return run_defined(workers)
    of_environment: Sequence[Problem] = ()
    try:
        settings = load_settings()
        # Files of certificates and keys are read before anything is connected.
        client_options(settings.kafka)
        certificate(settings.service)
    except ConfigurationError as error:
        of_environment = error.problems
    else:
        count = workers or settings.service.workers or allowed_cpus()
        # Not behind the files: a signal to read them again that comes before there is a handler comes to nothing.
        if count == 1:
            from processor.cli.one_worker import run_alone
            from processor.web.server import serve
        else:
            from processor.cli.parent_process import run_parent
    problems = [*PROBLEMS]
    try:
        files = read()
        plan = plan_of(files)
        problems += key_file_problems(plan.destination)
    except ConfigurationError as error:
        problems += error.problems
    problems += of_environment
    if problems:
        return report_refused(problems)
    # The files are read: until there is a handler, a signal to read them again must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    configure_logs(settings.service)
    log.info("starting", version=__version__, core=CORE)
    name = take_name(settings)
    settings = settings.named(None if name is None else name.name)
    if count == 1:
        return run_alone(settings, plan, read, serve)
    return run_parent(count, settings, read=read, files=files, plan=plan, name=name)
