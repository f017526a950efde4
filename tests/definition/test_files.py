"""The two configuration files of a definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.configuration import parse_files
from processor.definition.files import derived_files, files_of, why_idle
from processor.definition.model import Definition
from processor.errors import ConfigurationError, Problem
from processor.governance.destination import Segment, SegmentTimes
from processor.governance.plan import compile_plan
from tests.support.dataflows import flow_body, resource, segment_selector, whole_definition

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

ENVIRON = {"EXPORT_KEY_ID": "AKIA", "EXPORT_SECRET": "very secret", "OTHER": "not to be read"}


def never(*_: str) -> str:
    raise AssertionError("nothing is sealed")


def test_a_dataflow_and_its_connections_are_a_destination() -> None:
    destination, governance = parse_files(files_of(whole_definition(), never), ENVIRON)

    assert (destination.name, destination.stream) == ("Campaign", "exports")
    assert destination.connection.region == "eu-west-1"
    assert destination.connection.secret_key is not None
    assert destination.connection.secret_key.get_secret_value() == "very secret"
    assert [each.id for each in destination.segments] == ["72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"]
    assert destination.attributes == ("personalEmail.address",)
    assert not governance.policies


def test_a_sealed_secret_is_opened_as_what_it_is_the_secret_of() -> None:
    asked: list[tuple[str, ...]] = []

    def unseal(*sealed: str) -> str:
        asked.append(sealed)
        return f"opened ${{OTHER}} {sealed[2]}"

    sealed: dict[str, Json] = {name: {"$sealed": f"token of {name}"} for name in ("accessKeyId", "secretKey")}
    destination, _ = parse_files(files_of(whole_definition(keys=sealed), unseal), ENVIRON)

    assert asked == [
        ("connections", "base", "accessKeyId", "token of accessKeyId"),
        ("connections", "base", "secretKey", "token of secretKey"),
    ]
    assert destination.connection.secret_key is not None
    assert destination.connection.secret_key.get_secret_value() == "opened ${OTHER} secretKey"


def test_a_secret_that_does_not_open_is_told_of_its_connection() -> None:
    def unseal(*_: str) -> str:
        raise ConfigurationError([Problem("keys.txt", None, "(the file)", "no key opens it", "Add the key")])

    sealed: dict[str, Json] = {name: {"$sealed": "token"} for name in ("accessKeyId", "secretKey")}
    with pytest.raises(ConfigurationError) as raised:
        files_of(whole_definition(keys=sealed), unseal)

    assert str(raised.value).splitlines()[0] == (
        "connections/base: /auth/params/accessKeyId: no key opens it. Add the key"
    )


@pytest.mark.parametrize("text", ["plain", "${OTHER}", "a${EXPORT_SECRET}", "${EXPORT_A}${EXPORT_B}"])
def test_no_other_text_stands_for_a_secret(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"/auth/params/secretKey: it is neither sealed nor a reference"
    ):
        files_of(whole_definition(keys={"accessKeyId": "${EXPORT_KEY_ID}", "secretKey": text}), never)


def test_a_dollar_is_a_character_in_every_other_member() -> None:
    flow = flow_body([segment_selector("${OTHER}", name="$$ ${OTHER}")], [])
    definition = whole_definition(flow={**flow, "name": "${OTHER}", "description": "${EXPORT_SECRET}"})

    destination, _ = parse_files(files_of(definition, never), ENVIRON)

    assert (destination.name, destination.description) == ("${OTHER}", "${EXPORT_SECRET}")
    assert destination.segments == (Segment("ups", "${OTHER}", "$$ ${OTHER}"),)


def test_members_of_our_own_are_taken_over() -> None:
    times: dict[str, Json] = {
        "createTime": "1640289901",
        "updateTime": "1640289901000",
        "createdAt": 1_600_000_000_000,
    }
    flow = flow_body([segment_selector("a", namespace="other", updatedAt=1_600_000_000_001, **times)])
    target: dict[str, Json] = {
        "marketingActions": [
            "emailTargeting",
            "https://platform.adobe.io/data/foundation/dulepolicy/marketingActions/custom/our%20own",
        ],
        "partitionKey": "identity:ecid",
        "includeSegmentNames": True,
        "includeSegmentTimestamps": True,
    }
    definition = whole_definition(flow=flow, target=target).with_(
        resource("marketingActions/custom", "our own", {"name": "our own"})
    )

    destination, governance = parse_files(files_of(definition, never), ENVIRON)

    assert destination.marketing_actions == ("emailTargeting", "our own")
    assert destination.partition_key_namespace == "ecid"
    assert destination.include_segment_names
    assert destination.include_segment_timestamps
    assert destination.segments[0].namespace == "other"
    assert destination.segments[0].times == SegmentTimes(
        1_600_000_000_000, 1_600_000_000_001, 1_640_289_901_000, 1_640_289_901_000
    )
    assert governance.custom_actions == ("our own",)


def test_files_of_keys_are_named_as_in_a_file() -> None:
    keys: dict[str, Json] = {"accessKeyIdFile": "/run/id", "secretKeyFile": "/run/secret"}
    destination, _ = parse_files(files_of(whole_definition(keys=keys), never), ENVIRON)
    assert str(destination.connection.secret_key_file) == "/run/secret"


def test_objects_of_governance_are_a_governance_file() -> None:
    definition = whole_definition(target={"marketingActions": ["emailTargeting"]}).with_(
        resource(
            "policies/custom",
            "p1",
            {
                "name": "No mail",
                "status": "ENABLED",
                "marketingActionRefs": ["../marketingActions/core/emailTargeting"],
                "deny": {"label": "C9"},
            },
        ),
        resource(
            "consentPolicies",
            "c1",
            {
                "name": "Consent",
                "status": "ENABLED",
                "marketingActionRefs": ["emailTargeting"],
                "requires": {"path": "consents.mail", "in": ["y"]},
            },
        ),
        resource("labels", "labels", {"fields": {"personalEmail": ["C9"]}}),
        resource("enforcement", "enforcement", {"enforcement": "block"}),
    )

    destination, governance = parse_files(files_of(definition, never), ENVIRON)

    assert governance.enforcement == "block"
    assert governance.consent_policies[0].name == "Consent"
    with pytest.raises(ConfigurationError) as raised:
        compile_plan(destination, governance)
    traced = derived_files(definition, never).traced(raised.value.problems[0])
    assert traced.source == "flows/flow"
    assert traced.member == "/transformations/0/params/profileSelectors/selectors/0/value/path"


def test_a_problem_of_the_file_is_told_of_the_object() -> None:
    definition = whole_definition(target={"stream": "not a stream"})
    derived = derived_files(definition, never)
    with pytest.raises(ConfigurationError) as raised:
        parse_files(files_of(definition, never), ENVIRON)
    traced = derived.traced(raised.value.problems[0])
    assert (traced.source, traced.member) == ("targetConnections/target", "/params/stream")


def test_files_are_the_same_where_nothing_changes_that_is_exported() -> None:
    former = whole_definition()
    unused = resource("connections", "unused", {"name": "Unused"})
    assert files_of(former.with_(unused), never) == files_of(former, never)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ConfigurationError, match="there is no dataflow"):
        files_of(Definition(), never)
    with pytest.raises(ConfigurationError, match="it names target: there is no such one"):
        files_of(whole_definition().without([("targetConnections", "target")]), never)


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        (flow_body(), None),
        ({**flow_body(), "state": "disabled"}, "the dataflow flow is disabled"),
        (flow_body([]), "the dataflow flow maps no segment yet"),
    ],
)
def test_a_definition_says_why_nothing_is_exported(flow: dict[str, Json], why: str | None) -> None:
    assert why_idle(whole_definition(flow=flow)) == why
    assert why_idle(Definition()) == "there is no dataflow"
