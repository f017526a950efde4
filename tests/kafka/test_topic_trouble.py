"""What keeps a topic of the service's own from being followed: told as often as it is news."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.topic_trouble import TopicTrouble

AWAY = KafkaUnavailable("no broker answers")
DENIED = KafkaRefused("it may not be read")


def told(*what: KafkaUnavailable | KafkaRefused | None) -> list[tuple[str, str]]:
    """The levels and events that tries come to, of which those that are None work."""
    trouble = TopicTrouble(structlog.get_logger(), "the topic of notes", "notes", "notes are not read")
    with capture_logs() as lines:
        for error in what:
            if error is None:
                trouble.is_over()
                assert trouble.reason is None
            else:
                trouble.report(error)
                assert trouble.reason == str(error)
    assert all(line["topic"] == "notes" for line in lines)
    return [(line["log_level"], line["event"]) for line in lines]


AGAIN = ("info", "the topic of notes is tried again")
WARNED = ("warning", "notes are not read")
OVER = ("info", "the topic of notes is followed again")


def test_kafka_that_is_away_for_one_try_is_no_warning() -> None:
    assert told(AWAY, None, AWAY, None) == [AGAIN, AGAIN]


def test_kafka_that_stays_away_is_warned_of_once_and_told_when_it_is_back() -> None:
    assert told(AWAY, AWAY, AWAY, AWAY, None) == [AGAIN, WARNED, OVER]


def test_what_a_person_must_mend_is_warned_of_at_once_and_once() -> None:
    assert told(DENIED, DENIED, None, None) == [WARNED, OVER]


def test_another_reason_is_news() -> None:
    assert told(DENIED, AWAY, AWAY, DENIED) == [WARNED, WARNED, WARNED]


def test_what_works_has_nothing_to_tell() -> None:
    assert told(None, None) == []


def test_the_remedy_goes_along() -> None:
    trouble = TopicTrouble(structlog.get_logger(), "the topic of notes", "notes", "notes are not read")
    with capture_logs() as lines:
        trouble.report(DENIED, remedy="grant READ")
    assert lines[0]["remedy"] == "grant READ"
    assert lines[0]["reason"] == "it may not be read"
