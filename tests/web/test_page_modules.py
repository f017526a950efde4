"""The page's modules as a compiler reads them: nobody else would, for there is no build step."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from processor import web
from tests.support.needs import NODE_MODULES, program

pytestmark = [pytest.mark.needs("node", "typescript")]

MAIN: Final = Path(web.__file__).with_name("page") / "main.js"
# Without types written down, a member of an element, or of what an API answers, is none that the compiler could know.
UNKNOWABLE: Final = {"TS2339", "TS2367"}
PROBLEM: Final = re.compile(r"^(\S+)\(\d+,\d+\): error (TS\d+): (.*)$", re.MULTILINE)


def problems(main: Path) -> list[str]:
    """What the compiler finds wrong in a module, and in all that it leads to."""
    command = [
        *(program("node"), str(NODE_MODULES / "typescript" / "bin" / "tsc")),
        *("--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--module", "es2022"),
        *("--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable", str(main)),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [f"{file} {code} {text}" for file, code, text in PROBLEM.findall(told) if code not in UNKNOWABLE]


def test_every_name_is_there_and_every_function_is_called_as_it_is_made() -> None:
    assert problems(MAIN) == []


def test_a_name_that_is_not_there_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "other.js").write_text("export const one = (value) => value;\n")
    (tmp_path / "main.js").write_text(
        'import { one, two } from "./other.js";\n'
        "let later = 1;\n"
        "export const used = [one(1, 2), missing, two, later];\n"
        "const fixed = 1;\n"
        "fixed = 2;\n"
    )
    codes = [each.split()[1] for each in problems(tmp_path / "main.js")]
    assert codes == ["TS2305", "TS2554", "TS2304", "TS2588"]
