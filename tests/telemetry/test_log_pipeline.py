from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from processor.settings import ServiceSettings
from processor.telemetry.logs import configure_logs, configure_notes
from processor.telemetry.recent_lines import RecentLines
from processor.telemetry.repeated_lines import STATE_CHANGED, RepeatFilter
from processor.telemetry.status import Status


def passed(repeats: RepeatFilter, **line: object) -> dict[str, object] | None:
    try:
        return dict(repeats(None, "warning", {"event": "it failed", **line}))
    except structlog.DropEvent:
        return None


def test_repeats_are_held_back_and_counted() -> None:
    now_s = [0.0]
    repeats = RepeatFilter(lambda: now_s[0])
    first = {"event": "it failed", "partition": 1, "reason": "away for 4 s"}
    assert passed(repeats, partition=1, reason="away for 4 s") == first
    assert passed(repeats, partition=1, reason="away for 5 s") is None
    assert passed(repeats, partition=2, reason="away for 5 s") is not None
    now_s[0] = 31.0
    assert passed(repeats, partition=1, reason="away for 36 s") == {
        "event": "it failed",
        "partition": 1,
        "reason": "away for 36 s",
        "repeated": 1,
    }


def test_a_reason_that_has_changed_is_logged_at_once_and_one_that_comes_back_is_not() -> None:
    repeats = RepeatFilter(lambda: 0.0)
    reasons = ["away", "away", "refused", "away", "refused", "full"]
    lines = [passed(repeats, reason=reason) for reason in reasons]
    assert [line and line["reason"] for line in lines] == ["away", None, "refused", None, None, "full"]
    assert lines[2] == {"event": "it failed", "reason": "refused", "repeated": 1}
    assert lines[5] == {"event": "it failed", "reason": "full", "repeated": 2}


def test_a_subject_whose_every_reason_is_another_is_logged_a_bounded_number_of_times() -> None:
    repeats = RepeatFilter(lambda: 0.0)
    lines = [passed(repeats, reason=chr(ord("a") + number % 26) * (number + 1)) for number in range(100)]
    assert sum(line is not None for line in lines) == 10


def test_the_last_warnings_and_errors_are_kept_and_a_bounded_number_of_them() -> None:
    recent = RecentLines()
    recent(None, "info", {"event": "fine", "level": "info"})
    for number in range(80):
        recent(None, "error", {"event": f"error {number}", "level": "error", "partition": 3})
    assert [line.event for line in recent.lines] == [f"error {number}" for number in range(30, 80)]
    assert recent.lines[0].fields == {"partition": "3"}


def test_lines_are_json_where_there_is_no_terminal_and_repeats_of_libraries_are_held_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(ServiceSettings.model_validate({}))
    structlog.get_logger().warning("ours", worker=1)
    for _ in range(3):
        logging.getLogger("aiokafka").warning("theirs %s", "once")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs once"]
    assert lines[0]["worker"] == 1
    assert lines[0]["level"] == "warning"


