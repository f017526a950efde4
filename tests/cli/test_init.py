"""`processor init`, as a user goes through it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from processor.cli import init_account, init_flow
from processor.cli.app import app
from processor.configuration import load_configuration
from processor.errors import KafkaRefused, KafkaUnavailable, KinesisRefused
from processor.operations.suggestions import Sample
from processor.operations.topic_sample import SampleRead
from tests.support.cli_files import ENVIRON, GOVERNANCE

if TYPE_CHECKING:
    from typer.testing import Result

    from processor.governance.destination import Connection, Destination

ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
FLAGS = ("--yes", "--region", "eu-west-1", "--stream", "exports", "--segment", "one")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a folder and an environment of its own, where AWS is not asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in [name for name in os.environ if name.startswith(("PROCESSOR_", "AWS_", "EXPORT_"))]:
        monkeypatch.delenv(name)
    streams(monkeypatch, "exports", "others")
    sampled(monkeypatch, {"segmentMembership": {}})
    return tmp_path


def streams(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    async def listed(_: Connection, __: object) -> list[str]:
        return list(names)

    monkeypatch.setattr(init_account, "list_streams", listed)
    monkeypatch.setattr(init_account, "_is_absent", lambda draft, _: draft.stream not in names)


def sampled(monkeypatch: pytest.MonkeyPatch, *profiles: Any) -> None:
    sample = Sample()
    for number, value in enumerate(profiles):
        sample.add(str(number).encode(), json.dumps(value).encode())

    async def read(*_: object) -> SampleRead:
        return SampleRead(sample.suggestions(), 3, 3)

    monkeypatch.setattr(init_flow, "read_sample", read)


def refused(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def read(*_: object) -> SampleRead:
        raise error

    monkeypatch.setattr(init_flow, "read_sample", read)


def call(*arguments: str, answers: list[str] | None = None, **environ: str) -> Result:
    """The command; `answers` are lines that a person types, after which the input ends."""
    text = "".join(f"{each}\n" for each in answers or ())
    return CliRunner().invoke(app, ["init", *arguments], input=text, env={**ENVIRON, **environ})


def loaded(governance: str | None = None) -> Destination:
    environ = {"EXPORT_ACCESS_KEY_ID": "id", "EXPORT_SECRET_KEY": "secret"}
    return load_configuration(
        Path("destination.yaml"), None if governance is None else Path(governance), environ
    )[0]


def words(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


# Through all questions.


def test_enter_at_every_question_makes_files_that_validate(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(monkeypatch, {"segmentMembership": {"ups": {"one": ENTRY}, "crm": {"two": ENTRY}}, "loyalty": 3})
    result = call(answers=["", "", "", "", "", "1", "", "", "", ""])
    assert result.exit_code == 0, result.output
    destination = loaded()
    assert (destination.stream, destination.marketing_actions) == ("exports", ("exportToThirdParty",))
    assert [(each.namespace, each.id) for each in destination.segments] == [("crm", "two"), ("ups", "one")]
    assert destination.attributes == (), "nobody's data leaves because Enter was pressed"
    assert result.stdout.rstrip().endswith("processor validate --connect")
    assert CliRunner().invoke(app, ["validate"], env=ENVIRON).exit_code == 0


def test_answers_are_taken_checked_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(
        monkeypatch,
        {
            "segmentMembership": {"ups": {"one": {**ENTRY, "name": "First"}}},
            "person": {"email": "a@b.c", "age": 7},
        },
    )
    answers = [
        *("3", "2", "AKIAIOSFODNN7EXAMPLE", "", "PROCESSOR_SECRET", "wJalr/XUtnFEMI", ""),  # account
        *("EU West", "eu-west-1"),
        *("?", "Loyalty", "For loyalty"),  # authentication
        *("99", "Analytics", "1,5,partnerSync", "Share"),
        *("a b", "arn:aws:kinesis:us-east-1:123456789012:stream/x", "exports"),  # stream
        *("absent.yaml", "none"),  # governance
        *("2-9", "ups/", "1,crm/other"),  # segments
        *("person,person.email", "a..b", "segmentMembership.ups", "2"),  # attributes
        *("y", "y"),
    ]
    result = call(answers=answers)
    assert result.exit_code == 0, result.output
    told = words(result.stdout)
    for said in (
        "Answer 1 or 2.",
        "That is no variable's name",
        "Names that begin with PROCESSOR_ are settings",
        "Not set here: EXPORT_ACCESS_KEY_ID, EXPORT_SECRET_KEY",
        "A region is written as eu-west-1",
        "What people call this destination",
        "There is no marketing action 99",
        "Analytics is written analytics",
        "neither a stream's name nor its ARN",
        "absent.yaml: (the file): there is no such file",
        "2-9 is not in the list, which goes from 1 to 1",
        "person.email lies in person",
        "An id or a namespace is empty",
        "'a..b' has an empty part",
        "segmentMembership is no attribute",
        "Not in the sample, and mapped all the same: crm/other",
        "export EXPORT_ACCESS_KEY_ID=…",
        "processor validate --connect --governance governance.yaml",
    ):
        assert said in told or said in words(result.output), said
    destination = loaded("governance.yaml")
    assert (destination.name, destination.description) == ("Loyalty", "For loyalty")
    assert destination.marketing_actions == ("analytics", "emailTargeting", "partnerSync")
    assert [(each.namespace, each.id, each.name) for each in destination.segments] == [
        ("ups", "one", "First"),
        ("crm", "other", None),
    ]
    assert destination.attributes == ("person.email",)
    text = Path("destination.yaml").read_text()
    assert "accessKeyId: ${EXPORT_ACCESS_KEY_ID}" in text
    assert "AKIA" not in text
    assert "a@b.c" not in result.output, "an example is masked"


def test_what_governance_removes_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("governance.yaml").write_text(GOVERNANCE)
    sampled(monkeypatch, {"segmentMembership": {"ups": {"one": ENTRY}}, "loyalty": 3})
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "", "all", "", ""])
    assert result.exit_code == 0, result.output
    told = words(result.stdout)
    assert "attribute loyalty (labels: C2): policy 'Third parties' forbids it for exportToThirdParty" in told
    assert told.index("Governance removes") < told.index("name: "), "before the files are shown"


def test_what_governance_blocks_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("governance.yaml").write_text("enforcement: block\n" + GOVERNANCE)
    sampled(monkeypatch, {"segmentMembership": {"ups": {"one": ENTRY}}, "loyalty": 3})
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "", "all", "", "none", "", ""])
    assert result.exit_code == 0, result.output
    assert "the service does not start with these" in words(result.stdout)
    assert loaded("governance.yaml").attributes == ()
    Path("destination.yaml").unlink()
    quiet = call(*FLAGS, "--attribute", "loyalty", "--governance", "governance.yaml")
    assert (quiet.exit_code, Path("destination.yaml").exists()) == (2, False)


@pytest.mark.parametrize(
    "error", [KafkaRefused("topic profiles does not exist: create it"), KafkaUnavailable("away")]
)
def test_a_topic_that_cannot_be_read_keeps_nobody_from_naming_segments(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    refused(monkeypatch, error)
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "", "mine", "", ""])
    assert result.exit_code == 0, result.output
    assert str(error) in words(result.stdout)
    assert [each.id for each in loaded().segments] == ["mine"]


def test_without_kafka_s_variables_it_says_so_and_which_to_set() -> None:
    nothing = dict.fromkeys(ENVIRON, "")
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "mine", "", ""], **nothing)
    assert result.exit_code == 0, result.output
    for name in ENVIRON:
        assert f"export {name}=…" in result.stdout


def test_a_stream_that_is_not_there_is_told_and_taken_only_where_somebody_says_so() -> None:
    answers = ["", "", "", "", "", "gone", "n", "9", "y", "", "mine", "", ""]
    result = call(answers=answers)
    assert result.exit_code == 0, result.output
    assert loaded().stream == "9"
    given = call(
        "--stream", "gone", "--destination", "other.yaml", answers=["", "", "", "", "", "", "mine", "", ""]
    )
    assert given.exit_code == 0, given.output
    assert "stream: gone" in Path("other.yaml").read_text()
    assert given.stdout.rstrip().endswith("processor validate --connect --destination other.yaml")


def test_without_permission_to_list_streams_the_name_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def denied(*_: object) -> list[str]:
        raise KinesisRefused("no", code="AccessDeniedException")

    monkeypatch.setattr(init_account, "list_streams", denied)
    result = call(answers=["", "", "", "", "", "", "exports"])
    assert "kinesis:ListStreams would let them" in words(result.stdout)
    assert "There is no default here" in words(result.stdout)


# Hostile data.


def test_nothing_of_the_topic_s_reaches_the_terminal_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "\x1b]0;owned\x07\n  evil: 1\u202e"
    entry = {**ENTRY, "name": f"name{evil}"}
    sampled(
        monkeypatch, {"segmentMembership": {f"ns/{evil}": {f"id{evil}": entry}}, f"a{evil}": {"b'\"": evil}}
    )
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "", "all", "", ""])
    assert result.exit_code == 0, result.output
    assert not {each for each in result.output if not each.isprintable()} - {"\n"}
    (segment,) = loaded().segments
    assert (segment.namespace, segment.id, segment.name) == (f"ns/{evil}", f"id{evil}", f"name{evil}")
    assert loaded().attributes == (f"a{evil}.b'\"",)


def test_100_000_segments_are_no_wall_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(monkeypatch, {"segmentMembership": {"ups": {f"{number:06}": ENTRY for number in range(100_000)}}})
    result = call("--stream", "exports", answers=["", "", "", "", "", "", "", "", "", ""])
    assert result.exit_code == 0, result.output
    assert len(loaded().segments) == 20
    assert len(result.stdout.splitlines()) < 200
    assert "99500 segments beyond these are left off" in words(result.stdout)


def test_lines_fit_80_columns_and_have_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(
        monkeypatch,
        {
            "segmentMembership": {"ups": {"7841ba61-23c1-4bb3-a495-00d3g5fe1e93": {**ENTRY, "name": "High"}}},
            "a": 1,
        },
    )
    result = call(answers=["", "", "", "", "", "1", "", "", "", ""], TERM="dumb")
    assert result.exit_code == 0, result.output
    assert not [line for line in result.stdout.splitlines() if len(line) > 80 and "[" not in line]
    assert "\x1b" not in result.output


# By options.


def test_options_alone_make_the_same_files() -> None:
    result = call(
        *FLAGS,
        *("--segment", "crm/a,b", "--attribute", "person.email", "--name", "N", "--description", "D"),
        *("--marketing-action", "analytics", "--marketing-action", "partnerSync=Share, with care"),
        *("--access-key-variable", "EXPORT_ACCESS_KEY_ID", "--secret-key-variable", "EXPORT_SECRET_KEY"),
    )
    assert result.exit_code == 0, result.output
    destination = loaded("governance.yaml")
    assert [(each.namespace, each.id) for each in destination.segments] == [("ups", "one"), ("crm", "a,b")]
    assert destination.marketing_actions == ("analytics", "partnerSync")
    assert 'description: "Share, with care"' in Path("governance.yaml").read_text()
    assert destination.connection.gives_keys


def test_from_topic_maps_the_segments_that_the_topic_has_and_asks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampled(monkeypatch, {"segmentMembership": {"ups": {"one": ENTRY, "two": ENTRY}}, "email": "a@b.c"})
    result = call("--from-topic", "--stream", "exports", AWS_REGION="eu-central-1")
    assert result.exit_code == 0, result.output
    assert [each.id for each in loaded().segments] == ["one", "two"]
    assert loaded().connection.region == "eu-central-1"
    assert loaded().attributes == ()
    assert "#  - email" in Path("destination.yaml").read_text()


@pytest.mark.parametrize(
    ("error", "code"), [(KafkaRefused("topic profiles does not exist"), 78), (KafkaUnavailable("away"), 1)]
)
def test_from_a_topic_that_cannot_be_read_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    refused(monkeypatch, error)
    result = call("--from-topic", "--stream", "exports")
    assert (result.exit_code, list(Path().iterdir())) == (code, [])
    assert str(error) in result.stderr


def test_from_an_empty_topic_segments_must_be_named() -> None:
    result = call("--from-topic", "--stream", "exports")
    assert result.exit_code == 1
    assert "no segments were found in profiles: name them with --segment" in words(result.stderr)
    assert call("--from-topic", "--stream", "exports", "--segment", "one").exit_code == 0


def test_from_topic_without_kafka_s_variables_is_a_wrong_configuration() -> None:
    result = call("--from-topic", "--stream", "exports", PROCESSOR_KAFKA_TOPIC="")
    assert result.exit_code == 78
    assert "PROCESSOR_KAFKA_TOPIC" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--yes", "--segment", "one"], "--stream is needed"),
        (["--yes", "--stream", "s"], "--segment or --from-topic is needed"),
        ([*FLAGS, "--segment", ""], "--segment: An id or a namespace is empty"),
        ([*FLAGS, "--segment", "ups/"], "--segment: An id or a namespace is empty"),
        ([*FLAGS, "--attribute", "identityMap.email"], "identityMap is no attribute"),
        ([*FLAGS, "--attribute", "a", "--attribute", "a.b"], "--attribute: a.b lies in a"),
        ([*FLAGS, "--access-key-variable", "AKIAIOSFODNN7EXAMPLE"], "no variable's name"),
        ([*FLAGS, "--connection-url", "x"], "--connection-url: it is no http or https URL"),
        ([*FLAGS, "--connection-url", "http://AKIA:hush@host"], "it holds a user or a password"),
        ([*FLAGS, "--governance", "absent.yaml"], "there is no such file"),
        ([*FLAGS, "--marketing-action", "a/b"], "is no name"),
        ([*FLAGS, "--name", "\udcff"], "--name: it is not UTF-8"),
    ],
)
def test_an_option_that_is_wrong_or_missing_is_told_and_nothing_is_written(
    arguments: list[str], told: str
) -> None:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert told in words(result.stderr)
    assert "AKIA" not in result.output
    assert list(Path().iterdir()) == []


# The files that are there.


def test_a_file_that_exists_is_written_over_only_where_somebody_says_so() -> None:
    Path("destination.yaml").write_text("mine")
    result = call(*FLAGS)
    assert (result.exit_code, Path("destination.yaml").read_text()) == (2, "mine")
    assert "destination.yaml exists: give --overwrite" in words(result.stderr)
    asked = call("--stream", "exports", "--segment", "one", answers=["", "", "", "", "", "", "", ""])
    assert (asked.exit_code, Path("destination.yaml").read_text()) == (1, "mine")
    assert "destination.yaml exists: write over it? (y/n) [n]" in asked.stdout
    assert call(*FLAGS, "--overwrite").exit_code == 0
    assert loaded().stream == "exports"


def test_a_link_counts_as_a_file_that_exists_and_stays_one(alone: Path) -> None:
    (alone / "elsewhere").mkdir()
    Path("destination.yaml").symlink_to("elsewhere/real.yaml")
    assert call(*FLAGS).exit_code == 2
    assert call(*FLAGS, "--overwrite").exit_code == 0
    assert Path("destination.yaml").is_symlink()
    assert "exports" in Path("elsewhere/real.yaml").read_text()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    result = call()
    assert result.exit_code == 1
    assert "cannot be written" in words(result.stderr)
    assert "Account" not in result.stdout


@pytest.mark.parametrize("place", ["/dev/null", "pipe", ".", "absent/destination.yaml"])
def test_what_is_no_place_for_a_file_is_left_alone(place: str) -> None:
    os.mkfifo("pipe")
    result = call(*FLAGS, "--overwrite", "--destination", place)
    assert result.exit_code == 1
    assert place.partition("/")[0] in result.stderr
    assert not Path("/dev/null").is_file()
    assert [str(path) for path in Path().iterdir()] == ["pipe"]


@pytest.mark.parametrize("answered", range(12))
def test_wherever_the_input_ends_nothing_is_left_behind(answered: int) -> None:
    answers = ["2", "", "", "", "", "", "11own", "", "1", "", "mine", ""]
    result = call(answers=answers[:answered])
    assert result.exit_code == 1
    assert "interrupted: nothing was written" in result.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_interrupted_while_it_writes_nothing_is_half_written(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def struck(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, struck)
    with suppress(KeyboardInterrupt):
        assert call(*FLAGS).exit_code != 0
    assert list(Path().iterdir()) == []


def test_help_of_every_question_is_shown() -> None:
    lines = [
        each for answer in ("1", "", "", "", "", "exports", "", "mine", "", "") for each in ("?", answer)
    ]
    result = call(answers=lines)
    assert result.exit_code == 0, result.output


def test_a_terminal_with_few_characters_shows_escapes_for_the_others(alone: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "processor", "init", *FLAGS, "--name", "K\u00e4ufer \u2713"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert b"K\xe4ufer \\u2713" in ended.stdout
    assert loaded().name == "K\u00e4ufer \u2713"


def test_a_governance_file_that_a_variable_names_holds_and_needs_no_option() -> None:
    Path("g.yaml").write_text(GOVERNANCE)
    result = call(*FLAGS, "--attribute", "loyalty", PROCESSOR_GOVERNANCE_FILE="g.yaml")
    assert "attribute loyalty (labels: C2)" in words(result.stdout)
    assert result.stdout.rstrip().endswith("processor validate --connect")


def test_in_a_real_terminal_ctrl_c_leaves_nothing(alone: Path) -> None:
    terminal, end = os.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", _IN_ITS_TERMINAL, sys.executable, "-m", "processor", "init"],
        env={**os.environ, "TERM": "dumb", "COLUMNS": "80"},
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    said = b""
    try:
        while b"[1]:" not in said:
            said += os.read(terminal, 4096)
        with suppress(OSError):
            while True:
                os.write(terminal, b"\x03")
                # Between the prompt and the wait for a line, Python notes the key and waits on: it is pressed again.
                while select.select([terminal], [], [], 5)[0]:
                    said += os.read(terminal, 4096)
        assert child.wait(30) == 1
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
    assert b"interrupted: nothing was written" in said
    assert b"\x1b[" not in said
    assert list(alone.iterdir()) == []


_IN_ITS_TERMINAL = """
import fcntl, os, signal, sys, termios

signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""It makes the terminal its own by itself, and heeds Ctrl-C also where the tests were started by one that does not: in the background, or with signals held back."""
