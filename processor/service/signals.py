"""The signals that end a process of the service."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)


def stop_on_signals(stop: asyncio.Event, at_once: Callable[[], None] | None = None) -> None:
    """Set `stop` at the first SIGTERM or SIGINT; a second one ends the process at once, after a call of `at_once`."""
    loop = asyncio.get_running_loop()
    signals = signal.SIGTERM, signal.SIGINT

    def note(number: signal.Signals) -> None:
        log.info("signal received, draining", signal=number.name)
        stop.set()
        for each in signals:
            loop.add_signal_handler(each, end, each)

    def end(number: signal.Signals) -> None:
        log.warning("second signal received, ending at once", signal=number.name)
        if at_once is not None:
            at_once()
        loop.remove_signal_handler(number)
        signal.raise_signal(number)

    for number in signals:
        loop.add_signal_handler(number, note, number)
