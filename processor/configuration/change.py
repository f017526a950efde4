"""Changed files beside the plan that is followed: what may not change while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.configuration.key_files import key_file_problems
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from processor.configuration import Files
    from processor.governance.destination import Destination
    from processor.governance.plan import Plan

_OTHER_STATE: Final = "; another stream needs a new group"


def plan_after(former: Plan, files: Files) -> tuple[Plan | None, list[str]]:
    """The plan of changed files, or all that is wrong with them."""
    try:
        plan = plan_of(files)
    except ConfigurationError as error:
        return None, [str(problem) for problem in error.problems]
    problems = _fixed(former.destination, plan.destination) + key_file_problems(plan.destination)
    return (None, [str(problem) for problem in problems]) if problems else (plan, [])


def needs_new_start(former: Plan, new: Plan) -> bool:
    """Whether something differs that may not change while the service runs; workers that are started anew follow it."""
    return bool(_fixed(former.destination, new.destination))


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