def test_a_change_of_state_is_never_held_back_so_that_the_last_word_is_true(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(ServiceSettings.model_validate({}))
    status = Status()
    for _ in range(3):
        status.unhealthy("kafka", "no heartbeat was answered")
        status.healthy("kafka")
    status.unhealthy("kafka", "no heartbeat was answered")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == [*["unready", "recovered"] * 3, "unready"]
    assert not any(STATE_CHANGED in line for line in lines)


def test_a_worker_that_drains_recovers_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(ServiceSettings.model_validate({}))
    status = Status()
    status.healthy("starting")
    status.assigned(1)
    status.unhealthy("kinesis", "no call was answered")
    status.unhealthy("changelog", "one is away", 1)
    status.unhealthy("draining", "shutting down")
    status.healthy("kinesis")
    status.healthy("changelog", 1)
    status.revoked(1)
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["ready", "unready", "unready", "unready", "unready"]
    assert status.partitions == set()


def test_what_was_wrong_with_a_partition_that_is_anothers_now_has_not_recovered() -> None:
    status = Status()
    status.healthy("starting")
    status.assigned(1)
    status.unhealthy("changelog", "one is away", 1)
    status.unhealthy("rebalancing", "joining the group")
    with structlog.testing.capture_logs() as lines:
        status.revoked(1)
    assert [(line["event"], line["condition"]) for line in lines] == [
        ("handed over", "restoring"),
        ("handed over", "changelog"),
    ]
    assert set(status.conditions) == {"rebalancing"}


FAULTS = """
import asyncio, logging, threading, warnings
from processor.settings import ServiceSettings
from processor.telemetry.logs import configure_logs

configure_logs(ServiceSettings.model_validate({"log_format": "json"}))

def fail():
    raise ValueError("it failed")

class Unraisable:
    def __del__(self):
        fail()

async def never_asked():
    asyncio.get_running_loop().create_future().set_exception(ValueError("it failed"))
    async def fails():
        fail()
    asyncio.create_task(fails())
    await asyncio.sleep(0)

thread = threading.Thread(target=fail)
thread.start()
thread.join()
Unraisable()
warnings.warn("mind this", RuntimeWarning)
asyncio.run(never_asked())
fail()
"""


def test_what_libraries_the_interpreter_and_threads_have_to_say_are_json_lines_with_readable_traces() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (1, "")
    events = [line["event"].splitlines()[0] for line in lines]
    assert events[0] == "an exception in a thread was not caught"
    assert events[1] == "an exception could not be raised"
    assert events[-1] == "ended by an exception that was not caught"
    assert any("Task exception was never retrieved" in event for event in events)
    assert any("RuntimeWarning: mind this" in event for event in events)
    traces = [line["exception"] for line in lines if "exception" in line]
    assert len(traces) == len(lines) - 1
    assert all(trace.endswith("ValueError: it failed") for trace in traces)
    assert sum("in fail" in trace for trace in traces) == 4
    assert not any("exc_info" in line for line in lines)


def test_a_trace_in_a_terminal_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(ServiceSettings.model_validate({"log_format": "console"}))

    def fail(event: str) -> None:
        assert event
        raise ValueError("it failed")

    try:
        fail("the-value-" + "4711")
    except ValueError:
        structlog.get_logger().exception("failed")
    printed = capsys.readouterr().err
    assert "ValueError: it failed" in printed
    assert "the-value-4711" not in printed


WRITERS = """
import os, structlog
from processor.settings import ServiceSettings
from processor.telemetry.logs import configure_logs

configure_logs(ServiceSettings.model_validate({"log_format": "json"}))
log = structlog.get_logger()
for number in range(500):
    log.info("line", number=number, text="x" * (number * 7 % 3_000))
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_lines_of_processes_that_share_standard_error_are_never_mixed(unbuffered: str) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    children = [
        subprocess.Popen([sys.executable, "-c", WRITERS], stderr=writing, env=environ) for _ in range(4)
    ]
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        lines = [json.loads(line) for line in pipe]
    assert [child.wait() for child in children] == [0] * 4
    assert sorted(line["number"] for line in lines) == sorted([*range(500)] * 4)


def test_what_a_command_prints_beside_its_answer_are_notes_and_no_librarys_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_notes()
    logging.getLogger("aiokafka").error("Unable connect to node with id 1: [Errno 111]")
    structlog.get_logger().info("created the dead-letter topic")
    for _ in range(3):
        structlog.get_logger().warning("a letter was left out", topic="letters", reason="it is too large")
    assert capsys.readouterr().err == "! a letter was left out (topic letters): it is too large\n"


def test_a_condition_is_logged_when_it_begins_and_when_it_ends() -> None:
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


def test_a_condition_whose_reason_has_changed_is_logged_again() -> None:
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
