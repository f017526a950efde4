"""The compiled core's own tests, and what it is made of: its sources alone."""

from __future__ import annotations

import subprocess
import tomllib
from typing import Final

import pytest

from tests.support.deploy_files import ROOT
from tests.support.needs import program

CRATE: Final = ROOT / "native"


@pytest.mark.needs("cargo")
def test_the_tests_of_its_own_parts_pass() -> None:
    command = [program("cargo"), "test", "--offline", "--locked", "--quiet"]
    done = subprocess.run(command, cwd=CRATE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_depends_on_no_other_crate() -> None:
    """So there is nothing to fetch, to lock or to look after; it is built without a network."""
    lock = tomllib.loads((CRATE / "Cargo.lock").read_text())
    assert [package["name"] for package in lock["package"]] == ["processor-native"]


def test_debian_12_s_cargo_reads_its_lock() -> None:
    assert tomllib.loads((CRATE / "Cargo.toml").read_text())["package"]["rust-version"] == "1.63"
    assert tomllib.loads((CRATE / "Cargo.lock").read_text())["version"] == 3
