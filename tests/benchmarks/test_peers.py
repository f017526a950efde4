"""The peers do the same work as the processor, so that comparing them is fair."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from benchmarks import report
from benchmarks.end_to_end.contender import Processor, Task
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import scene
from benchmarks.end_to_end.throughput import measure
from benchmarks.peers import flink_job, plain, quix
from benchmarks.peers.contenders import made, makers
from benchmarks.peers.flink_job import FLINK, FLINK_ROCKSDB, FlinkJob, flink_jars
from benchmarks.peers.plain_script import PlainScript
from benchmarks.peers.prepared import PeerUnavailableError, peers_cache
from benchmarks.peers.quix_streams import QuixStreams
from benchmarks.peers.redpanda_connect import (
    AT_THE_OUTPUT,
    RedpandaConnect,
    choosing,
    filtering,
    find_connect,
)
from benchmarks.scaling import SWEEPS
from benchmarks.tables import figures_of
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


@pytest.mark.needs("java", "javac", "mvn")
def test_the_flink_job_exports_what_the_core_exports(tmp_path: Path) -> None:
    events = lives()
    assert exports_of_flink(tmp_path, events) == exports_of_the_core(events)


@pytest.mark.needs("java", "javac", "mvn")
def test_the_flink_job_goes_on_after_what_it_cannot_read(tmp_path: Path) -> None:
    born, *_ = Workload(_SHAPE).births()
    broken = [
        born._replace(value=value)
        for value in (b'{"person":{"email":"broken', b'{"segmentMembership":[],"identityMap":{}}', b"[]", b"")
    ]
    assert [bool(export) for export in exports_of_flink(tmp_path, [*broken, born, *broken, born])] == [
        *[False] * len(broken),
        True,
        *[False] * len(broken),
        False,
    ]


@pytest.mark.needs("java", "javac", "mvn")
@pytest.mark.integration
@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_the_flink_job_exports_all_of_a_topic(backend: str) -> None:
    with scene(Cpus.shared()) as stage:
        topic = stage.fill(_SHAPE, 3000)
        run = measure(FlinkJob(flink_jars(), backend=backend), stage, topic, _SHAPE)
    assert run.missing_records == 0
    assert run.changelog_bytes_an_event == 0
    assert run.state_bytes_a_profile > 0


def exports_of_flink(home: Path, events: list[Event]) -> list[Any]:
    lines = home / "events"
    lines.write_bytes(b"".join(b"%b\t%b\n" % (event.key, event.value) for event in events))
    mapped = ["--segments", ",".join(_SHAPE.segment_ids[: _SHAPE.segments_mapped])]
    mapped += ["--attributes", ",".join(_SHAPE.attribute_paths)]
    command = ["java", "-cp", f"{flink_jars()}/*", "peers.DiffOfFile", "--events", str(lines), *mapped]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return [orjson.loads(line) if line else None for line in told.split(b"\n")[:-1]]


@pytest.mark.parametrize(
    "contender",
    [
        Processor(),
        PlainScript(),
        QuixStreams(Path("python")),
        FlinkJob(Path("jars")),
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
    with pytest.raises(PeerUnavailableError, match="not on the PATH: redpanda-connect"):
        find_connect()
    binary = tmp_path / "redpanda-connect"
    binary.touch()
    binary.chmod(0o755)
    assert find_connect() == binary


def test_a_peer_that_cannot_be_had_is_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    own, *_ = makers()
    assert [contender.name for contender in made([own, FLINK, FLINK_ROCKSDB])] == [own]
    assert capsys.readouterr().out == (
        "left out: Flink; Flink, state in RocksDB: "
        "not on the PATH: java, javac, mvn (apt-get install openjdk-17-jdk-headless maven)\n"
    )


@pytest.mark.needs("java", "javac", "mvn")
def test_a_build_that_fails_leaves_flink_out_and_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(flink_job, "_BUILD", ("mvn", "--batch-mode", "--offline", "no-such-phase"))
    with pytest.raises(PeerUnavailableError, match="no-such-phase"):
        flink_jars()
    assert list(peers_cache().iterdir()) == []


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


def test_the_readme_says_of_flink_what_was_measured() -> None:
    figures = figures_of("flink")
    times, contenders = figures["times"], figures["contenders"]
    warm, with_broker = (
        times[f"events_per_cpu_s{which}warm"][FLINK]["median"] for which in ("_", "_with_broker_")
    )
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"{warm:.1f} times the events a CPU-second, {with_broker:.1f} times with the broker's CPU counted"
        in readme
    )
    ours, theirs = (contenders[name]["throughput"]["peak_mib_all"]["median"] for name in ("processor", FLINK))
    assert ours * 3 < theirs
