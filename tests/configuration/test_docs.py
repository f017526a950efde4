from __future__ import annotations

from pathlib import Path

from processor.reference.commands import command_reference
from processor.reference.configuration import configuration_reference
from processor.reference.metrics import metrics_reference

DOCS = Path(__file__).parents[2] / "docs"


def test_the_configuration_reference_is_the_one_that_the_code_generates() -> None:
    committed = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert committed == configuration_reference(), "run `make docs`"


def test_the_metrics_reference_is_the_one_that_the_code_generates() -> None:
    committed = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert committed == metrics_reference(), "run `make docs`"


def test_the_command_reference_is_the_one_that_the_code_generates() -> None:
    committed = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert committed == command_reference(), "run `make docs`"
