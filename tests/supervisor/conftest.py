"""A package in place of ours, whose processes do what a test has them do."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from processor.supervisor.workers import Command

if TYPE_CHECKING:
    from pathlib import Path


class StandIn:
    """A package named `processor`: what a worker does is its first argument's to say. `home` is where it lies, and works."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def command(self, what: str) -> Command:
        environ = {**os.environ, "HOME_OF_TEST": str(self.home), "PYTHONPATH": str(self.home)}
        return Command([what], environ)

    @property
    def lives(self) -> list[str]:
        """The arguments of each process that was started."""
        path = self.home / "lives"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def ends(self) -> int:
        """How many processes that write down what they hear have ended in order."""
        return len(list(self.home.glob("heard-*-whole")))

    def heard(self) -> list[bytes]:
        """What each process that writes it down was sent so far, in the order of their starts."""
        found = [path for path in self.home.glob("heard-*") if not path.name.endswith("whole")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    async def until_lives(self, count: int) -> None:
        while len(self.lives) < count:
            await asyncio.sleep(0.01)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    package = tmp_path / "processor"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, signal, sys, pathlib\n"
        "home = pathlib.Path(os.environ['HOME_OF_TEST'])\n"
        "if sys.argv[1] == 'stubborn': signal.signal(signal.SIGTERM, signal.SIG_IGN)  # before the test knows that it lives\n"
        "with (home / 'lives').open('a') as lives: lives.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "what = sys.argv[1]\n"
        "if what.isdigit(): sys.exit(int(what))\n"
        "if what == 'silent': sys.stdin.buffer.read()  # every question is read, none is answered\n"
        "if what == 'with-parent': sys.stdin.buffer.read(); (home / 'ended').touch(); sys.exit(0)\n"
        "if what == 'while-refused' and (home / 'refused').exists():\n"
        '    body = b\'{"type":"Ending","reasons":["the state is of another stream"]}\'\n'
        "    os.write(0, len(body).to_bytes(4, 'big') + body); sys.exit(78)\n"
        "if what in ('listens', 'while-refused'):\n"
        "    file = home / f'heard-{os.getpid()}'\n"
        "    heard = file.open('ab', buffering=0)\n"
        "    def end(*_): file.with_name(file.name + '-whole').touch(); sys.exit(0)\n"
        "    signal.signal(signal.SIGTERM, end)\n"
        "    while part := os.read(0, 65536): heard.write(part)\n"
        "    end()\n"
        "signal.sigwait([signal.SIGTERM]) if what == 'obedient' else signal.pause()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return StandIn(tmp_path)
