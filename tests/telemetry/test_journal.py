from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from processor.settings import ServiceSettings
from processor.telemetry.journal import Journal, Repeats
from processor.telemetry.logs import configure_logs
from processor.telemetry.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own_logs() -> Iterator[None]:
    """What `configure_logs` changes is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def told(repeats: Repeats, **line: object) -> dict[str, object] | None:
    try:
        return dict(repeats(None, "warning", {"event": "it failed", **line}))
    except structlog.DropEvent:
        return None


def test_repeats_are_held_back_and_counted() -> None:
    now_s = [0.0]
    repeats = Repeats(lambda: now_s[0])
    first = {"event": "it failed", "partition": 1, "reason": "away for 4 s"}
    assert told(repeats, partition=1, reason="away for 4 s") == first
    assert told(repeats, partition=1, reason="away for 5 s") is None
    assert told(repeats, partition=2, reason="away for 5 s") is not None
    now_s[0] = 31.0
    assert told(repeats, partition=1, reason="away for 36 s") == {
        "event": "it failed",
        "partition": 1,
        "reason": "away for 36 s",
        "repeated": 1,
    }


def test_a_reason_that_has_changed_is_told_at_once_and_one_that_comes_back_is_not() -> None:
    repeats = Repeats(lambda: 0.0)
    reasons = ["away", "away", "refused", "away", "refused", "full"]
    lines = [told(repeats, reason=reason) for reason in reasons]
    assert [line and line["reason"] for line in lines] == ["away", None, "refused", None, None, "full"]
    assert lines[2] == {"event": "it failed", "reason": "refused", "repeated": 1}
    assert lines[5] == {"event": "it failed", "reason": "full", "repeated": 2}


def test_a_subject_whose_every_reason_is_another_is_told_a_bounded_number_of_times() -> None:
    repeats = Repeats(lambda: 0.0)
    lines = [told(repeats, reason=chr(ord("a") + number % 26) * (number + 1)) for number in range(100)]
    assert sum(line is not None for line in lines) == 10


def test_the_journal_keeps_the_last_lines_of_note_and_a_bounded_number() -> None:
    journal = Journal()
    journal(None, "info", {"event": "fine", "level": "info"})
    for number in range(80):
        journal(None, "error", {"event": f"error {number}", "level": "error", "partition": 3})
    assert [entry.event for entry in journal.entries] == [f"error {number}" for number in range(30, 80)]
    assert journal.entries[0].fields == {"partition": "3"}


def test_lines_are_json_where_there_is_no_terminal_and_repeats_of_libraries_are_held_back(
    own_logs: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(ServiceSettings.model_validate({}))
    structlog.get_logger().warning("ours", worker=1)
    for _ in range(3):
        logging.getLogger("aiokafka").warning("theirs %s", "once")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs once"]
    assert lines[0]["worker"] == 1
    assert lines[0]["level"] == "warning"


def test_a_condition_is_told_when_it_begins_and_when_it_ends() -> None:
    status = Status()
    with structlog.testing.capture_logs() as lines:
        status.healthy("starting")
        for silence_s in (10, 11, 12):
            status.unhealthy("kafka", f"no heartbeat for {silence_s} s")
        status.healthy("kafka")
        status.healthy("kafka")
    assert [(line["event"], line["log_level"], line["condition"]) for line in lines] == [
        ("ready", "info", "starting"),
        ("unready", "warning", "kafka"),
        ("ready", "info", "kafka"),
    ]


def test_a_condition_whose_reason_has_changed_is_told_again() -> None:
    status = Status()
    with structlog.testing.capture_logs() as lines:
        status.unhealthy("kinesis", "the connection was lost 3 times")
        status.unhealthy("kinesis", "the connection was lost 4 times")
        status.unhealthy("kinesis", "the credentials have expired")
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("unready", "the connection was lost 3 times"),
        ("unready", "the credentials have expired"),
    ]
    assert status.figures.conditions_begun["kinesis"] == 1


def test_what_is_wrong_with_one_partition_is_not_mended_by_another() -> None:
    status = Status()
    status.healthy("starting")
    status.unhealthy("changelog", "one is away", 1)
    status.unhealthy("changelog", "two is away", 2)
    status.healthy("changelog", 3)
    status.healthy("changelog", 2)
    assert status.conditions == {"changelog": "one is away"}
    status.assigned(1)
    status.revoked(1)
    assert status.is_ready
