"""Tables: what is piped can be searched line by line, and no terminal breaks an id in pieces."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from processor.cli.app import app
from processor.configuration import parse_configuration
from processor.governance.plan import compile_plan
from processor.operations.size_table import size_table
from processor.operations.sizing import Load, load_constants, size
from processor.operations.text_table import plain, show
from processor.operations.validate import plan_table
from tests.support.cli_files import ENVIRON, GOVERNANCE

if TYPE_CHECKING:
    from pathlib import Path

IDS = ["7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"]
DESTINATION = f"""\
name: Loyalty exports
connection: {{region: eu-west-1}}
stream: profile-exports
marketingActions: [exportToThirdParty]
segments: [{{id: {IDS[0]}}}, {{id: {IDS[1]}, namespace: "crm/[eu]"}}]
attributes: [person.email, loyalty]
"""


def printed(table: Table, width: int, *, terminal: bool) -> str:
    out = io.StringIO()
    show(table, Console(file=out, width=width, force_terminal=terminal, color_system=None))
    return out.getvalue()


def the_plans() -> Table:
    plan = compile_plan(*parse_configuration((DESTINATION, "d.yaml"), (GOVERNANCE, "g.yaml"), {}))
    return plan_table(plan)


@pytest.mark.parametrize("width", [20, 40, 80, 300])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_id_is_broken_or_cut_at_any_width(width: int, terminal: bool) -> None:
    lines = printed(the_plans(), width, terminal=terminal).splitlines()
    for name in (
        f"ups/{IDS[0]}",
        f"crm%2F[eu]/{IDS[1]}",
        "person.email",
        "Loyalty exports → stream profile-exports",
    ):
        assert sum(name in line for line in lines) == 1, name


@pytest.mark.parametrize("width", [20, 80, 300])
def test_a_row_that_is_piped_is_one_line(width: int) -> None:
    lines = printed(the_plans(), width, terminal=False).splitlines()
    (row,) = [line for line in lines if "loyalty" in line]
    for word in ("attribute", "C2", "no", "Third parties", "exportToThirdParty"):
        assert word in row


def test_a_terminal_that_is_wide_enough_shows_a_table() -> None:
    assert "┃" in printed(the_plans(), 300, terminal=True)
    assert "┃" not in printed(the_plans(), 60, terminal=True)
    assert "labels: C2" in printed(the_plans(), 60, terminal=True).splitlines()


def test_the_figures_of_a_size_are_not_broken_either() -> None:
    needed = size(Load(5000, 1200, 0.7, 1_000_000), load_constants(), 86_400)
    for terminal in (True, False):
        lines = printed(size_table(needed), 30, terminal=terminal).splitlines()
        assert any("of the source, at least: none can be added later" in line for line in lines)


@given(st.text(), st.integers(10, 200), st.booleans())
def test_whatever_a_text_is_it_is_shown_as_one_line_and_is_no_markup(
    text: str, width: int, terminal: bool
) -> None:
    table = Table(title=plain(text))
    table.add_column("a")
    table.add_column("b")
    table.add_row(plain(text), plain("[/]" + text))
    plainly = plain(text).plain
    assert plainly.isprintable()
    lines = printed(table, width, terminal=terminal).splitlines()
    assert sum("[/]" + plainly in line for line in lines) == 1


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "destination.yaml").write_text(DESTINATION)
    (tmp_path / "governance.yaml").write_text(GOVERNANCE)
    monkeypatch.chdir(tmp_path)
    for name in ENVIRON:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_validate_shows_the_files_before_there_is_an_environment_and_says_what_run_will_want(
    files: Path,
) -> None:
    result = CliRunner().invoke(app, ["validate", "--governance", "governance.yaml"])
    assert result.exit_code == 0
    assert IDS[0] in result.output
    for name in ENVIRON:
        assert any(line.startswith(name + ": ") for line in result.output.splitlines())
    assert "is valid" not in result.output


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (["--connect"], {}),
        ([], {"PROCESSOR_KAFKA_TOPIC": "profiles"}),
        ([], {"PROCESSOR_HTTP_PORT": "x"}),
        ([], {**ENVIRON, "PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "30000"}),
        ([], {"PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "30000"}),
        (
            [],
            {
                **ENVIRON,
                "PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SSL",
                "PROCESSOR_KAFKA_TLS_CA_FILE": "absent.pem",
            },
        ),
        (["--destination", "absent.yaml"], {}),
    ],
)
def test_validate_refuses_an_environment_that_is_begun_and_wrong(
    files: Path, options: list[str], environ: dict[str, str]
) -> None:
    result = CliRunner().invoke(app, ["validate", *options], env=environ)
    assert result.exit_code == 78, result.output
    assert "nothing was connected" in result.stderr


def test_an_encrypted_key_without_its_password_is_reported_and_nobody_is_asked(files: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("client")
    (files / "cert.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (files / "key.pem").write_bytes(
        key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"hunter2"))
    )
    environ = {
        **ENVIRON,
        "PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SSL",
        "PROCESSOR_KAFKA_TLS_CERT_FILE": "cert.pem",
        "PROCESSOR_KAFKA_TLS_KEY_FILE": "key.pem",
    }
    result = CliRunner().invoke(app, ["validate"], env=environ)
    assert result.exit_code == 78
    assert "PROCESSOR_KAFKA_TLS_KEY_PASSWORD is not set" in result.stderr
    with_password = {**environ, "PROCESSOR_KAFKA_TLS_KEY_PASSWORD": "hunter2"}
    assert CliRunner().invoke(app, ["validate"], env=with_password).exit_code == 0
    too_long = {**environ, "PROCESSOR_KAFKA_TLS_KEY_PASSWORD": "x" * 2000}
    assert CliRunner().invoke(app, ["validate"], env=too_long).exit_code == 78
