"""A server process: started, waited for, stopped, killed; its output kept for when it fails."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processor.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_GUARD: Final = Path(__file__).with_name("guard.py")
_TAIL_LINES: Final = 20
_LOOK_AGAIN_S: Final = 0.05
_STOP_S: Final = 20.0
_PORTS: Final = range(10_000, 32_768)
"""Below those that systems give to clients' connections by default, which would take one before its server does, or while it is down."""


class ServerProcess:
    """One run of a server's command."""

    def __init__(self, name: str, command: Sequence[str], log_file: Path) -> None:
        self._name = name
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, "-I", str(_GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        if self._guard.stdout is None:
            raise EmbeddedServerError(f"{name}: its guard has no output")
        self.pid = int(self._guard.stdout.readline() or 0)
        if not self.pid:
            self._reap()
            raise EmbeddedServerError(f"{name} could not be started:\n{self.log_tail()}")

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the server answers.

        Raises:
            EmbeddedServerError: it ended, or did not answer in time; with the end of its log.

        """
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if self._guard.poll() is not None:
                self._reap()
                raise EmbeddedServerError(f"{self._name} ended at its start:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise EmbeddedServerError(
                    f"{self._name} did not answer within {timeout_s:g} s:\n{self.log_tail()}"
                )
            time.sleep(_LOOK_AGAIN_S)

    def stop(self) -> None:
        """End it in an orderly way, and wait; by force where that takes too long."""
        self._signal(signal.SIGTERM)
        try:
            self._guard.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        self._reap()

    def kill(self) -> None:
        """End it at once, as a power cut would, and wait."""
        self._signal(signal.SIGKILL)
        self._reap()

    def log_tail(self) -> str:
        """The last lines of its output."""
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        if self._guard.poll() is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def _reap(self) -> None:
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()
        self._guard.wait()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens at now.

    Raises:
        EmbeddedServerError: there are not as many.

    """
    free, begin = list[int](), secrets.randbelow(len(_PORTS))
    with ExitStack() as bound:
        for port in chain(_PORTS[begin:], _PORTS[:begin]):
            if len(free) == count:
                return free
            each = bound.enter_context(socket.socket())
            with suppress(OSError):
                each.bind(("127.0.0.1", port))
                free.append(port)
    raise EmbeddedServerError(
        f"of the ports from {_PORTS[0]} to {_PORTS[-1]} of 127.0.0.1, only {len(free)} are free"
    )
