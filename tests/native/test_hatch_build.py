"""The wheel: with the compiled core only where that is asked for, and never silently without."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.deploy_files import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def built(directory: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def no_programs(tmp_path: Path) -> str:
    place = tmp_path / "bin"
    place.mkdir()
    return str(place)


def test_without_being_asked_it_is_plain_python_and_needs_no_compiler(
    tmp_path: Path, no_programs: str
) -> None:
    done = built(tmp_path, {"PATH": no_programs})
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as files:
        assert "processor/native.py" in files.namelist()
        assert not [name for name in files.namelist() if name.endswith(".so")]


def test_asked_without_cargo_it_says_what_to_install(tmp_path: Path, no_programs: str) -> None:
    done = built(tmp_path, {"PATH": no_programs, "HATCH_BUILD_HOOKS_ENABLE": "1"})
    assert done.returncode != 0
    assert "apt-get install cargo" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))
