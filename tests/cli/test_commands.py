"""The commands, as a user meets them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from processor import __version__
from processor.cli.app import app
from processor.kafka.dead_letter_reader import dead_letter_in
from processor.kafka.dead_letters import HEADER_PREFIX
from processor.native import CORE
from processor.operations.replay import replay
from processor.operations.text_table import time_text
from tests.support.cli_files import ENVIRON, GOVERNANCE
from tests.support.failing_core import SECRET, Record, core_that_fails, record

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

DESTINATION = """\
name: Loyalty exports
connection: {region: eu-west-1}
stream: profile-exports
marketingActions: [exportToThirdParty]
segments: [{id: one}, {id: two}]
attributes: [person.email, loyalty]
"""
EVENT = {
    "key": "p1",
    "timestamp": 0,
    "value": {
        "loyalty": {"points": 1.50},
        "person": {"email": "a@b"},
        "segmentMembership": {
            "ups": {"one": {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}}
        },
    },
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "destination.yaml").write_text(DESTINATION)
    (tmp_path / "governance.yaml").write_text(GOVERNANCE)
    (tmp_path / "events.jsonl").write_text(json.dumps(EVENT) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("PROCESSOR_")]:
        monkeypatch.delenv(name)
    return tmp_path


def call(*args: str, environ: dict[str, str] | None = None, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(args), env=environ, input=given)


def test_help_names_all_commands() -> None:
    text = call("--help").output
    for command in ("run", "validate", "replay", "demo", "version"):
        assert command in text
    assert call("version").output.strip() == f"{__version__} ({CORE} core)"


def test_without_a_command_help_is_shown() -> None:
    assert "Usage" in call().output


def test_validate_shows_what_is_kept_and_what_is_removed_and_why(files: Path) -> None:
    result = call("validate", "--governance", "governance.yaml", environ=ENVIRON)
    assert result.exit_code == 0
    (row,) = [line for line in result.output.splitlines() if "loyalty" in line]
    for word in ("attribute", "C2", "no", "Third parties", "exportToThirdParty"):
        assert word in row
    (row,) = [line for line in result.output.splitlines() if "ups/one" in line]
    assert "yes" in row


def test_paths_also_come_from_the_environment(files: Path) -> None:
    (files / "destination.yaml").rename(files / "d.yaml")
    environ = {
        **ENVIRON,
        "PROCESSOR_DESTINATION_FILE": "d.yaml",
        "PROCESSOR_GOVERNANCE_FILE": "governance.yaml",
    }
    result = call("validate", environ=environ)
    assert (result.exit_code, "Third parties" in result.output) == (0, True)


_STRUCK_WHILE_LOADED = """
import runpy, signal, sys, traceback

class Loader:
    def find_spec(self, name, path=None, target=None):
        if name != "processor.cli.app":
            return None
        try:
            signal.raise_signal(int(sys.argv.pop()))
        except BaseException as error:
            raise ImportError("as a library that is written in another language reports whatever is raised") from error

