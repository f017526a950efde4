"""Date-times as platforms write them: which are, and which is later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.profile import times
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
        "2000-02-29T00:00:00+00:00",
        "1600-02-29T00:00:00",
        "2024-02-29 00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2016-12-31T15:59:60-08:00",
        "2017-01-01T05:29:60+05:30",
        "2017-01-01T05:29:60+0530",
        "2016-12-31T23:59:60",
        "2020-05-25T21:24:39",
        "2020-05-25 21:24:39.123",
        "2020-05-25t21:24:39+0000",
        "2020-05-25T21:24:39.000+0200",
        "2020-05-25T21:24:39-08",
        f"2020-05-25T21:24:39.{'7' * 60}Z",
        f"2020-05-25T21:24:39.{'0' * 60}+02:00",
    ],
)
def test_what_is_a_date_time(text: str) -> None:
    assert is_date_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-05-25",
        "2020-05-25T21:24Z",
        "2020-05-25T21:24",
        "2020-05-25T24:00:00Z",
        "2020-W22-1T21:24:39Z",
        "2020-05-25T21:24:39,5Z",
        "2020-05-25T21:24:39.5+01:00Z",
        "2020-05-25T212439.1234Z",
        "2020-05-25T21:24:39.123456,Z",
        "2020-05-25T21:24:39.1234567ZZ",
        "2020-05-25T21:24:39.Z",
        "2020-05-25T21:24:39.+0200",
        "2020-05-25T21:24:39.-02",
        "2020-05-25T21:24,39Z",
        "2020-05-25T21:24.39Z",
        "2020-05-25:21:24:39Z",
        "2020-05-25-21:24:39Z",
        "2020-05-25T24:00:00.000Z",
        "2020-05-25T21:24:39+24:00",
        "2020-05-25T21:24:39+2400",
        "2020-05-25T21:24:39+24",
        "2020-05-25T21:24:39+0260",
        "2020-05-25T21:24:39+2",
        "2020-05-25T21:24:39+020",
        "2020-05-25T21:24:39+02:",
        "2020-05-25T21:24:39+02:0",
        "2020-05-25T21:24:39+02:00:00",
        "2020-05-25T21:24:39 +02:00",
        "2020-05-25T21:24:39Z+02",
        "2020-05-25T21:24:39.",
        "2020-05-25T21:24:39 ",
        "2020-05-25 ",
        "2021-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1900-02-29T00:00:00",
        "2001-02-29T00:00:00+00:00",
        "2024-02-30 00:00:00Z",
        "2020-06-31T00:00:00",
        "2020-09-31T00:00:00",
        "2020-11-31 00:00:00Z",
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


@given(MOMENTS, st.sampled_from(["Z", "", "+0000", "+00", "-00:00"]), st.integers(-2, 2))
def test_an_offset_may_be_written_in_many_ways(moment: datetime, zone: str, difference_ms: int) -> None:
    in_utc = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    timestamp_ms = (moment - EPOCH) // timedelta(milliseconds=1) + difference_ms
    later = is_later_than(moment.isoformat(), timestamp_ms)
    assert is_later_than(in_utc + zone, timestamp_ms) is later
    without_colon = f"{moment.isoformat()[:-3]}{moment.isoformat()[-2:]}"
    assert is_later_than(without_colon, timestamp_ms) is later


def test_a_fraction_of_a_million_digits_is_read_and_not_remembered() -> None:
    kept = times._remembered.cache_info().currsize
    text = f"1970-01-01T00:00:00.4{'0' * 1_000_000}1Z"
    assert is_date_time(text)
    assert is_later_than(text, 400)
    assert not is_later_than(text, 401)
    assert times._remembered.cache_info().currsize == kept


@pytest.mark.parametrize("year", [0, 1, 1600, 1900, 1969, 1970, 1972, 2000, 2016, 2023, 9998])
def test_a_leap_second_stands_at_the_end_of_a_month_of_utc(year: int) -> None:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    for month, days in enumerate((31, 28 + is_leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1):
        for day in range(1, days + 1):
            is_last = day == days
            for zone in ("Z", "", "+00:00"):
                assert is_date_time(f"{year:04d}-{month:02d}-{day:02d}T23:59:60{zone}") is is_last
            assert is_date_time(f"{year:04d}-{month:02d}-{day:02d}T15:59:60-08") is is_last
            assert not is_date_time(f"{year:04d}-{month:02d}-{day:02d}T22:59:60Z")
            is_first = day == 1
            assert is_date_time(f"{year:04d}-{month:02d}-{day:02d}T05:29:60+0530") is is_first


def test_no_year_begins_or_ends_on_another_day() -> None:
    for year in range(9999):
        assert is_date_time(f"{year:04d}-12-31T23:59:60Z")
        assert not is_date_time(f"{year:04d}-12-30T23:59:60Z")
        assert not is_date_time(f"{year:04d}-01-01T23:59:60Z")
    for year in range(1, 10_000):
        new_year_ms = (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
        assert is_later_than(f"{year:04d}-01-01T00:00:00.001Z", new_year_ms)
        assert not is_later_than(f"{year:04d}-01-01T00:00:00.000Z", new_year_ms)


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
    with pytest.raises(ValueError, match="no date-time"):
        is_later_than("yesterday", 0)
