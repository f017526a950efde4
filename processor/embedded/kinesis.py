"""The Kinesis emulator: moto's server, in a process of its own so that it shares no interpreter lock with us."""

from __future__ import annotations

import importlib.util
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from processor.embedded.places import working_directory
from processor.embedded.server import ServerProcess, free_ports
from processor.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION: Final = "eu-west-1"
_START_S: Final = 60.0


class EmbeddedKinesis:
    """A running emulator. It takes any credentials."""

    def __init__(self, directory: Path) -> None:
        (port,) = free_ports(1)
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._process = ServerProcess(
            "the Kinesis emulator",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            directory / "emulator.log",
        )
        self._process.wait_until(self._answers, _START_S)

    def kill(self) -> None:
        """End it; what it stored goes with it."""
        self._process.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/moto-api/data.json", timeout=2) as answer:  # noqa: S310  our own address
                return bool(answer.status == 200)  # noqa: PLR2004  HTTP's OK
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def start_kinesis() -> Iterator[EmbeddedKinesis]:
    """Run an emulator while the context lasts.

    Raises:
        EmbeddedServerError: it could not be started.

    """
    if importlib.util.find_spec("moto") is None:
        raise EmbeddedServerError(
            "moto is missing: install the extra `demo`, as in pip install 'profile-export-processor[demo]'"
        )
    with working_directory("processor-kinesis-") as directory:
        kinesis = EmbeddedKinesis(directory)
        try:
            yield kinesis
        finally:
            kinesis.kill()
