"""Which build is tested: the compiled one where that is asked for, the sources alone otherwise."""

import importlib
import os
import tomllib
from pathlib import Path

import processor

CRATE = Path(__file__).parents[2] / "native" / "Cargo.toml"


def test_the_build_is_the_one_asked_for() -> None:
    # A library left beside the sources would be tested in their place.
    assert version_of_the_library() == (processor.__version__ if "TESTS_COMPILED" in os.environ else None)


def test_the_crate_and_the_package_have_one_version() -> None:
    assert tomllib.loads(CRATE.read_text())["package"]["version"] == processor.__version__


def version_of_the_library() -> str | None:
    try:
        library = importlib.import_module("processor._native")
    except ModuleNotFoundError:
        return None
    return str(library.version())
