"""Logs: readable in a terminal, JSON lines elsewhere, on standard error.

Warnings and errors that repeat are told now and then, with how many were held back; the last ones are kept for the
status page.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from processor.telemetry.journal import JOURNAL, Repeats

if TYPE_CHECKING:
    from processor.settings import ServiceSettings


def configure_logs(settings: ServiceSettings) -> None:
    """Set up logs for the whole process, once."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(sort_keys=False)
    )
    repeats = Repeats()
    ours: list[structlog.typing.Processor] = [*shared, repeats, JOURNAL]
    structlog.configure(
        processors=[*ours, structlog.processors.format_exc_info, last] if as_json else [*ours, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # A line is one write, also where Python does not buffer (PYTHONUNBUFFERED): workers share what they write to.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _take_libraries_lines([*shared, JOURNAL], last, repeats)


def _take_libraries_lines(
    shared: list[structlog.typing.Processor], last: structlog.typing.Processor, repeats: Repeats
) -> None:
    """Libraries' warnings in our form; their errors are raised to us as well, so only those of note stay."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=shared,
        )
    )
    # A formatter cannot drop a line.
    handler.addFilter(repeats)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
