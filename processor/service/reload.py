"""Taking changed configuration files into a service that runs: all or nothing, between two batches.

Where there are several workers the parent reads the files, and hands out what it read: so all of them follow the same
ones, and a worker that is started anew follows the last valid ones, whatever is in the files by then.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import structlog

from processor.configuration import parse_files
from processor.configuration.key_files import key_file_problems
from processor.errors import ConfigurationError, Problem
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.service.link import Handover

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.configuration import Files
    from processor.governance.destination import Connection, Destination
    from processor.governance.plan import Plan
    from processor.service.observer import Observer
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

_OTHER_STATE: Final = "; another stream needs a new group"


class Changes:
    """Changed files on their way into a worker; of several it takes the newest.

    `refused` are problems of files that came before the worker was started, and that it is not to follow.
    """

    def __init__(self, refused: list[str] | None = None) -> None:
        self.refused = refused or []
        self._newest: Files | None = None
        self._told = asyncio.Event()

    def tell(self, files: Files) -> None:
        """Have the worker take these files."""
        self._newest = files
        self._told.set()

    async def newest(self) -> Files:
        """The newest files, once there are any that were not taken yet."""
        while self._newest is None:
            self._told.clear()
            await self._told.wait()
        files, self._newest = self._newest, None
        return files


class LastValid:
    """The last valid files, which the parent keeps for its workers; `read` reads them as they are now.

    `plan` is what `files`, the first ones, say.
    """

    def __init__(self, read: Callable[[], Files], files: Files, plan: Plan) -> None:
        self._read = read
        self._files = files
        self._plan = plan

    def changed(self) -> Files:
        """The files as they are now; where they are valid they are the last valid ones from now on."""
        files = self._read()
        plan, _ = _plan_after(self._plan, files)
        if plan is not None:
            self._files, self._plan = files, plan
        return files

    def handover(self) -> Handover:
        """What a worker is started with: the last valid files, and what is wrong with the present ones."""
        _, problems = _plan_after(self._plan, self._read())
        return Handover(self._files, problems)


def plan_of(files: Files) -> Plan:
    """The files, compiled.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    return compile_plan(*parse_files(files, os.environ))


async def follow_changes(
    changes: Changes, observer: Observer, status: Status, use: Callable[[Connection], None]
) -> None:
    """Take changed files whenever there are any, until cancelled; `use` takes the keys of Kinesis.

    What is wrong with them is logged and shown, and the former plan goes on. A reload also lifts the limit of dead
    letters, and lets those through that the topic has by then: a person has looked. A worker that is not connected yet
    takes the keys at once, for it may wait for them, and begins with the observer's plan.
    """
    while True:
        files = await changes.newest()
        # A large file takes long to be read, and heartbeats must not wait for it.
        plan, problems = await asyncio.to_thread(_plan_after, observer.plan, files)
        if plan is None:
            status.figures.reloads["refused"] += 1
            tell_refused(problems, observer)
            continue
        use(plan.destination.connection)
        pipeline = observer.pipeline
        if pipeline is not None:
            pipeline.follow(Core(plan))
            pipeline.let_through()
        observer.use(plan, [])
        status.figures.reloads["taken"] += 1
        log.info(
            "the configuration is taken again",
            segments=len(plan.destination.segments),
            attributes=len(plan.destination.attributes),
            removed_by_governance=len(plan.standing.removals),
        )


def tell_refused(problems: list[str], observer: Observer) -> None:
    """Log and show what is wrong with files that are not followed."""
    observer.use(observer.plan, problems)
    for problem in problems:
        log.error("the changed configuration is refused, the former one goes on", problem=problem)


def _plan_after(former: Plan, files: Files) -> tuple[Plan | None, list[str]]:
    """The plan of changed files, or all that is wrong with them."""
    try:
        plan = plan_of(files)
    except ConfigurationError as error:
        return None, [str(problem) for problem in error.problems]
    problems = _fixed(former.destination, plan.destination) + key_file_problems(plan.destination)
    return (None, [str(problem) for problem in problems]) if problems else (plan, [])


def _fixed(former: Destination, new: Destination) -> list[Problem]:
    """What may not change while the service runs: all of where records go; who sends them may."""
    was, now = former.connection, new.connection
    return [
        Problem(
            source=new.source,
            line=new.lines.get(member, new.lines.get(member.partition(".")[0])),
            member=member,
            message="it cannot change while the service runs",
            remedy=f"Change it back, or start the service anew{besides}",
        )
        for member, before, after, besides in (
            ("stream", former.stream, new.stream, _OTHER_STATE),
            ("connection.region", was.region, now.region, _OTHER_STATE),
            ("connection.connectionUrl", was.connection_url, now.connection_url, ""),
        )
        if before != after
    ]
