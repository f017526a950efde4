"""What the topic of backfills says, whatever somebody has written to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.backfill.board import Board
from processor.backfill.messages import REQUEST_KEY, Reported, Request, encoded, partition_in, partition_key
from tests.backfill.parts import Record

REQUEST = Request("id", 5, "us")


def board(*records: tuple[bytes | None, bytes | None], partitions: int = 3) -> Board:
    found = Board(partitions)
    found.take([Record(*each) for each in records])
    return found


def of(partition: int, reported: Reported) -> tuple[bytes, bytes]:
    return partition_key(partition), encoded(reported)


def running(number: int, begun_at_ms: int = 10) -> Reported:
    return Reported("running", "new", 1, number=number, begun_at_ms=begun_at_ms)


def test_what_is_reported_comes_back_whole() -> None:
    reported = Reported(
        "running",
        "new",
        1,
        "worker",
        "old",
        "id",
        number=3,
        boundary=7,
        begun_at_ms=2,
        share=0.25,
        profiles=10,
        exported=4,
        refused={"bad-json": 2},
        source_from_ms=9,
        unmet=1,
        left_s=2.5,
    )
    found = board((REQUEST_KEY, encoded(REQUEST)), of(2, reported))
    assert (found.request, dict(found.reported), found.passed_over) == (REQUEST, {2: reported}, 0)
    assert json.loads(encoded(reported))["sourceFromMs"] == 9


def test_members_of_a_later_release_are_passed_over() -> None:
    value = json.dumps({"id": "id", "atMs": 5, "by": "us", "onlyPartition": 3}).encode()
    assert board((REQUEST_KEY, value)).request == REQUEST


def test_the_request_that_stands_last_is_the_newest_whatever_its_time() -> None:
    later = Request("later", 9)
    assert board((REQUEST_KEY, encoded(later)), (REQUEST_KEY, encoded(REQUEST))).request == REQUEST


def test_a_request_is_withdrawn_by_a_record_without_a_value() -> None:
    assert board((REQUEST_KEY, encoded(REQUEST)), (REQUEST_KEY, None)).request is None


def test_what_was_reported_of_a_partition_is_forgotten_by_a_record_without_a_value() -> None:
    assert not board(of(1, running(1)), (partition_key(1), None)).reported


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 4_000,
        b'{"id": "", "atMs": 1}',
        b'{"id": 1, "atMs": 1}',
        b'{"id": "x"}',
        b'{"id": "x", "atMs": 1e999}',
        json.dumps({"id": "x" * 65, "atMs": 1}).encode(),
        json.dumps({"id": "x", "atMs": 1, "by": "x" * 5_000}).encode(),
    ],
)
def test_a_request_that_is_none_hides_no_other(value: bytes) -> None:
    found = board((REQUEST_KEY, encoded(REQUEST)), (REQUEST_KEY, value))
    assert (found.request, found.passed_over) == (REQUEST, 1)


@pytest.mark.parametrize(
    "key", [None, b"", b"partition-", b"partition-01", b"partition--1", b"partition-3", b"partition-9999999999", b"Request"]
)  # fmt: skip
def test_of_partitions_that_there_are_not_nothing_is_kept(key: bytes | None) -> None:
    found = board((key, encoded(running(1))))
    assert (dict(found.reported), found.passed_over) == ({}, 1)


@pytest.mark.parametrize(
    ("former", "later", "stays"),
    [
        (running(7), running(6), 0),
        (Reported("complete", "new", 1, number=7, begun_at_ms=10), running(7), 0),
        (running(7), Reported("complete", "new", 1, number=7, begun_at_ms=10), 1),
        (running(7), running(8), 1),
        # A changelog that was made anew counts from the beginning.
        (running(7), running(1, begun_at_ms=11), 1),
        (running(7), Reported("waiting", "newer", 1), 1),
        (Reported("waiting", "newer", 1), running(1), 1),
    ],
)
def test_of_two_that_were_reported_the_newer_backfill_stays(
    former: Reported, later: Reported, stays: int
) -> None:
    assert board(of(0, former), of(0, later)).reported[0] == [former, later][stays]


@given(
    st.lists(
        st.tuples(st.sampled_from([b"request", b"partition-0", b"x"]) | st.binary(), st.none() | st.binary())
    )
)
def test_nothing_that_is_written_there_is_an_error(records: list[tuple[bytes, bytes | None]]) -> None:
    board(*records)


@given(st.integers(0, 10**8))
def test_a_partition_is_found_by_its_key(partition: int) -> None:
    assert partition_in(partition_key(partition)) == partition
