"""Repeats of a line, which are held back for a while and counted, so that an outage does not fill the log."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

_LEVELS: Final = frozenset({"warning", "error", "critical"})
_REPEAT_S: Final = 30.0
_REMEMBERED: Final = 500
_REASONS: Final = 10
"""How many reasons of one subject are logged within 30 s, should each be another."""
_NUMBER: Final = re.compile(r"\d+")
_REASON: Final = ("reason", "error")
STATE_CHANGED: Final = "_state_changed"
"""A member of lines that report a change of state: such a line is never held back, and the member is not logged."""
_SUBJECT: Final = ("partition", "condition", "worker", "to", "problem")


class RepeatFilter(logging.Filter):
    """A step of the log pipeline: of lines with one event, subject and reason it lets one pass in 30 s.

    The line that passes next says how many were held back. The subject is the line's partition, condition, worker and the
    like. A reason that was not logged of it within 30 s passes at once; one that differs in its numbers alone counts as
    the same, for an outage has many. A line with `STATE_CHANGED`, as of a condition that begins, always passes: else the
    last word could be that all is well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._subjects: dict[tuple[object, ...], _Subject] = {}

    def __call__(self, _: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Let a line pass, or drop it.

        Raises:
            structlog.DropEvent: it is held back.

        """
        has_changed = bool(line.pop(STATE_CHANGED, False))
        if method not in _LEVELS or has_changed:
            return line
        subject = (line.get(name) for name in _SUBJECT)
        reason = " ".join(str(line.get(name, "")) for name in _REASON)
        held_back = self.held_back((method, line.get("event"), *subject), reason)
        if held_back is None:
            raise structlog.DropEvent
        if held_back:
            line["repeated"] = held_back
        return line

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a library's line passes, by the same rules."""
        key = record.name, record.levelno, str(record.msg)
        return self.held_back(key, record.getMessage()) is not None

    def held_back(self, key: tuple[object, ...], reason: str) -> int | None:
        """Return how many lines of this key were held back since the last that passed; None where this one is, too."""
        now_s = self._clock()
        if key not in self._subjects:
            if len(self._subjects) >= _REMEMBERED:
                self._subjects.clear()
            self._subjects[key] = _Subject()
        subject = self._subjects[key]
        subject.logged_at_s = {
            each: at_s for each, at_s in subject.logged_at_s.items() if now_s < at_s + _REPEAT_S
        }
        core = gist(reason)
        if core in subject.logged_at_s or len(subject.logged_at_s) >= _REASONS:
            subject.held_back += 1
            return None
        subject.logged_at_s[core] = now_s
        held_back, subject.held_back = subject.held_back, 0
        return held_back


@dataclass(slots=True)
class _Subject:
    """When each reason of a subject was logged last, and how many lines of it were held back since."""

    logged_at_s: dict[str, float] = field(default_factory=dict)
    held_back: int = 0


def gist(reason: str) -> str:
    """Return what makes a reason another one than before: all but its numbers."""
    return _NUMBER.sub("0", reason)
