"""The last warnings and errors that were logged, for the status page."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

_KEPT: Final = 50
_LEVELS: Final = frozenset({"warning", "error", "critical"})
_TEXT_MAX: Final = 500
_NO_FIELDS: Final = frozenset(
    {"event", "level", "timestamp", "exc_info", "exception", "_record", "_from_structlog"}
)


class LoggedLine(msgspec.Struct, frozen=True, rename="camel"):
    """A line that was logged: `at` in seconds since the epoch, `fields` as texts of at most 500 characters."""

    at: float
    level: str
    event: str
    fields: dict[str, str]


class RecentLines:
    """A step of the log pipeline that keeps the last 50 warnings and errors."""

    def __init__(self) -> None:
        self._lines: deque[LoggedLine] = deque(maxlen=_KEPT)

    @property
    def lines(self) -> list[LoggedLine]:
        """The last warnings and errors, the newest last."""
        return list(self._lines)

    def __call__(self, _: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Keep a warning or an error; every line goes on as it is."""
        level = str(line.get("level", method))
        if level in _LEVELS:
            fields = {name: str(value)[:_TEXT_MAX] for name, value in line.items() if name not in _NO_FIELDS}
            self._lines.append(LoggedLine(time.time(), level, str(line.get("event", ""))[:_TEXT_MAX], fields))
        return line


RECENT_LINES: Final = RecentLines()
"""The process's, as logging itself is the process's."""
