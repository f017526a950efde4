"""`processor flow-service export`: our two files, as the bodies of the published tutorial's calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from processor.cli.app import app
from processor.errors import EXIT_BAD_CONFIGURATION

if TYPE_CHECKING:
    from typer.testing import Result

DESTINATION: dict[str, Any] = {
    "name": "Loyalty exports",
    "description": "For the data platform team",
    "connection": {"region": "eu-west-1", "accessKeyId": "${EXPORT_KEY_ID}", "secretKey": "${EXPORT_SECRET}"},
    "stream": "profile-exports",
    "marketingActions": [],
    "segments": [{"id": "s1", "name": "One", "mappingCreatedAt": 1649856570000}, {"id": "s2"}],
    "attributes": ["person.email"],
}
GOVERNANCE: dict[str, Any] = {
    "marketingActions": [{"name": "partner sync/2", "description": "Share"}, {"name": "plain"}],
    "policies": [
        {
            "name": "p",
            "description": "why",
            "status": "DRAFT",
            "marketingActionRefs": ["plain", "https://h/core/emailTargeting"],
            "deny": {"operator": "OR", "operands": [{"label": "C2"}, {"label": "C3"}]},
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("EXPORT_KEY_ID", "EXPORT_SECRET", "PROCESSOR_DESTINATION_FILE", "PROCESSOR_GOVERNANCE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str, destination: Any = DESTINATION, governance: Any = None) -> Result:
    Path("destination.yaml").write_text(json.dumps(destination))
    if governance is not None:
        Path("governance.yaml").write_text(json.dumps(governance))
        arguments = ("--governance", "governance.yaml", *arguments)
    return CliRunner().invoke(app, ["flow-service", "export", *arguments])


def bodies(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    made: dict[str, Any] = json.loads(result.stdout)
    return made


def test_the_bodies_stand_in_the_order_of_the_tutorial_s_calls(folder: Path) -> None:
    made = bodies(run(governance=GOVERNANCE))
    assert list(made) == [
        "01-post-connections-profile-service",
        "02-post-source-connections",
        "03-post-connections-amazon-kinesis",
        "04-post-target-connections",
        "05-post-flows",
        "06-put-marketing-actions-custom-partner%20sync%2F2",
        "07-put-marketing-actions-custom-plain",
        "08-post-policies-custom",
    ]
    platform, source, kinesis, target, flow, action, _, policy = made.values()
    profile_service = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
    assert platform["connectionSpec"] == source["connectionSpec"] == profile_service
    assert source["baseConnectionId"] == "{01-post-connections-profile-service}"
    assert kinesis["auth"] == {
        "specName": "Aws Kinesis authentication credentials",
        "params": {"accessKeyId": "${EXPORT_KEY_ID}", "secretKey": "${EXPORT_SECRET}", "region": "eu-west-1"},
    }
    assert target["baseConnectionId"] == "{03-post-connections-amazon-kinesis}"
    assert target["params"] == {"stream": "profile-exports", "region": "eu-west-1"}
    assert flow["flowSpec"] == {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
    assert flow["targetConnectionIds"] == ["{04-post-target-connections}"]
    params = flow["transformations"][0]["params"]
    assert params["segmentSelectors"]["selectors"] == [
        {"type": "PLATFORM_SEGMENT", "value": {"id": "s1", "name": "One", "createTime": "1649856570"}},
        {"type": "PLATFORM_SEGMENT", "value": {"id": "s2"}},
    ]
    assert params["profileSelectors"]["selectors"] == [
        {"type": "JSON_PATH", "value": {"path": "person.email", "operator": "EXISTS"}}
    ]
    assert action == {"name": "partner sync/2", "description": "Share"}
    at = "https://platform.adobe.io/data/foundation/dulepolicy/marketingActions"
    assert policy["marketingActionRefs"] == [f"{at}/custom/plain", f"{at}/core/emailTargeting"]
    assert policy["deny"] == GOVERNANCE["policies"][0]["deny"]
    assert (policy["status"], policy["description"]) == ("DRAFT", "why")


def test_no_key_is_written_set_or_literal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPORT_KEY_ID", "AKIA-IN-THE-ENVIRONMENT")
    monkeypatch.setenv("EXPORT_SECRET", "secret-in-the-environment")
    keys = {"accessKeyId": "${EXPORT_KEY_ID}", "secretKey": "literal-secret"}
    result = run(destination=DESTINATION | {"connection": {"region": "eu-west-1", **keys}})
    params = bodies(result)["03-post-connections-amazon-kinesis"]["auth"]["params"]
    assert params == {
        "accessKeyId": "${EXPORT_KEY_ID}",
        "secretKey": "${EXPORT_SECRET}",
        "region": "eu-west-1",
    }
    for secret in ("AKIA-IN-THE-ENVIRONMENT", "secret-in-the-environment", "literal-secret"):
        assert secret not in result.output
    assert "connection.secretKey: the key is never written" in result.stderr


def test_what_no_call_takes_is_listed_and_strict_refuses_it(folder: Path) -> None:
    destination = DESTINATION | {
        "connection": {"region": "eu-west-1", "accessKeyIdFile": "/k/id", "secretKeyFile": "/k/secret"},
        "stream": "arn:aws:kinesis:eu-west-1:123456789012:stream/profile-exports",
        "marketingActions": ["emailTargeting"],
        "partitionKey": "identity:ecid",
        "includeSegmentNames": True,
        "includeSegmentTimestamps": True,
        "segments": [
            {"id": "s1", "createdAt": 1, "updatedAt": 2, "mappingCreatedAt": 1649856570123},
            {"id": "s2", "namespace": "crm"},
        ],
    }
    consent = {"path": "consents.email", "in": ["y"]}
    governance = {
        "enforcement": "block",
        "labels": {
            "fields": {"a.b": ["C3"]},
            "identities": {"ecid": ["I1"]},
            "segments": [{"id": "s1", "labels": []}],
        },
        "consentPolicies": [
            {"name": "c", "status": "ENABLED", "marketingActionRefs": ["emailTargeting"], "requires": consent}
        ],
    }
    result = run(destination=destination, governance=governance)
    made = bodies(result)
    assert made["04-post-target-connections"]["params"]["stream"] == "profile-exports"
    places = [line.split(": ")[1] for line in result.stderr.splitlines() if line.startswith("left out ")]
    assert places == [
        "connection.accessKeyIdFile",
        "connection.secretKeyFile",
        "stream",
        "segments[0].mappingCreatedAt",
        "segments[0].createdAt",
        "segments[0].updatedAt",
        "segments[1]",
        "marketingActions",
        "partitionKey",
        "includeSegmentNames",
        "includeSegmentTimestamps",
        "enforcement",
        "labels.fields.a.b",
        "labels.identities.ecid",
        "labels.segments[0]",
        "consentPolicies[0]",
    ]
    strict = run("--strict", destination=destination, governance=governance)
    assert strict.exit_code == EXIT_BAD_CONFIGURATION
    assert strict.stdout == ""


def test_an_endpoint_with_a_password_is_not_written(folder: Path) -> None:
    result = run(
        destination=DESTINATION | {"connection": {"region": "r", "connectionUrl": "https://me:word@h"}}
    )
    assert "connectionUrl" not in bodies(result)["03-post-connections-amazon-kinesis"]["auth"]["params"]
    assert "connection.connectionUrl: it may hold a password" in result.stderr
    assert "word@h" not in result.output


def test_aws_default_chain_is_told_of(folder: Path) -> None:
    result = run(destination=DESTINATION | {"connection": {"region": "eu-west-1"}})
    assert bodies(result)["03-post-connections-amazon-kinesis"]["auth"]["params"] == {"region": "eu-west-1"}
    assert "connection: there are no keys" in result.stderr


def test_a_folder_has_a_file_a_call_and_is_written_over_only_when_told_to(folder: Path) -> None:
    made = bodies(run(governance=GOVERNANCE))
    assert run("--out", "out", governance=GOVERNANCE).exit_code == 0
    assert {path.stem: json.loads(path.read_text()) for path in (folder / "out").iterdir()} == made
    again = run("--out", "out", governance=GOVERNANCE)
    assert again.exit_code == 2
    assert "01-post-connections-profile-service.json: it is there already" in again.stderr
    assert run("--out", "out", "--force", governance=GOVERNANCE).exit_code == 0
    (folder / "file").write_text("")
    assert run("--out", "file/out", governance=GOVERNANCE).exit_code == 2


def test_files_that_are_wrong_are_refused_as_everywhere(folder: Path) -> None:
    result = run(destination=DESTINATION | {"segments": [], "stream": "a b"})
    assert result.exit_code == EXIT_BAD_CONFIGURATION
    assert "destination.yaml:1: segments: nothing is mapped" in result.stderr
    assert "destination.yaml:1: stream: it is neither" in result.stderr
    assert "2 problems; nothing was written" in result.stderr


def test_a_variable_that_is_no_key_must_be_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = DESTINATION | {"stream": "${STREAM}"}
    result = run(destination=destination)
    assert result.exit_code == EXIT_BAD_CONFIGURATION
    assert "STREAM is not set" in result.stderr
    monkeypatch.setenv("STREAM", "named-by-it")
    assert (
        bodies(run(destination=destination))["04-post-target-connections"]["params"]["stream"]
        == "named-by-it"
    )
