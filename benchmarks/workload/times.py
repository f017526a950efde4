"""Times as events write them, all of one length, so that the later text is the larger one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_TEXT: Final = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_VIRTUAL_START_US: Final = 1_767_225_600_000_000
_VIRTUAL_STEP_US: Final = 37


def newest_time(data: bytes) -> float | None:
    """The latest time in an export's bytes, in seconds since the epoch; None where there is none."""
    text = newest_time_text(data)
    return datetime.fromisoformat(text.decode()).timestamp() if text else None


def newest_time_text(data: bytes) -> bytes:
    """The latest time in an export's bytes, as it is written, so that a later one is larger; empty where there is none."""
    return max(TIME_TEXT.findall(data), default=b"")


def planned_clock(began_s: float, rate: float) -> Callable[[], int]:
    """A clock that goes on by one event's time at every look, from `began_s` since the epoch: `rate` events a second."""
    looks = count()
    return lambda: int((began_s + next(looks) / rate) * 1_000_000)


def virtual_clock() -> Callable[[], int]:
    """A clock that goes on by the same step at every look; for workloads that must not differ from each other."""
    now_us = _VIRTUAL_START_US

    def look() -> int:
        nonlocal now_us
        now_us += _VIRTUAL_STEP_US
        return now_us

    return look


class TimeWriter:
    """Writes times; most of a text is that of the second before."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def text(self, time_us: int) -> str:
        """RFC 3339 with microseconds, in UTC."""
        second, microsecond = divmod(time_us, 1_000_000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{microsecond:06d}Z"
