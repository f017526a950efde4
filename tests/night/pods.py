"""Deployments of the service on this machine, each started again by itself when it ends, as a supervisor does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

import aiohttp

from tests.support.members import Member

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RESTART_S: Final = 3.0
_ANSWER_S: Final = 2.0


class Pod:
    """One of them: a parent with its workers, a port, and a state directory of its own."""

    def __init__(
        self, name: str, directory: Path, environ: Mapping[str, str], workers: int, port: int
    ) -> None:
        self.name = name
        self.port = port
        self.state_directory = directory / "state"
        self.destination_file = directory / "destination.yaml"
        self.codes: list[int] = []
        """With which it ended, one after the other."""
        self._directory = directory
        self._environ = {
            **environ,
            "PROCESSOR_HTTP_PORT": str(port),
            "PROCESSOR_LOG_FORMAT": "json",
            "PROCESSOR_STATE_DIRECTORY": str(self.state_directory),
        }
        self._workers = workers
        self._member: Member | None = None
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Start it whenever it is wanted and does not run, until cancelled; then it is killed."""
        try:
            while True:
                await self._wanted.wait()
                self._member = await Member(self._directory, self._environ, self._workers).start()
                self.codes.append(await self._member.process.wait())
                await asyncio.sleep(RESTART_S)
        finally:
            await self.kill()

    def want(self) -> None:
        """It is to run."""
        self._wanted.set()

    async def leave(self) -> int:
        """End it in an orderly way and leave it so; its exit code."""
        self._wanted.clear()
        return await self._now.stop()

    async def replace(self) -> int:
        """End it in an orderly way, for the supervisor to start it anew; its exit code."""
        return await self._now.stop()

    async def kill(self) -> None:
        """End it, with all of its workers, at once."""
        if self._member is not None:
            await self._member.kill()

    def kill_worker(self) -> None:
        """End the first of its workers at once."""
        os.kill(self._now.worker_pids()[0], signal.SIGKILL)

    def signal_all(self, number: signal.Signals) -> None:
        """To the parent and all of its workers."""
        for pid in {self._now.process.pid, *self._now.worker_pids()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def reload(self) -> None:
        """Have it read its files anew."""
        self._now.process.send_signal(signal.SIGHUP)

    async def is_ready(self) -> bool:
        """What /readyz says."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    @property
    def is_wanted(self) -> bool:
        """Whether it is to run now."""
        return self._wanted.is_set()

    @property
    def _now(self) -> Member:
        assert self._member is not None, f"{self.name} never ran"
        return self._member
