"""The folders of `processor/`, top to bottom, as `docs/architecture.md` draws them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import processor

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(processor.__file__).parent
MODULES = {
    ".".join(("processor", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
LAYERS = (
    "reference",
    "cli",
    "demo",
    "supervisor",
    "service",
    "api",
    "operations",
    "worker",
    "backfill",
    "web",
    "kafka",
    "kinesis",
    "state",
    "telemetry",
    "definition",
    "flow_service",
    "configuration",
    "profile",
    "governance",
    "waiting",
    "embedded",
    "settings",
    "native",
    "errors",
)
"""Imports point down this list only, those for types and those within functions as well."""
STRANGERS = ("kafka", "kinesis", "state")
"""Edges that do not know each other, though one of them must stand above another in a list."""
PURE = ("processor.profile", "processor.governance")
PURE_MAY_IMPORT = {
    "__future__", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum", "functools",
    "itertools", "json", "math", "msgspec", "mypy_extensions", "operator", "orjson", "processor", "pydantic", "re",
    "struct", "types", "typing", "xxhash",
}  # fmt: skip
PURE_MAY_NAME = {
    "processor.governance.destination": {"pathlib"},  # the place of a key's file, which others read
    "processor.profile.unexpected": {"pathlib", "traceback"},  # names of source files, in a trace
}
PURE_MAY_USE = (*PURE, "processor.errors", "processor.native")
LINES_MAX = 450


def imports(path: Path) -> set[str]:
    """Every module that a file imports, whatever for and wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                within_it = f"{node.module}.{alias.name}"
                found.add(within_it if within_it in MODULES else node.module)
    return found


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def layer_of(module: str) -> str | None:
    """None of the package itself, of what starts it, and of the library that is no source."""
    _, _, rest = module.partition(".")
    return None if rest in {"", "__main__", "_native"} else rest.partition(".")[0]


def modules_of(*packages: str) -> list[str]:
    return [name for name in MODULES if any(name == each or name.startswith(each + ".") for each in packages)]


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {layer_of(name) for name in MODULES} - {None} == set(LAYERS)


def test_the_page_draws_the_folders_in_that_order() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = page.partition("## The tree")[2].partition("## ")[0]
    drawn = re.findall(r"^\| `processor/(\w+)(?:/|\.py)` \|", tree, re.MULTILINE)
    assert drawn == list(LAYERS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    layer = layer_of(name)
    if layer is None:
        return
    for imported in IMPORTS[name]:
        other = layer_of(imported) if imported.partition(".")[0] == "processor" else None
        if other is not None and other != layer:
            assert LAYERS.index(other) > LAYERS.index(layer), f"{name} imports {imported}"
            assert not {other, layer} <= set(STRANGERS), f"{name} imports {imported}"


def test_no_module_is_in_a_circle() -> None:
    graph = {name: {each for each in found if each in MODULES} for name, found in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("name", modules_of(*PURE))
def test_the_core_is_pure(name: str) -> None:
    for imported in IMPORTS[name]:
        assert imported.partition(".")[0] in PURE_MAY_IMPORT | PURE_MAY_NAME.get(name, set()), (
            f"{name} imports {imported}"
        )
        if imported.startswith("processor"):
            assert imported in modules_of(*PURE_MAY_USE), f"{name} imports {imported}"


@pytest.mark.parametrize("name", modules_of(*PURE))
def test_the_core_has_no_clock_no_files_and_no_chance(name: str) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute))
    }
    assert not called & {"open", "now", "today", "utcnow", "print", "input", "random"}, name


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_small_and_say_what_they_are(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert name == "processor.__main__" or ast.get_docstring(ast.parse(text)), f"{name} has no docstring"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["replay", "-", "--destination", "deploy/compose/destination.yaml"]],
    ids=" ".join,
)
def test_help_and_a_dry_run_load_neither_kafka_nor_aws(arguments: list[str]) -> None:
    script = (
        "import json, sys\n"
        "from processor.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
        stdin=subprocess.DEVNULL,
    )
    loaded = set(json.loads(ended.stderr.splitlines()[-1]))
    assert not loaded & {"aiokafka", "aiobotocore", "botocore", "prometheus_client", "aiohttp", "rocksdict"}


def written(name: str) -> Iterator[tuple[int, str]]:
    """Attributes of anything but `self` that a module writes: the line, and the attribute."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        else:
            continue
        for target in targets:
            for each in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                place = each.value if isinstance(each, ast.Subscript) else each
                if isinstance(place, ast.Attribute) and ast.unparse(place.value) not in {"self", "cls"}:
                    yield node.lineno, place.attr


def declared(name: str) -> set[str]:
    """The attributes of a module's own classes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) == "self"
        ):
            found.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            found |= {
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            }
    return found


DECLARED = {name: declared(name) for name in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_nobody_assigns_attributes_of_another_module_s_objects(name: str) -> None:
    for line, attribute in written(name):
        owners = {other for other, attributes in DECLARED.items() if attribute in attributes}
        assert name in owners or not owners, f"{name}:{line} writes {attribute}, which is of {sorted(owners)}"
