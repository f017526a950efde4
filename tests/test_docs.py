"""The docs name what there is: metrics, variables, commands, options, paths, links; and what there is, is in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from processor.errors import Reason
from processor.reference.commands import commands
from processor.settings import GROUPS, PREFIX, SECRETS, variables
from processor.telemetry.metrics import BATCH_EVENTS_SIZE, METRICS
from processor.worker.partition import _RECORDS_AT_ONCE
from tests.support.rules import ALERTS, RECORDED, anchors, exposed

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
TEXTS: Final = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
VARIABLES: Final = {name for group in GROUPS for name in variables(group)} | {
    name + "_FILE" for name in SECRETS
}
TARGETS: Final = set(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)
COMMANDS: Final = {command.name: command for command in commands()}
OPERATIONS: Final = TEXTS["docs/operations.md"]

NO_PATHS: Final = {"deploy/processor"}
"""A Deployment, as kubectl writes it."""


def unwrapped(text: str) -> str:
    """The text with what is broken over lines joined."""
    return re.sub(r"\s*\n\s*", " ", text)


def code(text: str) -> list[str]:
    """What stands between backticks within a line of prose, and the lines of console blocks that are typed."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    typed = [
        line.removeprefix("$ ").partition("  #")[0]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*typed, *re.findall(r"`([^`]+)`", unwrapped(prose))]


def told(page: str, found: set[str]) -> str:
    return f"{page} names what there is not: {', '.join(sorted(found))}"


@pytest.mark.parametrize("page", TEXTS)
def test_every_metric_that_a_page_names_is_exposed(page: str) -> None:
    named = set(re.findall(r"\bprocessor_[a-z0-9_]+|\bprocessor:[a-z][a-z0-9_:]*", TEXTS[page]))
    stems = {name for name in named if name.endswith("_")}  # written `processor_shard_*`
    assert all(any(each.startswith(stem) for each in exposed()) for stem in stems), told(page, stems)
    unknown = (
        named
        - stems
        - exposed()
        - {metric.name for metric in METRICS.values() if metric.kind == "histogram"}
        - RECORDED
    )
    assert not unknown, told(page, unknown)


@pytest.mark.parametrize("page", TEXTS)
def test_every_variable_that_a_page_names_is_a_setting(page: str) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*", TEXTS[page]))
    of_tests = {name for name in named if name.startswith(PREFIX + "TEST_")}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    sources += (ROOT / "Makefile").read_text(encoding="utf-8")
    unknown = {name for name in of_tests if name not in sources}
    for name in named - of_tests:
        known = any(each.startswith(name) for each in VARIABLES) if name.endswith("_") else name in VARIABLES
        unknown |= set() if known else {name}
    assert not unknown, told(page, unknown)


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_that_a_page_names_is_one_with_its_options(page: str) -> None:
    for text in code(TEXTS[page]):
        for typed in re.findall(r"(?:^|[;&|] ?)processor ([a-z].*)", text):
            words = re.sub(r"[\[\]]", "", typed).split()
            groups = {name.partition(" ")[0] for name in COMMANDS if " " in name}
            name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
            if words[0] in groups and len(words) == 1:
                continue
            assert name in COMMANDS, told(page, {f"processor {typed}"})
            options = {part.partition("=")[0] for part in words if part.startswith("--")}
            unknown = (
                options - {each for option in COMMANDS[name].options for each in option.opts} - {"--help"}
            )
            assert not unknown, told(page, {f"processor {name} {each}" for each in unknown})
        for target in re.findall(r"(?:^|[;&|] ?)make ([a-z-]+)", text):
            assert target in TARGETS, told(page, {f"make {target}"})


@pytest.mark.parametrize("page", TEXTS)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    missing = set()
    for text in code(TEXTS[page]):
        for named in re.findall(r"(?:^|\s)([\w.-]+(?:/[\w.*-]+)+/?)(?=$|[\s,:])", text):
            if named.partition("/")[0] in tops and named not in NO_PATHS:
                found = list(ROOT.glob(named.rstrip("/"))) if "*" in named else [ROOT / named]
                missing |= set() if found and all(path.exists() for path in found) else {named}
        if re.fullmatch(r"[a-z_]+\.py", text):
            missing |= set() if any(ROOT.glob(f"*/**/{text}")) else {text}
    assert not missing, told(page, missing)


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_somewhere(page: str) -> None:
    here = ROOT / page
    dead = set()
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        leads_to = here if not path else here.parent / path
        if not leads_to.exists() or (
            anchor
            and leads_to.suffix == ".md"
            and anchor not in anchors(leads_to.read_text(encoding="utf-8"))
        ):
            dead.add(target)
    assert not dead, told(page, dead)


def test_all_metrics_variables_and_commands_are_in_the_docs() -> None:
    documented = set(re.findall(r"^\| `(processor_[a-z0-9_]+)` ", TEXTS["docs/metrics.md"], re.MULTILINE))
    assert documented == {metric.exposed_name for metric in METRICS.values()}
    documented = set(
        re.findall(r"^\| `(PROCESSOR_[A-Z0-9_]+)` ", TEXTS["docs/configuration.md"], re.MULTILINE)
    )
    assert documented == VARIABLES - {name + "_FILE" for name in SECRETS}
    sections = dict(
        re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXTS["docs/commands.md"], re.MULTILINE | re.DOTALL)
    )
    assert set(sections) == set(COMMANDS)
    for name, command in COMMANDS.items():
        for option in command.options:
            assert f"`{option.opts[0]}" in sections[name]


def test_the_changelog_names_every_command() -> None:
    listed = " ".join(re.findall(r"`([^`]+)`", unwrapped(TEXTS["CHANGELOG.md"])))
    for name in COMMANDS:
        group, _, last = name.rpartition(" ")
        assert re.search(rf"\b{group} (\w+ \| )*{last}\b" if group else rf"\b{name}\b", listed), name


def test_the_run_book_has_every_alert_condition_and_reason() -> None:
    headings = set(re.findall(r"^### (Processor\w+)", OPERATIONS, re.MULTILINE))
    assert headings == set(ALERTS)
    rows = OPERATIONS[OPERATIONS.index("## Conditions") : OPERATIONS.index("## Alerts")]
    documented = set(re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| (`[^|]+) \|", rows, re.MULTILINE))))
    named = set()
    for module in (ROOT / "processor").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        named |= set(re.findall(r'unhealthy\(\s*"([a-z -]+)"', text))
        named |= set(re.findall(r'conditions\["([a-z -]+)"\]', text))
        named |= set(re.findall(r'_report\("([a-z -]+)"', text))
        named |= set(re.findall(r'\.connected\(\s*"([a-z]+)"', text))
        if "unhealthy(CONDITION" in text:
            named |= set(re.findall(r'^CONDITION: Final = "([a-z -]+)"', text, re.MULTILINE))
    assert named <= documented, f"conditions without a row: {sorted(named - documented)}"
    assert documented - named <= {"starting"}, f"rows of no condition: {sorted(documented - named)}"
    for reason in Reason:
        assert f"`{reason}`" in OPERATIONS


def test_the_last_bound_of_a_batchs_events_is_the_largest_batch() -> None:
    assert BATCH_EVENTS_SIZE.bounds[-1] == _RECORDS_AT_ONCE
