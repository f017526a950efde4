"""A compiled core that is there and cannot be loaded: what an operator meets, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from processor.errors import EXIT_BAD_CONFIGURATION
from tests.support.cli_files import ENVIRON, GOVERNANCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DESTINATION = """\
name: Loyalty exports
connection: {region: eu-west-1}
stream: profile-exports
marketingActions: [exportToThirdParty]
segments: [{id: one}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with both files, and a library that is none."""
    (tmp_path / "destination.yaml").write_text(DESTINATION)
    (tmp_path / "governance.yaml").write_text(GOVERNANCE)
    (tmp_path / "_native.abi3.so").write_bytes(b"\x7fELF of a machine that is none")
    return tmp_path


def called(place: Path, command: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    script = (
        "import processor\n"
        f"processor.__path__.insert(0, {str(place)!r})\n"
        "from processor.__main__ import main\n"
        "main()\n"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PROCESSOR_")}
    return subprocess.run(
        [sys.executable, "-P", "-c", script, command],
        cwd=place,
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **ENVIRON, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["run", "validate"])
@pytest.mark.parametrize("configuration", ["files", "kafka"])
def test_nothing_is_started_and_the_remedy_is_told(place: Path, command: str, configuration: str) -> None:
    done = called(place, command, {"PROCESSOR_CONFIGURATION": configuration})
    assert done.returncode == EXIT_BAD_CONFIGURATION
    assert "the compiled core cannot be used: it cannot be loaded: " in done.stdout + done.stderr
    assert "PROCESSOR_CORE=plain" in done.stdout + done.stderr


def test_an_operator_goes_on_without_it(place: Path) -> None:
    done = called(place, "validate", {"PROCESSOR_CORE": "plain"})
    assert done.returncode == 0, done.stderr
    assert "plain core" in called(place, "version", {"PROCESSOR_CORE": "plain"}).stdout
