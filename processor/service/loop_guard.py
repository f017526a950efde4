"""A thread that ends the process when its event loop does not turn: a loop that is stuck cannot look at itself."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.telemetry.loop_lag import LoopLag

log = structlog.get_logger(__name__)

_LEAVE_S: Final = 15.0


@contextmanager
def loop_guarded(lag: LoopLag, stall_s: float) -> Iterator[Callable[[], None]]:
    """Have a thread end the process once its loop has not turned for `stall_s` seconds.

    Whoever calls what the context yields has it end within 15 s, however it ends by itself.
    """
    ended, leaving = threading.Event(), threading.Event()

    def watch() -> None:
        seen, still_s, leaving_s = -1, 0, 0
        while not ended.wait(1.0):
            still_s = still_s + 1 if lag.turns == seen else 0
            seen = lag.turns
            leaving_s += leaving.is_set()
            if still_s >= stall_s or leaving_s >= _LEAVE_S:
                log.critical(
                    "the event loop is stuck, ending the process",
                    stuck_s=still_s,
                    threads=_where_threads_are(),
                )
                os._exit(1)

    thread = threading.Thread(target=watch, name="loop-guard", daemon=True)
    thread.start()
    try:
        yield leaving.set
    finally:
        ended.set()
        thread.join()


def _where_threads_are() -> str:
    """Return code and lines of every thread, the innermost last, and no values.

    No file is read for it, for a disk may be what hangs.
    """
    stacks = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  there is no other way to other threads' frames
        name = next((each.name for each in threading.enumerate() if each.ident == ident), str(ident))
        places = [
            f"{at.f_code.co_filename}:{line} {at.f_code.co_name}" for at, line in traceback.walk_stack(frame)
        ]
        stacks.append("\n  ".join([name, *reversed(places)]))
    return "\n".join(stacks)
