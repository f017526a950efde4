"""`processor backfill`, as a user types it where there is no Kafka."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING, cast

import pytest
import typer
from typer.testing import CliRunner

from processor.backfill.messages import Reported
from processor.cli import backfill
from processor.cli.app import app
from processor.cli.backfill import _unless_ended
from processor.errors import KafkaUnavailable
from processor.operations import backfill_requests
from processor.operations.backfill_requests import BackfillView, PartitionView
from tests.support.cli_files import ENVIRON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from typer.testing import Result

    from processor.operations.backfill_dry_run_figures import DryRunFigures
    from processor.settings import Settings
    from processor.telemetry.backfills import Stage

DESTINATION = "name: n\nconnection: {region: r}\nstream: s\nmarketingActions: []\nsegments: [{id: one}]\nattributes: []\n"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "destination.yaml").write_text(DESTINATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("PROCESSOR_")]:
        monkeypatch.delenv(name)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backfill", *arguments], env=ENVIRON)


@pytest.mark.parametrize("arguments", [[], ["status"], ["status", "--wait"], ["--dry-run"]])
def test_where_kafka_does_not_answer_that_is_one_line_and_code_1(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 1
    assert "none of the servers answers (127.0.0.1:1)" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--json"], "--json is of no use without --dry-run"),
        (["--destination", "destination.yaml"], "--destination is of no use without --dry-run"),
        (["--governance", "g.yaml"], "--governance is of no use without --dry-run"),
        (["--dry-run", "--by", "us"], "--by is of no use with --dry-run"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(arguments: list[str], reported: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert reported in " ".join(result.stderr.replace("│", " ").split())


def test_files_that_are_wrong_are_reported_before_anything_is_connected() -> None:
    result = call("--dry-run", "--destination", "absent.yaml")
    assert result.exit_code == 78
    assert "absent.yaml" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_dry_run_that_is_reported_to_end_cleans_up_first(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> DryRunFigures:
        try:
            signal.raise_signal(number)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return cast("DryRunFigures", None)

    with pytest.raises(typer.Exit) as ended:
        asyncio.run(_unless_ended(work()))
    assert ended.value.exit_code == 1
    assert cleaned == [True]


def test_who_waits_for_a_backfill_waits_through_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    away = KafkaUnavailable("away")
    script: list[list[BackfillView | KafkaUnavailable]] = [
        [view("running"), away],
        [away],
        [view("complete")],
        [away],
    ]
    lives = iter(script)

    async def views(_: Settings) -> AsyncIterator[BackfillView]:
        for each in next(lives):
            if isinstance(each, KafkaUnavailable):
                raise each
            yield each

    async def members(_: Settings) -> int:
        return 1

    monkeypatch.setattr(backfill_requests, "backfill_views", views)
    monkeypatch.setattr(backfill_requests, "members_if_known", members)
    monkeypatch.setattr(backfill, "_AGAIN_S", 0.0)
    result = call("status", "--wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["isDone"]
    assert "complete: 0 of 1 partitions" in result.stderr
    assert "away; trying again" in result.stderr
    assert call("status", "--wait").exit_code == 1, "what never answered is reported"


def view(stage: Stage) -> BackfillView:
    return BackfillView(None, [PartitionView(0, Reported(stage, "new", 1), has_heeded=True)])
