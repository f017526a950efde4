"""What the workers of a process are to do under the newest definition, and what is wrong with it on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from processor.configuration import Files
from processor.configuration.change import needs_new_start
from processor.configuration.key_files import key_file_problems
from processor.configuration.plan import plan_of
from processor.definition.files import why_idle
from processor.errors import ConfigurationError
from processor.service.messages import Handover

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.definition.model import Definition
    from processor.errors import Problem
    from processor.governance.plan import Plan

_NAME: Final = "the definition"
"""What stands for a file's name where there is no text to follow."""


@dataclass(frozen=True, slots=True)
class Course:
    """Follow `files`, compiled to `plan`; or nothing, where they are None.

    `notice` says why there is nothing to do where nothing is wrong. `problems` are those of the newest definition, which
    is not followed then. Workers that were started under another `life` are to end: what they hold cannot be changed
    under way.
    """

    files: Files | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)
    notice: str | None = None
    problems: tuple[Problem, ...] = ()
    life: int = 0

    def handover(self) -> Handover:
        """What a worker is started with.

        Raises:
            ValueError: there is nothing to follow.

        """
        if self.files is None:
            raise ValueError("no worker is to run")
        return Handover(self.files, [str(each) for each in self.problems])

    def news(self) -> Files:
        """What workers are handed that run: the files, or in their place what is wrong with the newest ones."""
        if self.files is not None and not self.problems:
            return self.files
        return Files((None, _NAME), None, list(self.problems))


def next_course(former: Course, definition: Definition, derive: Callable[[Definition], Files]) -> Course:
    """What is to be done under a newer definition; `derive` makes the two files of it, or raises a ConfigurationError.

    It reads files of keys, and takes long where there is much to compile: call it in a thread.
    """
    idle = why_idle(definition)
    if idle is not None:
        return Course(notice=f"nothing is exported: {idle}", life=former.life)
    try:
        files = derive(definition)
        plan = plan_of(files)
    except ConfigurationError as error:
        return _refused(former, error.problems)
    problems = key_file_problems(plan.destination)
    if problems:
        return _refused(former, problems)
    is_anew = former.plan is None or needs_new_start(former.plan, plan)
    return Course(files, plan, life=former.life + is_anew)


def _refused(former: Course, problems: Sequence[Problem]) -> Course:
    """The former goes on where there is one, as with files that are read again."""
    return replace(former, notice=None, problems=tuple(problems))
