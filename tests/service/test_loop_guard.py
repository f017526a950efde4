"""A loop that does not turn is ended from outside it: by a thread, or by the parent."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from processor.supervisor.workers import Command, RestartPolicy, Workers
from tests.supervisor.test_workers import nothing_new

if TYPE_CHECKING:
    import pytest

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


SILENT = """
import os, pathlib, sys
with (pathlib.Path(os.environ["HOME_OF_TEST"]) / "lives").open("a") as lives:
    lives.write(f"{os.getpid()}\\n")
sys.stdin.buffer.read()  # every question is read, none is answered
"""


async def test_a_worker_that_answers_nothing_is_killed_and_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "processor"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SILENT)
    monkeypatch.chdir(tmp_path)
    environ = {**os.environ, "HOME_OF_TEST": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    monkeypatch.setattr("processor.supervisor.workers._ANSWER_S", 0.1)
    policy = RestartPolicy(base_s=0.01, max_s=0.02, silence_s=1.0)
    stop, parent = asyncio.Event(), Workers([Command(["x"], environ)], nothing_new, 20, policy)
    running = asyncio.create_task(parent.run(stop))
    lives = tmp_path / "lives"
    while not lives.exists() or len(lives.read_text().split()) < 2:
        assert not running.done()
        await asyncio.sleep(0.02)
    fleet = await parent.ask()
    assert fleet.restarts == {0: 1}
    assert fleet.observations == []
    assert fleet.silent == {0: "it is being started"}
    first = int(lives.read_text().split()[0])
    assert first not in parent.pids.values()
    stop.set()
    await running
