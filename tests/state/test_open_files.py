"""The limit of open files: raised to what the system allows, by every process of the command line."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from processor.cli.failures import report_failures
from processor.errors import ConfigurationError, Problem, StateError
from processor.state import open_files
from processor.telemetry.logs import begin_logs

if TYPE_CHECKING:
    from collections.abc import Callable

UNLIMITED = resource.RLIM_INFINITY


class System:
    """The limits of a process that is not this one."""

    def __init__(self, soft: int, hard: int, *, refuses: bool = False) -> None:
        self.limits = soft, hard
        self._refuses = refuses

    def get(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.limits

    def set(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        if self._refuses:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Callable[..., System]:
    def made(soft: int, hard: int, *, refuses: bool = False) -> System:
        own = System(soft, hard, refuses=refuses)
        monkeypatch.setattr(resource, "getrlimit", own.get)
        monkeypatch.setattr(resource, "setrlimit", own.set)
        return own

    return made


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1_024, 4_096, 4_096),
        (1_024, 1_024, 1_024),
        (1_024, 1 << 30, 1 << 20),
        (1_024, UNLIMITED, 1 << 20),
        (1 << 21, 1 << 21, 1 << 21),
        (UNLIMITED, UNLIMITED, UNLIMITED),
    ],
)
def test_the_soft_limit_is_raised_to_the_hard_one_and_the_hard_one_stays(
    system: Callable[..., System], soft: int, hard: int, raised: int
) -> None:
    own = system(soft, hard)
    open_files.raise_limit()
    assert own.limits == (raised, hard)


def test_where_the_system_refuses_the_limit_stays(system: Callable[..., System]) -> None:
    system(1_024, UNLIMITED, refuses=True)
    open_files.raise_limit()
    assert open_files.limit() == 1_024


def test_a_limit_without_end_counts_as_a_million(system: Callable[..., System]) -> None:
    system(UNLIMITED, UNLIMITED)
    assert open_files.limit() == 1 << 20


def test_every_command_raises_it_before_anything_else() -> None:
    """Workers are commands of their own, so one place is all of them."""
    script = (
        "import resource, sys\n"
        "from processor.cli import app as cli\n"
        "cli.app = lambda: print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))\n"
        "cli.main()\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == ["200", "200"]


@pytest.fixture
def in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_LOG_FORMAT", "console")


def test_what_many_partitions_met_alike_is_reported_once(
    in_a_terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failures([StateError("too many open files") for _ in range(180)]) == 1
    assert capsys.readouterr().err.splitlines() == ["error too many open files"]


def test_of_what_differs_by_the_partition_some_is_reported_and_the_rest_counted(
    in_a_terminal: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report_failures([StateError(f"/state/{number}: the disk is full") for number in range(180)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error /state/0: the disk is full"
    assert lines[-1] == "error … and 175 more, of other partitions"
    assert len(lines) == 6


def test_in_a_json_log_too_some_is_logged_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    begin_logs({})
    assert report_failures([StateError(f"/state/{number}: the disk is full") for number in range(180)]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["reason"] for line in lines] == [
        *(f"/state/{number}: the disk is full" for number in range(5)),
        "… and 175 more, of other partitions",
    ]
    assert {(line["level"], line["event"], line["exit_code"]) for line in lines} == {("critical", "ended", 1)}


def test_every_problem_of_a_configuration_is_reported(
    in_a_terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [Problem("environment", None, f"PROCESSOR_{n}", "it is wrong", "Mend it") for n in range(9)]
    assert report_failures([ConfigurationError(problems)]) == 78
    assert len(capsys.readouterr().err.splitlines()) == 9
