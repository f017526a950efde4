"""Keys that stand in files of their own: what is told of a file that cannot be used, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.configuration import Files, parse_configuration
from processor.configuration.key_files import key_file_problems, read_key
from processor.configuration.plan import plan_of
from processor.errors import ConfigurationError
from processor.supervisor.last_valid_files import LastValid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from processor.governance.destination import Destination

TEXT = """\
name: d
connection:
  region: eu-west-1
  accessKeyId: AKIA
  secretKeyFile: {path}
stream: s
marketingActions: []
segments: [{{id: one}}]
"""


def destination(path: object) -> Destination:
    return parse_configuration((TEXT.format(path=path), "destination.yaml"), None, {})[0]


@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "s3cret\r\n\n"])
def test_a_line_break_at_the_end_is_no_part_of_a_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert read_key(tmp_path / "key").get_secret_value() == "s3cret"


def holding(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda _: None, "there is no such file"),
    "a directory": (lambda path: path.mkdir(), "it is a directory"),
    "empty": (holding(b""), "it is empty"),
    "a line break": (holding(b"\n"), "it is empty"),
    "no text": (holding(b"\xff\xfe"), "it is not UTF-8"),
    "two lines": (holding(b"one\ntwo\n"), "that no key has"),
    "a space": (holding(b" s3cret\n"), "that no key has"),
    "a byte order mark": (holding("\ufeffs3cret".encode()), "that no key has"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_cannot_be_used_is_reported_at_the_member_that_names_it(
    tmp_path: Path, what: str
) -> None:
    make, message = UNUSABLE[what]
    path = tmp_path / "key"
    make(path)
    (problem,) = key_file_problems(destination(path))
    assert (problem.source, problem.line, problem.member) == (
        "destination.yaml",
        5,
        "connection.secretKeyFile",
    )
    assert str(path) in problem.message
    assert message in problem.message
    assert problem.remedy
    assert "s3cret" not in str(problem)
    with pytest.raises(ConfigurationError, match=message):
        read_key(path)


def test_a_name_that_no_file_can_have_is_reported() -> None:
    (problem,) = key_file_problems(destination('"a\\0b"'))
    assert "zero character" in problem.message


def files(**connection: str) -> Files:
    members = "".join(f"  {name}: {value}\n" for name, value in connection.items())
    text = f"name: d\nconnection:\n{members}stream: s\nmarketingActions: []\nsegments: [{{id: one}}]\n"
    return Files((text, "destination.yaml"), None, [])


FORMER = {"region": "eu-west-1", "accessKeyId": "A", "secretKey": "S", "connectionUrl": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"accessKeyId": "B"}, None),
        ({"accessKeyId": "B", "secretKey": "T"}, None),
        ({"secretKey": None, "secretKeyFile": "key"}, None),
        ({"accessKeyId": None, "secretKey": None}, None),
        ({"region": "eu-west-2"}, "destination.yaml:3: connection.region: it cannot change while"),
        ({"connectionUrl": "http://127.0.0.1:2"}, "destination.yaml:6: connection.connectionUrl: it cannot change"),
        ({"connectionUrl": None, "secretKey": "T"}, "destination.yaml:2: connection.connectionUrl: it cannot change"),
        ({"secretKey": None, "secretKeyFile": "absent"}, "connection.secretKeyFile: "),
    ],
)  # fmt: skip
def test_of_a_connection_the_keys_alone_may_change_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], refused: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("T\n")
    former = files(**FORMER)
    now = files(**{name: value for name, value in {**FORMER, **changed}.items() if value is not None})
    kept = LastValid(lambda: now, former, plan_of(former))
    handover = kept.handover()
    if refused is None:
        assert handover.problems == []
    else:
        (problem,) = handover.problems
        assert refused in problem
    # What a worker is started with from then on.
    kept.changed()
    assert kept.handover().files is (now if refused is None else former)
