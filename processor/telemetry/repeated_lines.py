"""The last warnings and errors, kept for the status page; and repeats of a line, held back for a while."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

_KEPT: Final = 50
_TOLD: Final = frozenset({"warning", "error", "critical"})
_REPEAT_S: Final = 30.0
_REMEMBERED: Final = 500
_TEXT_MAX: Final = 500
_REASONS: Final = 10
"""How many reasons of one subject are told in a while, should each be another."""
_NUMBER: Final = re.compile(r"\d+")
_REASON: Final = ("reason", "error")
STATE_CHANGED: Final = "_state_changed"
"""A member that a line of ours may have, and that is never told: the line is of a change of state, and is not held back."""
_SUBJECT: Final = ("partition", "condition", "worker", "to", "problem")


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A line that was logged: `at` in seconds since the epoch, `fields` as texts."""

    at: float
    level: str
    event: str
    fields: dict[str, str]


class Journal:
    """A step of the log pipeline that remembers the last lines of note."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    @property
    def entries(self) -> list[Entry]:
        """The last lines of note, the newest last."""
        return list(self._entries)

    def __call__(self, _: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Remember a line of note; every line goes on."""
        level = str(line.get("level", method))
        if level in _TOLD:
            fields = {
                name: str(value)[:_TEXT_MAX]
                for name, value in line.items()
                if name
                not in {"event", "level", "timestamp", "exc_info", "exception", "_record", "_from_structlog"}
            }
            self._entries.append(Entry(time.time(), level, str(line.get("event", ""))[:_TEXT_MAX], fields))
        return line


class Repeats(logging.Filter):
    """A step of the log pipeline: of lines with one event, subject and reason, one in a while; the next tells how many.

    The subject is the line's partition, condition, worker and the like. A reason that was not told of it in the last
    while is told at once; what differs in its numbers alone counts as the same, for an outage has many. What has changed, as a
    condition that begins, is always told: else the last word could be that all is well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[object, ...], _Told] = {}

    def __call__(self, _: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Let a line pass, or drop it.

        Raises:
            structlog.DropEvent: it was told a moment ago.

        """
        has_changed = bool(line.pop(STATE_CHANGED, False))
        if method not in _TOLD or has_changed:
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
        """The same for a library's line: whether it is told."""
        key = record.name, record.levelno, str(record.msg)
        return self.held_back(key, record.getMessage()) is not None

    def held_back(self, key: tuple[object, ...], reason: str) -> int | None:
        """How many lines of this key were held back since the last; None where this one is to be held back, too."""
        now_s = self._clock()
        if key not in self._last:
            if len(self._last) >= _REMEMBERED:
                self._last.clear()
            self._last[key] = _Told()
        told = self._last[key]
        told.at_s = {each: at_s for each, at_s in told.at_s.items() if now_s < at_s + _REPEAT_S}
        said = gist(reason)
        if said in told.at_s or len(told.at_s) >= _REASONS:
            told.held_back += 1
            return None
        told.at_s[said] = now_s
        held_back, told.held_back = told.held_back, 0
        return held_back


@dataclass(slots=True)
class _Told:
    """When each reason of a subject was told last, and how many lines of it were held back since."""

    at_s: dict[str, float] = field(default_factory=dict)
    held_back: int = 0


def gist(reason: str) -> str:
    """What makes a reason another one than before: all but its numbers."""
    return _NUMBER.sub("0", reason)


JOURNAL: Final = Journal()
"""The process's one journal, as logging itself is the process's."""
