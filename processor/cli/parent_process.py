"""The process of `processor run` with two files that is the parent of several workers."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from processor.cli.failures import report_failures
from processor.cli.worker_processes import workers_of
from processor.errors import ConfigurationError
from processor.service.signals import stop_on_signals
from processor.supervisor.last_valid_files import LastValid
from processor.telemetry.target_labels import target_labels
from processor.web.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.configuration import Files
    from processor.governance.plan import Plan
    from processor.settings import Settings
    from processor.supervisor.member_name import MemberName


def run_parent(
    count: int,
    settings: Settings,
    *,
    read: Callable[[], Files],
    files: Files,
    plan: Plan,
    name: MemberName | None,
) -> int:
    """Run `count` workers that follow `files`, on SIGHUP those that `read` reads, and return the exit code; `plan` is compiled from `files`."""
    begin, service = workers_of(count, settings, name), settings.service
    followed = LastValid(read, files, plan)

    async def supervise() -> int:
        stop = asyncio.Event()
        parent = begin(followed.handover)
        stop_on_signals(stop, parent.kill)
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGHUP, lambda: parent.hand_out(followed.changed())
        )
        labels = target_labels(settings, plan.destination.stream)
        async with serve(service, parent.ask, lambda: labels):
            return await parent.run(stop)

    try:
        return asyncio.run(supervise())
    except ConfigurationError as error:
        return report_failures([error])
