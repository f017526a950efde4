"""Taking changed configuration files into a service that runs: all or nothing, between two batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from processor.errors import ConfigurationError, Problem
from processor.profile.core import Core

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from processor.destination import Destination
    from processor.governance.plan import Plan
    from processor.observer import Observer
    from processor.pipeline import Pipeline
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)


class Reloading(NamedTuple):
    """`told` is set when the files are to be read again; `load` reads and compiles them."""

    told: asyncio.Event
    load: Callable[[], Plan]


async def follow_changes(
    reloading: Reloading, pipeline: Pipeline, observer: Observer, status: Status
) -> None:
    """Take the files again whenever told, until cancelled.

    What is wrong with them is logged and shown, and the former plan goes on. A reload also lifts the limit of dead
    letters: a person has looked.
    """
    while True:
        await reloading.told.wait()
        reloading.told.clear()
        plan, problems = _read(reloading, observer.plan)
        if plan is None:
            status.figures.reloads["refused"] += 1
            observer.use(observer.plan, problems)
            for problem in problems:
                log.error("the changed configuration is refused, the former one goes on", problem=problem)
            continue
        pipeline.follow(Core(plan))
        pipeline.dead_letter_limit.lift()
        observer.use(plan, [])
        status.figures.reloads["taken"] += 1
        log.info(
            "the configuration is taken again",
            segments=len(plan.destination.segments),
            attributes=len(plan.destination.attributes),
            removed_by_governance=len(plan.standing.removals),
        )


def _read(reloading: Reloading, former: Plan) -> tuple[Plan | None, list[str]]:
    """The plan of the files as they are now, or all that is wrong with them."""
    try:
        plan = reloading.load()
    except ConfigurationError as error:
        return None, [str(problem) for problem in error.problems]
    problems = _fixed(former.destination, plan.destination)
    return (None, [str(problem) for problem in problems]) if problems else (plan, [])


def _fixed(former: Destination, new: Destination) -> list[Problem]:
    """What may not change while the service runs."""
    problems = []
    for member, before, after in (
        ("stream", former.stream, new.stream),
        ("connection", former.connection, new.connection),
    ):
        if before != after:
            problems.append(
                Problem(
                    source=new.source,
                    line=new.lines.get(member),
                    member=member,
                    message="it cannot change while the service runs",
                    remedy="Change it back, or start the service anew; another stream needs a new group",
                )
            )
    return problems
