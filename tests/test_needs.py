"""A test that needs a program which is not there leaves no trace but its reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import needs

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest
from tests.support.needs import program

@pytest.fixture(autouse=True)
def around():
    print("STARTED")
    yield

@pytest.mark.needs("promtool")
def test_one():
    assert program("promtool")

@pytest.mark.needs("node", "promtool")
def test_two():
    assert program("node")

def test_that_needs_nothing():
    pass
"""
INI = """
[pytest]
markers = needs(*programs): see tests/support/needs.py
asyncio_default_fixture_loop_scope = function
"""
UNMARKED = """
from tests.support.needs import program

def test_unmarked():
    program("sh")
"""


def ran(pytester: pytest.Pytester, text: str) -> pytest.RunResult:
    pytester.makepyfile(text)
    pytester.makeini(INI)
    return pytester.runpytest_inprocess("-p", "tests.support.needs", "-p", "no:cacheprovider", "-s")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for programs, the only one that there is."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TESTS_SKIP_NOTHING", raising=False)
    return place


def installed(place: Path, name: str) -> None:
    path = place / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_what_needs_a_program_is_skipped_before_its_fixtures_with_what_installs_it(
    pytester: pytest.Pytester, bare: Path
) -> None:
    installed(bare, "node")
    done = ran(pytester, TESTS)
    done.assert_outcomes(passed=1, skipped=2)
    assert done.stdout.str().count("STARTED") == 1
    done.stdout.fnmatch_lines(
        [
            "*2 tests were skipped: what they need is not on this machine*",
            "*2  promtool is not installed: apt-get install prometheus",
        ]
    )
    done.stdout.no_fnmatch_line("*node is not installed*")


def test_where_nothing_may_be_skipped_it_fails_as_early(
    pytester: pytest.Pytester, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_SKIP_NOTHING", "1")
    done = ran(pytester, TESTS)
    done.assert_outcomes(passed=1, errors=2)
    assert done.stdout.str().count("STARTED") == 1
    done.stdout.no_fnmatch_line("*were skipped*")


def test_with_the_programs_there_nothing_is_skipped(pytester: pytest.Pytester, bare: Path) -> None:
    installed(bare, "node")
    installed(bare, "promtool")
    ran(pytester, TESTS).assert_outcomes(passed=3)


def test_a_test_that_forgot_to_say_what_it_needs_fails_where_it_is_there_too(
    pytester: pytest.Pytester, bare: Path
) -> None:
    installed(bare, "sh")
    done = ran(pytester, UNMARKED)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(['*mark the test with @pytest.mark.needs("sh")*'])


@pytest.mark.parametrize("name", sorted({*needs._INSTALLED_BY, *needs._PACKAGES}))
def test_every_program_has_its_remedy(name: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "NODE_MODULES", bare)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    (told,) = needs.missing([name])
    assert told.startswith(f"{name} is not installed: ")


@pytest.mark.timeout(300)
def test_on_a_bare_machine_all_that_need_a_program_start_nothing(bare: Path) -> None:
    """The suite itself: those that are skipped have no fixture made, so no server, task or file is left behind."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-m", "needs", "--setup-show", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SETUP" not in done.stdout
    assert " passed" not in done.stdout
    assert " skipped" in done.stdout
