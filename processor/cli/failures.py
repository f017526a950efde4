"""How a process of `processor run` reports why it ends: lines for a person at a terminal, or of its JSON log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import structlog

from processor.cli.console import print_count, print_error
from processor.errors import EXIT_BAD_CONFIGURATION, ConfigurationError, exit_code
from processor.telemetry.logs import is_json
from processor.telemetry.repeated_lines import STATE_CHANGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.errors import Problem

log = structlog.get_logger(__name__)

_REPORTED_MAX: Final = 5


def told(failures: Sequence[BaseException]) -> list[str]:
    """What a process ends with, in the words that are reported, as many as there are room for."""
    return list(dict.fromkeys(str(each) for each in failures))[:_REPORTED_MAX]


def report_failures(failures: Sequence[BaseException]) -> int:
    """Report what a process ends with, and return its exit code: every problem of a configuration by itself, and other failures.

    Many partitions may have met the same: it is reported once, and of what differs by the partition's name some.
    """
    problems = [
        problem for each in failures if isinstance(each, ConfigurationError) for problem in each.problems
    ]
    others = dict.fromkeys(str(each) for each in failures if not isinstance(each, ConfigurationError))
    code = exit_code(failures)
    _report_problems(problems)
    for text in list(others)[:_REPORTED_MAX]:
        _report_end(text, code)
    if len(others) > _REPORTED_MAX:
        _report_end(f"… and {len(others) - _REPORTED_MAX} more, of other partitions", code)
    return code


def report_refused(problems: Sequence[Problem]) -> int:
    """Report what is wrong with the configuration that the service would be started with, and return the exit code."""
    _report_problems(problems)
    if not is_json(os.environ):
        print_count(problems)
    return EXIT_BAD_CONFIGURATION


def _report_problems(problems: Sequence[Problem]) -> None:
    for each in problems:
        if not is_json(os.environ):
            print_error(str(each))
            continue
        log.critical(
            "the configuration cannot be used",
            reason=str(each),
            source=each.source,
            line=each.line,
            member=each.member,
            exit_code=EXIT_BAD_CONFIGURATION,
            **{STATE_CHANGED: True},
        )


def _report_end(reason: str, code: int) -> None:
    """Report why the process ends, to whoever reads its log: a program, or a person at a terminal."""
    if is_json(os.environ):
        log.critical("ended", reason=reason, exit_code=code, **{STATE_CHANGED: True})
    else:
        print_error(reason)
