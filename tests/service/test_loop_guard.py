"""A loop that does not turn is ended from outside it, by a thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUCK = """
import asyncio, sys, time
from processor.telemetry.loop_lag import LoopLag
from processor.service.loop_guard import loop_guarded

async def main(stuck):
    lag = LoopLag()
    looking = asyncio.create_task(lag.run())
    with loop_guarded(lag, 2):
        await asyncio.sleep(3.5)
        if stuck:
            the_secret_variable = "value-1f2e"
            time.sleep(60)
    looking.cancel()

asyncio.run(main(sys.argv[1] == "stuck"))
"""


def guarded(what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STUCK, what], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_loop_that_is_stuck_ends_its_process_with_the_place_where_it_stood() -> None:
    done = guarded("stuck")
    assert done.returncode == 1
    assert "the event loop is stuck" in done.stdout + done.stderr
    assert "<string>:13 main" in done.stdout + done.stderr
    assert "value-1f2e" not in done.stdout + done.stderr


def test_a_loop_that_turns_is_left_alone() -> None:
    assert guarded("turns").returncode == 0
