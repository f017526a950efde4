"""Every case of tests/vectors, through the core and through `processor replay`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from processor.cli.app import app
from processor.configuration import parse_configuration
from processor.errors import InvalidEvent
from processor.governance.plan import compile_plan
from processor.profile.core import Core

ALL = sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))
BACKFILLS = [path for path in ALL if path.name.startswith("backfill-")]
VECTORS = [path for path in ALL if path not in BACKFILLS]


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text())
    return case


def core_for(case: dict[str, Any]) -> Core:
    governance = case.get("governance")
    return Core(
        compile_plan(
            *parse_configuration(
                (json.dumps(case["destination"]), "destination.yaml"),
                (json.dumps(governance), "governance.yaml") if governance else None,
                {},
            )
        )
    )


def test_all_vectors_are_there() -> None:
    assert (len(VECTORS), len(BACKFILLS)) == (48, 12)
    for path in ALL:
        assert ("from" in load(path)) == (path in BACKFILLS), path.stem


def value_of(event: dict[str, Any]) -> bytes | None:
    if "valueText" in event:
        return str(event["valueText"]).encode()
    return None if event["value"] is None else json.dumps(event["value"]).encode()


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_core_exports_and_refuses_what_the_vector_says(path: Path) -> None:
    case = load(path)
    core = core_for(case)
    states: dict[bytes, bytes | None] = {}
    exports, letters = [], []
    for index, event in enumerate(case["events"]):
        key = event["key"].encode()
        headers = [(name, text.encode()) for name, text in event.get("headers", {}).items()]
        try:
            transition = core.apply(
                key,
                value_of(event),
                headers,
                timestamp_ms=event["timestamp"],
                offset=index,
                state=states.get(key),
            )
        except InvalidEvent as error:
            letters.append({"event": index, "reason": error.reason.value})
            continue
        if transition.state is not None:
            states[key] = transition.state
        if transition.export is not None:
            data = json.loads(transition.export.data)
            exports.append({"event": index, "partitionKey": transition.export.partition_key, "data": data})
    # As text: the order of members counts.
    assert json.dumps(exports) == json.dumps(case["exports"])
    assert letters == case["deadLetters"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_replay_prints_what_the_vector_says(path: Path, tmp_path: Path) -> None:
    case = load(path)
    (tmp_path / "destination.yaml").write_text(json.dumps(case["destination"]))
    (tmp_path / "governance.yaml").write_text(json.dumps(case.get("governance") or {}))
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in case["events"]))
    letters = tmp_path / "letters.jsonl"
    result = CliRunner().invoke(
        app,
        [
            "replay",
            f"--destination={tmp_path / 'destination.yaml'}",
            f"--governance={tmp_path / 'governance.yaml'}",
            f"--dead-letters={letters}",
            str(events),
        ],
    )
    assert result.exit_code == 0, result.output
    exports = [json.loads(line) for line in result.stdout.splitlines()]
    assert json.dumps(exports) == json.dumps(case["exports"])
    told = [json.loads(line) for line in letters.read_text().splitlines()]
    assert all([*letter] == ["event", "reason", "detail"] and letter["detail"] for letter in told)
    assert [{"event": letter["event"], "reason": letter["reason"]} for letter in told] == case["deadLetters"]


@pytest.mark.parametrize("path", BACKFILLS, ids=lambda path: path.stem)
def test_the_preview_of_a_backfill_prints_what_the_vector_says(path: Path, tmp_path: Path) -> None:
    case = load(path)
    written = {
        "destination": case["destination"],
        "governance": case.get("governance") or {},
        "from": case["from"]["destination"],
        "from-governance": case["from"].get("governance") or {},
    }
    for name, tree in written.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps(tree))
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in case["events"]))
    result = CliRunner().invoke(
        app,
        [
            "replay",
            f"--destination={tmp_path / 'destination.yaml'}",
            f"--governance={tmp_path / 'governance.yaml'}",
            f"--backfill-from={tmp_path / 'from.yaml'}",
            f"--backfill-from-governance={tmp_path / 'from-governance.yaml'}",
            f"--backfill-at={case['at']}",
            str(events),
        ],
    )
    assert result.exit_code == 0, result.output
    exports = [json.loads(line) for line in result.stdout.splitlines()]
    assert json.dumps(exports) == json.dumps(case["exports"])
    assert case["deadLetters"] == []
    assert f"{len(exports)} of " in result.stderr
