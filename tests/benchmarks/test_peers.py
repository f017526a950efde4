"""The peers do the same work as the processor, so that comparing them is fair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from benchmarks import report
from benchmarks.end_to_end.contender import Processor, Task
from benchmarks.peers import plain, quix
from benchmarks.peers.contenders import (
    AT_THE_OUTPUT,
    PlainScript,
    QuixStreams,
    RedpandaConnect,
    choosing,
    filtering,
    find_connect,
)
from benchmarks.scaling import SWEEPS
from benchmarks.workload import Shape, Workload, destination_text
from processor.configuration import parse_configuration
from processor.governance.plan import compile_plan
from processor.profile.core import Core

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Contender
    from benchmarks.workload import Event

_SHAPE = Shape(profiles=300)


def exports_of_the_core(events: list[Event]) -> list[Any]:
    text = destination_text(_SHAPE, "http://127.0.0.1:1")
    core = Core(compile_plan(*parse_configuration((text, "destination.yaml"), None, {})))
    states: dict[bytes, bytes] = {}
    found = []
    for offset, event in enumerate(events):
        told = core.apply(
            event.key,
            event.value,
            (),
            timestamp_ms=event.timestamp_ms,
            offset=offset,
            state=states.get(event.key),
        )
        if told.state is not None:
            states[event.key] = told.state
        found.append(None if told.export is None else orjson.loads(told.export.data))
    return found


def lives() -> list[Event]:
    workload = Workload(_SHAPE)
    return [*workload.births(), *workload.events(5000)]


def test_the_plain_script_exports_what_the_core_exports() -> None:
    events = lives()
    diff = plain.Diff(_SHAPE.segment_ids[: _SHAPE.segments_mapped], _SHAPE.attribute_paths)
    exports = [diff.export(event.key.decode(), orjson.loads(event.value)) for event in events]
    assert exports == exports_of_the_core(events)


def test_quix_streams_exports_what_the_core_exports() -> None:
    class State(dict[str, Any]):
        def set(self, name: str, value: Any) -> None:
            self[name] = orjson.loads(orjson.dumps(value))

    events, states = lives(), dict[bytes, State]()
    diff = quix.Diff(_SHAPE.segment_ids[: _SHAPE.segments_mapped], _SHAPE.attribute_paths)
    exports = [
        diff.export(orjson.loads(event.value), event.key, 0, [], states.setdefault(event.key, State()))
        for event in events
    ]
    assert exports == exports_of_the_core(events)


@pytest.mark.parametrize(
    "contender",
    [
        Processor(),
        PlainScript(),
        QuixStreams(Path("python")),
        RedpandaConnect(Path("redpanda-connect"), choosing),
        RedpandaConnect(Path("redpanda-connect"), filtering, name="filtering"),
        RedpandaConnect(Path("redpanda-connect"), choosing, AT_THE_OUTPUT, name="at the output"),
    ],
    ids=lambda contender: contender.name,
)
def test_every_contender_reads_the_same_topic_and_writes_to_the_same_endpoint(
    contender: Contender, tmp_path: Path
) -> None:
    task = Task("kafka:9092", "lives", "group", "http://endpoint:1", tmp_path, _SHAPE)
    start = contender.start(task)
    files = [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()]
    said = " ".join([*start.command, *start.environ.values(), *files])
    for what in ("kafka:9092", "lives", "group", "http://endpoint:1", *_SHAPE.attribute_paths):
        assert what in said
    for id_ in _SHAPE.segment_ids[: _SHAPE.segments_mapped]:
        assert id_ in said
    assert _SHAPE.segment_ids[-1] not in said


def test_redpanda_connect_is_found_on_the_path_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_connect() is None
    binary = tmp_path / "redpanda-connect"
    binary.touch()
    binary.chmod(0o755)
    assert find_connect() == binary


def test_runs_are_reported_by_median_and_spread() -> None:
    told = report.spread([{"a": 3.0, "b": 1200.4}, {"a": 1.0, "b": 1300.6}, {"a": 2.0, "b": 1250.0}])
    assert told["a"] == {"median": 2.0, "min": 1.0, "max": 3.0, "runs": [3.0, 1.0, 2.0]}
    assert told["b"]["runs"] == [1200, 1301, 1250]


def test_a_sweep_changes_one_thing() -> None:
    sizes = [point.shape for point in SWEEPS["event bytes"][1:]]
    assert len({(shape.segments, shape.segments_mapped, shape.attributes_mapped) for shape in sizes}) == 1
    assert [point.workers for point in SWEEPS["workers"]] == [1, 2, 4]
    assert {point.shape for point in SWEEPS["workers"]} == {Shape()}
    assert [point.shape.segments_mapped for point in SWEEPS["segments mapped"]] == [5, 20, 50, 150, 500]
