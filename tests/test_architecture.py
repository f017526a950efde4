"""The layers, as `docs/architecture.md` draws them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import processor

ROOT = Path(processor.__file__).parent
MODULES = {
    ".".join(("processor", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
PURE = ("processor.profile", "processor.governance")
PURE_MAY_IMPORT = {
    "__future__", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum", "functools",
    "itertools", "json", "math", "msgspec", "mypy_extensions", "operator", "orjson", "processor", "pydantic", "re",
    "struct", "typing", "xxhash",
}  # fmt: skip
PURE_MAY_USE = (*PURE, "processor.errors", "processor.governance.destination")
EDGES = ("processor.kafka", "processor.kinesis", "processor.state")
LINES_MAX = 450


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def modules_of(*packages: str) -> list[str]:
    return [name for name in MODULES if within(name, packages)]


@pytest.mark.parametrize("name", modules_of(*PURE))
def test_the_core_is_pure(name: str) -> None:
    for imported in imports(MODULES[name]):
        assert imported.partition(".")[0] in PURE_MAY_IMPORT, f"{name} imports {imported}"
        if imported.startswith("processor"):
            assert within(imported, PURE_MAY_USE), f"{name} imports {imported}"


@pytest.mark.parametrize("name", modules_of(*PURE))
def test_the_core_has_no_clock_no_files_and_no_chance(name: str) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute))
    }
    assert not called & {"open", "now", "today", "utcnow", "print", "input", "random"}, name


@pytest.mark.parametrize("edge", EDGES)
def test_kafka_kinesis_and_state_do_not_know_each_other(edge: str) -> None:
    others = tuple(other for other in EDGES if other != edge)
    for name in modules_of(edge):
        for imported in imports(MODULES[name]):
            assert not within(imported, others), f"{name} imports {imported}"


def test_nothing_below_the_pipeline_knows_it() -> None:
    above = ("processor.worker.pipeline", "processor.service.run", "processor.cli.app", "processor.demo")
    for name in modules_of(*PURE, *EDGES, "processor.configuration", "processor.telemetry"):
        for imported in imports(MODULES[name]):
            assert not within(imported, above), f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_small_and_say_what_they_are(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    assert name == "processor.__main__" or ast.get_docstring(ast.parse(text)), f"{name} has no docstring"
