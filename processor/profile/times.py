"""Date-times as platforms write them, checked and compared without losing a digit.

They are RFC 3339's, and of ISO 8601 also those with the offsets `+0200` and `+02`, or with none, which means UTC.
`datetime` refuses leap seconds and the year 0000 and rounds what is finer than a microsecond, so the little
arithmetic that is needed stands here.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

_DATE_TIME = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?"
)
_SHORTEST: Final = len("2020-05-25T21:24:39Z")
_LONGEST: Final = len("2020-05-25T21:24:39.123456Z")
_KEPT_CHARACTERS_MAX: Final = 64
"""A fraction may have any number of digits; only what platforms write is worth remembering."""

_DAYS_BEFORE_1970 = 719_528
_SECONDS_PER_DAY = 86_400

_read = datetime.fromisoformat


def is_date_time(text: str) -> bool:
    """Whether `text` is a date-time."""
    return _is_plain(text) or _parsed(text) is not None


def is_later_than(text: str, timestamp_ms: int) -> bool:
    """Whether the date-time `text` is after `timestamp_ms` since the epoch.

    Raises:
        ValueError: `text` is no date-time.

    """
    parsed = _parsed(text)
    if parsed is None:
        raise ValueError(f"{text!r} is no date-time")
    second, fraction = parsed
    event_second, event_ms = divmod(timestamp_ms, 1000)
    if second != event_second:
        return second > event_second
    # As text, for any number of digits: "5" is later than 499 ms, "4990001" than 499 ms, "499" is not.
    return fraction > f"{event_ms:03d}".rstrip("0")


def _is_plain(text: str) -> bool:
    """Whether `text` is a date-time of the usual shape, at no leap second; takes a third of the expression's time.

    Of what else `datetime` reads (weeks, no separators, commas, 24 o'clock, anything behind six digits of a
    fraction) nothing has this shape.
    """
    has_shape = (
        _SHORTEST <= len(text) <= _LONGEST
        and text[7] == "-"
        and text[10] == "T"
        and text[13] == ":"
        and text[16] == ":"
        and text[-1] == "Z"
        and (len(text) == _SHORTEST or (text[19] == "." and len(text) > _SHORTEST + 1))
        and not (text[11] == "2" and text[12] == "4")
    )
    if has_shape:
        try:
            _read(text)
        except ValueError:
            return False
    return has_shape


def _parsed(text: str) -> tuple[int, str] | None:
    """Seconds since the epoch and the fraction's digits, trailing zeros gone; None where it is no date-time."""
    return _remembered(text) if len(text) <= _KEPT_CHARACTERS_MAX else _read_in_full(text)


@lru_cache(maxsize=4096)
def _remembered(text: str) -> tuple[int, str] | None:
    return _read_in_full(text)


def _read_in_full(text: str) -> tuple[int, str] | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if day > 28 and day > _days_in_month(year, month):  # noqa: PLR2004  every month has 28
        return None
    offset_s = (int(match[9]) * 60 + int(match[10] or 0)) * 60 if match[8] else 0
    seconds = int(match[4]) * 3600 + int(match[5]) * 60 + int(match[6])
    second = _day_number(year, month, day) * _SECONDS_PER_DAY + seconds
    second += offset_s if match[8] == "-" else -offset_s
    if match[6] == "60" and not _is_first_of_month(second):
        return None
    return second, (match[7] or "").rstrip("0")


def _is_first_of_month(second: int) -> bool:
    """A leap second stands where the next month's first second does, in UTC (RFC 3339, appendix D)."""
    day, rest = divmod(second, _SECONDS_PER_DAY)
    return rest == 0 and _civil_day_of_month(day) == 1


def _is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in_month(year: int, month: int) -> int:
    if month == 2:  # noqa: PLR2004  February
        return 29 if _is_leap_year(year) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    leap_days = (year + 3) // 4 - (year + 99) // 100 + (year + 399) // 400
    before_month = sum(_days_in_month(year, earlier) for earlier in range(1, month))
    return year * 365 + leap_days + before_month + day - 1 - _DAYS_BEFORE_1970


def _civil_day_of_month(day_number: int) -> int:
    year = (day_number + _DAYS_BEFORE_1970) * 400 // 146_097
    while _day_number(year + 1, 1, 1) <= day_number:
        year += 1
    while _day_number(year, 1, 1) > day_number:
        year -= 1
    month = 1
    while month < 12 and _day_number(year, month + 1, 1) <= day_number:  # noqa: PLR2004  December is the last
        month += 1
    return day_number - _day_number(year, month, 1) + 1
