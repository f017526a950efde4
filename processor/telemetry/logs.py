"""Logs: readable in a terminal, JSON lines elsewhere, on standard error.

Where they are JSON, every line of standard error is one object, whoever has something to say: the service, its libraries, the
interpreter with its warnings, and an exception that nobody caught. A line is one write, so that lines of several workers are never
mixed. Warnings and errors that repeat are logged now and then, with how many were held back, but for those that report a change of
state; the last ones are kept for the status page.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from processor.telemetry.recent_lines import RECENT_LINES
from processor.telemetry.repeated_lines import STATE_CHANGED, RepeatFilter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from processor.settings import ServiceSettings

FORMAT: Final = "PROCESSOR_LOG_FORMAT"


def configure_logs(settings: ServiceSettings) -> None:
    """Set up logs for the whole process."""
    _configure(settings.log_level, as_json=_is_json(settings.log_format))


def begin_logs(environ: Mapping[str, str]) -> None:
    """Set up logs before there are settings, for what keeps them from being read must be logged, too."""
    _configure("info", as_json=is_json(environ))


def is_json(environ: Mapping[str, str]) -> bool:
    """Whether logs are JSON lines, as far as can be known before there are settings."""
    return _is_json(environ.get(FORMAT) or "auto")


def configure_notes() -> None:
    """Set up what a command prints beside its answer: warnings of ours as notes to a person, and libraries' lines not at all."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, RepeatFilter(), _as_note],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    # What a library could not do is raised to us as well, and printed once, in our words.
    logging.getLogger().handlers[:] = [logging.NullHandler()]


def _is_json(log_format: str) -> bool:
    return log_format == "json" or (log_format != "console" and not sys.stderr.isatty())


def _configure(log_level: str, *, as_json: bool) -> None:
    level = logging.getLevelNamesMapping()[log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain traces: those that rich makes show variables, and with them events.
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(sort_keys=False, exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    repeats = RepeatFilter()
    structlog.configure(
        processors=[*shared, repeats, RECENT_LINES, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    _take_libraries_lines([*shared, RECENT_LINES], last, repeats)
    logging.captureWarnings(capture=True)
    sys.excepthook = _ended_by
    sys.unraisablehook = lambda found: _log_error("an exception could not be raised", found.exc_value)
    threading.excepthook = lambda found: _log_error(
        "an exception in a thread was not caught", found.exc_value
    )


def _take_libraries_lines(shared: list[Processor], last: list[Processor], repeats: RepeatFilter) -> None:
    """Log libraries' warnings in our form; their errors are raised to us as well, so lines below a warning are dropped."""
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=shared,
        )
    )
    # A formatter cannot drop a line.
    handler.addFilter(repeats)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _ended_by(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    structlog.get_logger(__name__).critical(
        "ended by an exception that was not caught", exc_info=error, **{STATE_CHANGED: True}
    )


def _log_error(event: str, error: BaseException | None) -> None:
    structlog.get_logger(__name__).error(event, error=type(error).__name__, exc_info=error)


class _Lines:
    """A logger for structlog, which writes to standard error, as it is at that time, a line a write."""

    def __init__(self, *_: object) -> None:
        self._stream = sys.stderr

    def msg(self, line: str) -> None:
        """Write a line."""
        write_line(self._stream, line)

    debug = info = warning = error = critical = exception = msg


class _Handler(logging.Handler):
    """A handler for libraries' lines, which writes to standard error a line a write."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(sys.stderr, self.format(record))
        except Exception:  # noqa: BLE001  as logging's own handlers do: what cannot be logged must not fail who logs it
            self.handleError(record)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line in one write: of two processes that share a pipe neither then has the other's line within its own."""
    try:
        descriptor = stream.fileno()
    except OSError:  # a test's or a notebook's, which is no file
        stream.write(line + "\n")
        return
    left = (line + "\n").encode("utf-8", "backslashreplace")
    # A log that nobody reads any more, or whose disk is full, is no reason to stop, and there is nowhere to report it.
    with suppress(OSError):
        stream.flush()
        while left:
            left = left[os.write(descriptor, left) :]


def _as_note(_: WrappedLogger, __: str, line: EventDict) -> str:
    event, reason = line.pop("event"), line.pop("reason", None)
    line.pop("level", None)
    rest = ", ".join(f"{name} {value}" for name, value in line.items())
    return f"! {event}{f' ({rest})' if rest else ''}{f': {reason}' if reason else ''}"
