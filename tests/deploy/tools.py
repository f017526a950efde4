"""Where the files are, and the programs that some tests run and that Python's packages do not carry."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def program(name: str, how: str) -> str:
    """The path of a program; where it is not installed the test is skipped, or fails if it may not be."""
    places = [
        os.environ.get("PATH", ""),
        str(Path(sys.executable).parent),
        str(Path.home() / "go/bin"),
        "/usr/sbin",
    ]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found:
        return found
    reason = f"{name} is not installed: {how}"
    if os.environ.get("PROCESSOR_TEST_SKIP_NOTHING"):
        pytest.fail(reason)
    pytest.skip(reason)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_all(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]
