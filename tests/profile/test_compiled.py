"""Which build is tested, and when the compiled core runs."""

import os
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

import processor
from processor import native
from processor.governance.document import Governance
from processor.governance.plan import Plan
from processor.profile.core import Core
from tests.support.failing_core import ONE_SEGMENT

CRATE = Path(__file__).parents[2] / "native" / "Cargo.toml"


def test_the_build_is_the_one_asked_for() -> None:
    # A library left beside the sources would be tested in their place.
    assert ("compiled" if "TESTS_COMPILED" in os.environ else "plain") == native.CORE


def test_a_plan_is_followed_by_that_build() -> None:
    assert (Core(Plan(ONE_SEGMENT, Governance())).compiled is not None) == ("TESTS_COMPILED" in os.environ)


def test_its_wheel_is_for_every_python_of_this_platform_and_the_plain_one_for_all() -> None:
    told = distribution("profile-export-processor").read_text("WHEEL")
    assert told is not None
    (tag,) = re.findall(r"^Tag: (.*)$", told, flags=re.MULTILINE)
    if "TESTS_COMPILED" in os.environ:
        assert tag.startswith("cp311-abi3-")
    else:
        assert tag == "py3-none-any"


def test_the_crate_and_the_package_have_one_version() -> None:
    assert tomllib.loads(CRATE.read_text())["package"]["version"] == processor.__version__


def ours() -> str:
    return processor.__version__


def absent() -> str:
    raise ModuleNotFoundError("No module named 'processor._native'")


def of_a_newer_libc() -> str:
    raise ImportError("version `GLIBC_2.39' not found")


def never_looked_at() -> str:
    raise AssertionError("it is ruled out, and is not loaded")


def test_it_runs_where_the_build_has_it() -> None:
    assert native.found({}, ours) == native.Found(is_usable=True)


def test_a_build_without_it_is_no_problem() -> None:
    assert native.found({}, absent) == native.Found(is_usable=False)


def test_an_operator_rules_it_out_before_it_is_loaded() -> None:
    assert native.found({"PROCESSOR_CORE": "plain"}, never_looked_at) == native.Found(is_usable=False)


@pytest.mark.parametrize(
    ("version_of_library", "why"),
    [
        (of_a_newer_libc, "it cannot be loaded: version `GLIBC_2.39' not found"),
        (lambda: "0.0.9", f"it is of version 0.0.9, the service {processor.__version__}"),
    ],
)
def test_one_that_is_there_and_cannot_be_used_is_a_problem_with_its_remedy(
    version_of_library: native.VersionOfLibrary, why: str
) -> None:
    usable, problem = native.found({}, version_of_library)
    assert not usable
    assert problem is not None
    assert why in str(problem)
    assert "PROCESSOR_CORE=plain" in problem.remedy
