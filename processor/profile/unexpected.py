"""What is reported of an exception that nobody expected: what kind it is and where it arose, never what it says.

Its own words may quote an event, and a printed trace may show one; so both are left out.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES_MAX: Final = 20
_EXCEPTIONS_MAX: Final = 5


class Failure(NamedTuple):
    """An event that failed: its offset, the exception's kind, and its trace."""

    offset: int
    error: str
    trace: str


def described(error: BaseException) -> str:
    """One sentence for a dead letter: `unexpected TypeError at canonical.py:47`."""
    places = list(_places(error))
    where = f" at {PurePath(places[-1][0]).name}:{places[-1][1]}" if places else ""
    return f"unexpected {type(error).__name__}{where}: the processor's own fault, its log has the trace"


def trace_of(error: BaseException) -> str:
    """Where it arose, and what it arose from: `file:line function`, the innermost last, a line each."""
    lines: list[str] = []
    at: BaseException | None = error
    for _ in range(_EXCEPTIONS_MAX):
        if at is None:
            break
        frames = [f"{file}:{line} {function}" for file, line, function in _places(at)]
        lines = [*frames[-_FRAMES_MAX:], type(at).__name__, *lines]
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\n".join(lines)


def _places(error: BaseException) -> Iterator[tuple[str, int, str]]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield frame.f_code.co_filename, line, frame.f_code.co_name
