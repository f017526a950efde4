"""When an outage is one."""

from __future__ import annotations

from processor.kinesis.outage import Outage


def test_a_call_that_fails_now_and_then_is_no_outage() -> None:
    outage = Outage()
    for at_s in range(0, 100, 2):
        outage.failed(at_s, "lost")
        assert outage.description(at_s + 1) is None
        outage.answered(at_s + 1)


def test_calls_that_fail_for_long_are_one_until_the_next_answer() -> None:
    outage = Outage()
    outage.answered(10.0)
    outage.failed(11.0, "lost")
    outage.failed(13.0, "timed out")
    assert outage.description(15.0) is None
    assert outage.description(41.0) == "no call was answered for 30 s: timed out"
    outage.answered(42.0)
    assert outage.description(60.0) is None


def test_a_black_hole_is_reported_once_its_first_call_has_timed_out() -> None:
    outage = Outage()
    outage.failed(0.0, "timed out")
    assert outage.description(15.0) == "no call was answered for 15 s: timed out"


def test_a_call_that_was_begun_before_the_last_answer_does_not_date_the_outage_back() -> None:
    outage = Outage()
    outage.answered(14.0)
    outage.failed(0.0, "timed out")
    assert outage.description(15.0) is None


def test_answers_that_cannot_be_read_are_reported_as_that() -> None:
    outage = Outage()
    outage.failed(0.0, "an HTML page", is_readable=False)
    assert outage.description(15.0) == "no answer could be read for 15 s: an HTML page"
