"""Lines of logs, which the workers of a process write to one file, pipe or terminal."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Literal

import pytest
import structlog

from processor.settings import load_settings
from processor.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from collections.abc import Callable


class Pipe(io.RawIOBase):
    """What was handed to the system, call by call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # all of it, always
        self.written.append(bytes(data))
        return len(data)


def ours() -> None:
    structlog.get_logger().warning("partition restored", partition=7)


def with_a_trace() -> None:
    try:
        int("a bug")
    except ValueError:
        structlog.get_logger().exception("what a bug leaves")


def a_librarys() -> None:
    logging.getLogger("aiokafka").warning("heartbeat failed")


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("write", [ours, with_a_trace, a_librarys])
def test_a_line_is_one_write_so_that_those_of_other_workers_do_not_stand_in_it(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[], None], log_format: Literal["json", "console"]
) -> None:
    pipe = Pipe()
    # As it is with PYTHONUNBUFFERED=1, which containers set.
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(pipe, write_through=True))  # type: ignore[type-var]
    environ = {
        "PROCESSOR_KAFKA_SERVERS": "none:9092",
        "PROCESSOR_KAFKA_TOPIC": "events",
        "PROCESSOR_KAFKA_GROUP": "group",
        "PROCESSOR_LOG_FORMAT": log_format,
    }
    configure_logs(load_settings(environ).service)
    write()
    (line,) = pipe.written
    assert line.endswith(b"\n")
