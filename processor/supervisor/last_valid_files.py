"""The configuration files that a parent hands out.

The parent reads them, and hands out what it read: so all workers follow the same ones, and a worker that is started anew
follows the last valid ones, whatever is in the files by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.configuration.change import plan_after
from processor.service.messages import Handover

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.configuration import Files
    from processor.governance.plan import Plan


class LastValid:
    """The last valid files, which the parent keeps for its workers; `read` reads them as they are now.

    `plan` is compiled from `files`, the first ones.
    """

    def __init__(self, read: Callable[[], Files], files: Files, plan: Plan) -> None:
        self._read = read
        self._files = files
        self._plan = plan

    def changed(self) -> Files:
        """Return the files as they are now; where they are valid they are the last valid ones from now on."""
        files = self._read()
        plan, _ = plan_after(self._plan, files)
        if plan is not None:
            self._files, self._plan = files, plan
        return files

    def handover(self) -> Handover:
        """Return what a worker is started with: the last valid files, and what is wrong with the present ones."""
        _, problems = plan_after(self._plan, self._read())
        return Handover(self._files, problems)
