"""`processor replay --backfill-from`: what a change of the files would export of each profile's latest event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from processor.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

FORMER = "{name: d, connection: {region: eu-west-1}, stream: s, marketingActions: [], segments: [{id: one}]}"
NEW = FORMER.replace("[{id: one}]", "[{id: one}, {id: two}]")
AT_MS = 1_590_000_000_000


def event(key: str, *segments: str, **members: Any) -> dict[str, Any]:
    entry = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
    entries = dict.fromkeys(segments, entry)
    return {"key": key, "timestamp": 0, "value": {"segmentMembership": {"ups": entries}}, **members}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "former.yaml").write_text(FORMER)
    (tmp_path / "new.yaml").write_text(NEW)
    return tmp_path


def preview(*options: str, events: list[dict[str, Any]]) -> Result:
    lines = "".join(json.dumps(each) + "\n" for each in events)
    arguments = ["replay", "--destination", "new.yaml", "--backfill-from", "former.yaml", *options, "-"]
    return CliRunner().invoke(app, arguments, input=lines)


def numbers(result: Result) -> list[int]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["event"] for line in result.stdout.splitlines()]


def test_only_what_differs_is_printed_by_each_profile_s_latest_event_in_their_order(folder: Path) -> None:
    events = [
        event("p1", "two"),
        event("p2", "one", "two"),
        event("p3", "one"),
        event("p1", "one", "two"),
        event("p4", "two", valueText="{"),
    ]
    result = preview(events=events)
    assert numbers(result) == [1, 3]
    statuses = [
        {id_: entry["status"] for id_, entry in json.loads(line)["data"]["segmentMembership"]["ups"].items()}
        for line in result.stdout.splitlines()
    ]
    assert statuses == [{"one": "existing", "two": "realized"}] * 2
    assert "2 of 4 profiles would be exported; 1 stay" in result.stderr


def test_valid_until_is_compared_with_the_time_of_the_change(folder: Path) -> None:
    until = event("p1", "two")
    until["value"]["segmentMembership"]["ups"]["two"]["validUntil"] = "2020-05-20T00:00:00Z"
    assert numbers(preview("--backfill-at", str(AT_MS - 10**9), events=[until])) == [0]
    assert numbers(preview("--backfill-at", str(AT_MS), events=[until])) == []
    assert numbers(preview(events=[until])) == []


def test_what_governance_forbids_from_now_on_leaves(folder: Path) -> None:
    (folder / "governance.yaml").write_text("labels: {segments: [{id: one, labels: [C12]}]}")
    result = preview("--governance", "governance.yaml", events=[event("p1", "one"), event("p2", "two")])
    assert numbers(result) == [0, 1]
    assert '"status":"exited"' in result.stdout.splitlines()[0].replace(" ", "")
    both = "--governance", "governance.yaml", "--backfill-from-governance", "governance.yaml"
    assert numbers(preview(*both, events=[event("p1", "one")])) == []


def test_both_destinations_are_checked_and_each_problem_names_its_file(folder: Path) -> None:
    (folder / "former.yaml").write_text(FORMER.replace("stream: s", "stream: a/b"))
    (folder / "new.yaml").write_text(NEW.replace("eu-west-1", "7"))
    result = preview(events=[])
    assert result.exit_code == 78
    assert "former.yaml:1: stream" in result.stderr
    assert "new.yaml:1: connection.region" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--backfill-at", "1"],
        ["--backfill-from-governance", "governance.yaml"],
        ["--backfill-from", "former.yaml", "--dead-letters", "letters"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_a_mistake(folder: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["replay", "--destination", "new.yaml", *options, "-"], input="")
    assert result.exit_code == 2
    assert not (folder / "letters").exists()


def test_a_change_that_no_view_depends_on_is_named_as_such(folder: Path) -> None:
    (folder / "new.yaml").write_text(FORMER.replace("name: d", "name: renamed"))
    result = preview(events=[event("p1", "one")])
    assert numbers(result) == []
    assert "show the destination the same" in result.stderr
    (folder / "new.yaml").write_text(NEW)
    assert "show the destination the same" not in preview(events=[]).stderr
