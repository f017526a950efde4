"""The programs that some tests need and Python's packages do not carry: looked for before anything is started.

A test says `@pytest.mark.needs("promtool")`. Where that is not installed the test is skipped before any of its fixtures is
made, and the end of the run tells what would install it; `TESTS_SKIP_NOTHING=1` has it fail in its place.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.terminal import TerminalReporter

NODE_MODULES: Final = Path(__file__).parents[1] / "node" / "node_modules"

_FROM_NPM: Final = "npm ci --prefix tests/node --ignore-scripts"
_INSTALLED_BY: Final = {
    "buildah": "apt-get install buildah",
    "cargo": "apt-get install cargo",
    "chromium": "apt-get install chromium",
    "debootstrap": "apt-get install debootstrap",
    "firefox-esr": "apt-get install firefox-esr",
    "java": "apt-get install openjdk-17-jdk-headless",
    "javac": "apt-get install openjdk-17-jdk-headless",
    "kustomize": "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    "mvn": "apt-get install maven",
    "node": "apt-get install nodejs npm",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "terraform": "see terraform.io",
    "unshare": "apt-get install util-linux",
}
_PACKAGES: Final = dict.fromkeys(("@kubernetes-models", "axe-core", "kinesis-local", "typescript"), _FROM_NPM)
"""What `node` runs, or a browser."""

_AND: Final = "; "
_MAY_SKIP: Final = "TESTS_SKIP_NOTHING"
_needed: frozenset[str] = frozenset()
"""By the test that runs now."""


def program(name: str) -> str:
    """The path of a program that the test which runs now is marked to need."""
    assert name in _needed, f'mark the test with @pytest.mark.needs("{name}"): else it is started for nothing'
    found = _program(name)
    assert found is not None, f"{name} was there when the test began"
    return found


def missing(names: Iterable[str]) -> list[str]:
    """What of `names` is not installed, each with what installs it."""
    return [f"{name} is not installed: {_how(name)}" for name in names if not _is_there(name)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for what a test needs, before its first fixture."""
    global _needed  # noqa: PLW0603  there is one test at a time in a process
    _needed = frozenset(name for mark in item.iter_markers("needs") for name in mark.args)
    reasons = missing(sorted(_needed))
    if reasons and os.environ.get(_MAY_SKIP):
        pytest.fail(_AND.join(reasons), pytrace=False)
    if reasons:
        pytest.skip(_AND.join(reasons))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Tell at the end what was left out, a line a reason."""
    skipped = terminalreporter.getreports("skipped")
    if not skipped:
        return
    tests = Counter(reason for report in skipped for reason in _reasons(report.longrepr))
    terminalreporter.section(f"{len(skipped)} tests were skipped: what they need is not on this machine")
    for reason, count in tests.most_common():
        terminalreporter.write_line(f"{count:5}  {reason}")
    terminalreporter.write_line(f"{_MAY_SKIP}=1 makes each of them a failure.")


def _reasons(longrepr: object) -> list[str]:
    """Of a skipped test's report, which is a file, a line and a text."""
    told = longrepr[2] if isinstance(longrepr, tuple) else longrepr
    return str(told).removeprefix("Skipped: ").split(_AND)


def _how(name: str) -> str:
    return _PACKAGES.get(name) or _INSTALLED_BY[name]


def _is_there(name: str) -> bool:
    if name in _PACKAGES:
        return (NODE_MODULES / name).is_dir()
    return _program(name) is not None


def _program(name: str) -> str | None:
    # Some shells leave out where root's programs are, and where Go installs to.
    places = [os.environ.get("PATH", ""), str(Path.home() / "go/bin"), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))