sys.meta_path.insert(0, Loader())
runpy.run_module("processor", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_asked_to_end_while_its_modules_are_loaded_ends_with_0(
    number: signal.Signals,
) -> None:
    command = [sys.executable, "-c", _STRUCK_WHILE_LOADED, "run", str(int(number))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("command", ["run", "validate"])
def test_problems_of_files_and_environment_are_printed_together_with_exit_code_78(
    files: Path, command: str
) -> None:
    (files / "destination.yaml").write_text(DESTINATION.replace("stream:", "straem:").replace("two", "one"))
    result = call(command, environ={"PROCESSOR_HTTP_PORT": "x", "PROCESSOR_LOG_FORMAT": "console"})
    assert result.exit_code == 78
    for printed in ("destination.yaml:3: straem", "destination.yaml:5: segments[1]", "PROCESSOR_HTTP_PORT"):
        assert printed in result.stderr
    # Where no environment is begun, `validate` is there for the files.
    assert ("PROCESSOR_KAFKA_TOPIC" in result.stderr) == (command == "run")
    assert f"{7 if command == 'run' else 4} problems; nothing was connected." in result.stderr
    assert "Traceback" not in result.stderr


def test_problems_are_json_lines_where_the_log_is(files: Path) -> None:
    (files / "destination.yaml").write_text(DESTINATION.replace("two", "one"))
    result = call("run", environ={"PROCESSOR_HTTP_PORT": "x"})
    assert result.exit_code == 78
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["member"] for line in lines][:1] == ["segments[1]"]
    assert "PROCESSOR_HTTP_PORT" in [line["member"] for line in lines]
    for line in lines:
        assert (line["level"], line["exit_code"]) == ("critical", 78)
        assert line["member"] in line["reason"]
        assert line["source"] in {"destination.yaml", "environment"}


def test_block_keeps_the_service_from_starting(files: Path) -> None:
    (files / "governance.yaml").write_text("enforcement: block\n" + GOVERNANCE)
    result = call("run", "--governance", "governance.yaml", environ=ENVIRON)
    assert result.exit_code == 78
    assert "destination.yaml:6: attributes[1]" in result.stderr


def test_validate_connect_says_what_does_not_answer(files: Path) -> None:
    (files / "destination.yaml").write_text(
        DESTINATION.replace("{region: eu-west-1}", "{region: r, connectionUrl: 'http://127.0.0.1:1', accessKeyId: a, secretKey: b}")
    )  # fmt: skip
    result = call("validate", "--connect", environ=ENVIRON)
    assert result.exit_code == 1
    assert result.output.count("✗") == 2
    assert "127.0.0.1:1" in result.output


@pytest.mark.parametrize(
    ("mechanism", "note"), [("PLAIN", "the password with it"), ("SCRAM-SHA-256", "but for the password")]
)
def test_validate_notes_once_what_goes_to_kafka_in_the_clear(files: Path, mechanism: str, note: str) -> None:
    environ = {
        **ENVIRON,
        "PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "PROCESSOR_KAFKA_SASL_MECHANISM": mechanism,
        "PROCESSOR_KAFKA_SASL_USER": "u",
        "PROCESSOR_KAFKA_SASL_PASSWORD": "p",
    }
    result = call("validate", environ=environ)
    assert result.output.count("In the clear") == 1
    assert note in result.output
    assert "In the clear" not in call("validate", environ=ENVIRON).output


@pytest.mark.parametrize("command", ["validate --connect", "state stats", "dead-letters list"])
def test_a_command_that_cannot_reach_kafka_says_so_in_its_own_words_alone(files: Path, command: str) -> None:
    environ = {**os.environ, **ENVIRON, "PROCESSOR_STATE_DIRECTORY": str(files / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "processor", *command.split()],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "none of the servers answers (127.0.0.1:1)" in printed
    assert "Unable" not in printed
    assert "AddressFamily" not in printed
    assert len(done.stderr.splitlines()) <= 1


def test_replay_prints_exports_with_the_bytes_of_the_core(files: Path) -> None:
    result = call("replay", "--destination", "destination.yaml", "events.jsonl")
    assert result.exit_code == 0
    line = json.loads(result.stdout)
    assert list(line) == ["event", "partitionKey", "data"]
    assert (line["event"], line["partitionKey"]) == (0, "p1")
    assert line["data"]["segmentMembership"]["ups"]["one"]["status"] == "realized"
    assert '"loyalty":{"points": 1.5}' in result.stdout


def test_replay_reads_standard_input_and_reports_dead_letters_on_standard_error(files: Path) -> None:
    events = "\n\n".join([json.dumps({**EVENT, "key": ""}), json.dumps(EVENT)])
    result = call("replay", "--destination", "destination.yaml", "-", given=events)
    assert json.loads(result.stdout)["event"] == 1
    assert result.stderr == '{"event":0,"reason":"bad-key","detail":"the key is empty"}\n'


def test_replay_writes_dead_letters_to_a_file(files: Path) -> None:
    (files / "events.jsonl").write_text(json.dumps({**EVENT, "valueText": "{"}))
    result = call("replay", "--destination", "destination.yaml", "--dead-letters", "letters", "events.jsonl")
    assert (result.stdout, result.stderr) == ("", "")
    dead_letter = json.loads((files / "letters").read_text())
    assert list(dead_letter) == ["event", "reason", "detail"]
    assert dead_letter["detail"].startswith("not JSON")


def test_replay_goes_on_after_an_event_that_the_core_fails_on() -> None:
    lines = [
        json.dumps(
            {
                "key": f"p{each.offset}",
                "timestamp": 0,
                "valueText": (each.value or b"").decode(),
                "headers": labels,
            }
        )
        for each, labels in (
            (record(0, "p"), {}),
            (record(1, "p"), {"duleLabels": "FAIL"}),
            (record(2, "p"), {}),
        )
    ]
    exports, dead_letters = io.BytesIO(), io.BytesIO()
    core = core_that_fails(RecursionError(SECRET))
    figures = replay(core, [line.encode() for line in lines], "events.jsonl", exports, dead_letters)
    assert figures == (3, 2, 1)
    assert [json.loads(line)["event"] for line in exports.getvalue().splitlines()] == [0, 2]
    dead_letter = json.loads(dead_letters.getvalue())
    assert (dead_letter["event"], dead_letter["reason"]) == (1, "internal")
    assert "RecursionError at " in dead_letter["detail"]
    assert SECRET not in dead_letter["detail"]


def test_replay_names_the_line_that_is_no_event(files: Path) -> None:
    (files / "events.jsonl").write_text(json.dumps(EVENT) + '\n{"key": 5}\n')
    result = call("replay", "--destination", "destination.yaml", "events.jsonl")
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 1
    assert "events.jsonl:2: key" in result.stderr


def test_replay_of_a_file_that_is_absent_says_so(files: Path) -> None:
    result = call("replay", "--destination", "destination.yaml", "absent.jsonl")
    assert (result.exit_code, "absent.jsonl" in result.stderr) == (2, True)


def test_replay_ends_quietly_where_its_reader_has_seen_enough(files: Path) -> None:
    with (files / "events.jsonl").open("w") as out:
        for number in range(5_000):
            out.write(json.dumps({**EVENT, "key": str(number)}) + "\n")
    command = [
        sys.executable,
        "-m",
        "processor",
        "replay",
        "--destination",
        "destination.yaml",
        "events.jsonl",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert isinstance(process.stdout, io.BufferedReader)
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_dead_letter_is_named_by_partition_and_offset() -> None:
    result = call("dead-letters", "show", "eighteen")
    assert result.exit_code == 2
    assert "eighteen is not PARTITION:OFFSET" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1_590_449_856_000_000, 2**63 - 1, -(2**63)])
def test_a_dead_letter_is_shown_whatever_its_time(timestamp_ms: int) -> None:
    headers = {
        "topic": b"t",
        "partition": b"0",
        "offset": b"7",
        "timestamp": str(timestamp_ms).encode(),
        "reason": b"internal",
        "error": b"e",
    }
    kept = Record(0, b"p", b"v", tuple((HEADER_PREFIX + name, value) for name, value in headers.items()))
    found = dead_letter_in(kept, 0)
    assert found is not None
    assert time_text(found.timestamp_ms)


@pytest.mark.parametrize("command", ["validate", "run"])
def test_files_of_keys_and_of_the_port_s_certificate_are_looked_at_before_anything_is_connected(
    files: Path, command: str
) -> None:
    keys = "{region: eu-west-1, accessKeyIdFile: id, secretKeyFile: secret}"
    (files / "destination.yaml").write_text(DESTINATION.replace("{region: eu-west-1}", keys))
    (files / "id").write_text("AKIA\n")
    port = {"PROCESSOR_HTTP_TLS_CERT_FILE": "tls.crt", "PROCESSOR_HTTP_TLS_KEY_FILE": "tls.key"}
    done = subprocess.run(
        [sys.executable, "-m", "processor", command],
        env={**os.environ, **ENVIRON, **port},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    assert "destination.yaml:2: connection.secretKeyFile: secret: there is no such file" in done.stderr
    assert "PROCESSOR_HTTP_TLS_CERT_FILE, _KEY_FILE: the certificate cannot be used" in done.stderr
    assert "AKIA" not in done.stderr
