"""Taking changed configuration files into a worker that runs: all or nothing, between two batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from processor.configuration.change import plan_after
from processor.profile.core import Core

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.configuration import Files
    from processor.governance.destination import Connection
    from processor.service.observer import Observer
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)


class Changes:
    """Changed files on their way into a worker, which takes the newest of several.

    `refused` are problems of files that came before the worker was started, and that it is not to follow.
    """

    def __init__(self, refused: list[str] | None = None) -> None:
        self.refused = refused or []
        self._newest: Files | None = None
        self._offered = asyncio.Event()

    def offer(self, files: Files) -> None:
        """Have the worker take these files, instead of those that it has not taken yet."""
        self._newest = files
        self._offered.set()

    async def newest(self) -> Files:
        """Wait for files that were not taken yet, and return the newest."""
        while self._newest is None:
            self._offered.clear()
            await self._offered.wait()
        files, self._newest = self._newest, None
        return files


async def follow_changes(
    changes: Changes, observer: Observer, status: Status, use: Callable[[Connection], None]
) -> None:
    """Take changed files whenever there are any, until cancelled; `use` takes the keys of Kinesis.

    What is wrong with them is logged and shown, and the former plan goes on. A reload also lifts the limit of dead
    letters, and does not count those that the topic has by then: a person has looked. A worker that is not connected yet
    takes the keys at once, for it may wait for them, and begins with the observer's plan.
    """
    while True:
        files = await changes.newest()
        # A large file takes long to be read, and heartbeats must not wait for it.
        plan, problems = await asyncio.to_thread(plan_after, observer.plan, files)
        if plan is None:
            status.reloaded("refused")
            log_refused(problems, observer)
            continue
        use(plan.destination.connection)
        pipeline = observer.pipeline
        if pipeline is not None:
            pipeline.follow(Core(plan))
            pipeline.let_through()
        observer.take(plan)
        status.reloaded("taken")
        log.info(
            "the configuration is taken again",
            segments=len(plan.destination.segments),
            attributes=len(plan.destination.attributes),
            removed_by_governance=len(plan.standing.removals),
        )


def log_refused(problems: list[str], observer: Observer) -> None:
    """Log and show what is wrong with files that are not followed."""
    observer.refuse(problems)
    for problem in problems:
        log.error("the changed configuration is refused, the former one goes on", problem=problem)
