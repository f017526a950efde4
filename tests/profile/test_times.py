"""RFC 3339 date-times: which are, and which is later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.profile.times import is_date_time, is_later_than

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(timezones=ZONES).filter(lambda moment: 1 < moment.year < 9999)


@pytest.mark.parametrize(
    "text",
    [
        "2020-05-25T21:24:39Z",
        "2020-05-25t21:24:39z",
        "2020-05-25 21:24:39Z",
        "2020-05-25T21:24:39.123456789+23:59",
        "2020-02-29T00:00:00-00:00",
        "0000-02-29T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2016-12-31T15:59:60-08:00",
        "2017-01-01T05:29:60+05:30",
    ],
)
def test_what_is_a_date_time(text: str) -> None:
    assert is_date_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-05-25",
        "2020-05-25T21:24:39",
        "2020-05-25T21:24Z",
        "2020-05-25T24:00:00Z",
        "2020-W22-1T21:24:39Z",
        "2020-05-25T21:24:39,5Z",
        "2020-05-25T21:24:39.5+01:00Z",
        "2020-05-25T212439.1234Z",
        "2020-05-25T21:24:39.123456,Z",
        "2020-05-25T21:24:39.1234567ZZ",
        "2020-05-25T21:24:39.Z",
        "2020-05-25T21:24:39+0200",
        "2020-05-25T21:24:39+24:00",
        "2021-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2020-04-31T00:00:00Z",
        "2020-13-01T00:00:00Z",
        "2020-00-01T00:00:00Z",
        "2020-01-00T00:00:00Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "٢٠٢٠-05-25T21:24:39Z",
        "2020-05-25T21:24:39Z\n",
        "12020-05-25T21:24:39Z",
    ],
)
def test_what_is_none(text: str) -> None:
    assert not is_date_time(text)


@given(
    st.sampled_from(
        [
            "2020-05-25T21:24:39Z",
            "2020-12-31T23:59:59.123456Z",
            "2020-W22-1T21:24:39Z",
            "2020-05-25T21:24:39.5+01:00Z",
        ]
    ),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([*"0123456789-:.,TZWtz+ ٢", ""])), max_size=3),
)
def test_both_ways_to_read_a_date_time_agree(text: str, changes: list[tuple[int, str]]) -> None:
    for at, character in changes:
        text = text[:at] + character + text[at + 1 :]
    try:
        is_later_than(text, 0)
    except ValueError:
        assert not is_date_time(text)
    else:
        assert is_date_time(text)


@given(MOMENTS, st.integers(-3, 3))
def test_later_is_as_the_calendar_says(moment: datetime, difference_ms: int) -> None:
    exact_us = (moment - EPOCH) // timedelta(microseconds=1)
    timestamp_ms = exact_us // 1000 + difference_ms
    assert is_later_than(moment.isoformat(), timestamp_ms) == (exact_us > timestamp_ms * 1000)


@pytest.mark.parametrize(
    ("fraction", "later"),
    [
        ("499", False),
        ("4990", False),
        ("4990000000000000000001", True),
        ("5", True),
        ("49", False),
        ("", False),
    ],
)
def test_no_digit_of_a_fraction_is_lost(fraction: str, later: bool) -> None:
    text = f"1970-01-01T00:00:00{'.' if fraction else ''}{fraction}Z"
    assert is_later_than(text, 499) is later


def test_what_is_no_date_time_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="not an RFC 3339"):
        is_later_than("yesterday", 0)
