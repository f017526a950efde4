"""The two files, read and compiled into the plan that the core follows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from processor.configuration import parse_files
from processor.governance.plan import compile_plan

if TYPE_CHECKING:
    from processor.configuration import Files
    from processor.governance.plan import Plan


def plan_of(files: Files) -> Plan:
    """The files, compiled.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    return compile_plan(*parse_files(files, os.environ))
