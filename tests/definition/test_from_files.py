"""From the two files to a definition, and back."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.configuration import Files, parse_files
from processor.definition.checks import bound, check
from processor.definition.files import files_of
from processor.definition.from_files import Making, definition_of
from processor.definition.model import Definition, Target
from processor.definition.sealing import Sealing
from processor.errors import ConfigurationError
from processor.governance.fingerprint import fingerprint
from processor.governance.plan import compile_plan
from tests.support.file_strategies import destinations, governances, labels, members, written

ENVIRON = {"KEY_ID": "one", "SECRET": "two $ ${X}", "EXPORT_ID": "three", "EXPORT_SECRET": "four"}
SEALING = Sealing(["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="])


def moved(files: Files, sealing: Sealing = SEALING) -> Definition:
    numbers = itertools.count(1)
    return definition_of(
        files, ENVIRON, Making(1_700_000_000_000, "move", lambda: f"id-{next(numbers)}", sealing)
    )


def of_texts(destination: str, governance: str | None = None) -> Files:
    return Files((destination, "d"), None if governance is None else (governance, "g"), [])


def with_connection(**connection: str) -> Files:
    return of_texts(
        json.dumps(
            {
                "name": "n",
                "connection": {"region": "eu-west-1", **connection},
                "stream": "exports",
                "marketingActions": [],
                "segments": [{"id": "a"}],
            }
        )
    )


times = st.one_of(st.none(), st.integers(0, 10**18))
odd = members(
    createdAt=times,
    updatedAt=times,
    mappingCreatedAt=times,
    mappingUpdatedAt=times,
    namespace=st.sampled_from(["ups", "crm", "a/b"]),
)


@settings(max_examples=max(25, settings().max_examples // 4))  # one reads YAML eight times
@given(
    destinations,
    governances(),
    labels,
    odd,
    members(
        partitionKey=st.sampled_from([None, "profile", "identity:ecid"]),
        includeSegmentNames=st.sampled_from([None, True, False]),
        includeSegmentTimestamps=st.sampled_from([None, True]),
    ),
)
def test_every_configuration_comes_back_the_same(
    destination: dict[str, Any],
    governance: dict[str, Any],
    labelled: dict[str, Any],
    odd_segment: dict[str, Any],
    odd_members: dict[str, Any],
) -> None:
    destination = destination | odd_members
    destination["segments"] = [
        {**each, **(odd_segment if index else {})} for index, each in enumerate(destination["segments"])
    ]
    files = of_texts(written(destination), written(governance | {"labels": labelled}))

    made = moved(files)
    came_back = files_of(made, SEALING.unseal)

    before, after = parse_files(files, ENVIRON), parse_files(came_back, ENVIRON)
    assert after == before
    assert fingerprint(compile_plan(*after)) == fingerprint(compile_plan(*before))
    assert check(Definition(), made).may_be_kept
    assert "two $" not in json.dumps([dict(each.body) for each in made.resources.values()])


def test_a_definition_that_moves_is_bound_to_the_stream_of_its_files() -> None:
    made = moved(with_connection())
    assert made.bound_to == Target("exports", "eu-west-1")
    assert bound(made) is made


def test_references_to_variables_of_exports_stay_and_other_keys_are_sealed() -> None:
    made = moved(with_connection(accessKeyId="${EXPORT_ID}", secretKey="${SECRET}"))
    (base,) = [each for each in made.of("connections") if "auth" in each.body]
    assert isinstance(base.body["auth"], dict)
    params = base.body["auth"]["params"]
    assert isinstance(params, dict)
    assert params["accessKeyId"] == "${EXPORT_ID}"
    assert isinstance(params["secretKey"], dict)
    assert (
        SEALING.unseal("connections", base.id, "secretKey", str(params["secretKey"]["$sealed"]))
        == "two $ ${X}"
    )


def test_files_of_keys_stay_what_they_are() -> None:
    keys = {"accessKeyIdFile": "/run/id", "secretKeyFile": "/run/secret"}
    destination, _ = parse_files(files_of(moved(with_connection(**keys)), SEALING.unseal), ENVIRON)
    assert str(destination.connection.secret_key_file) == "/run/secret"


def test_without_a_key_to_seal_with_the_remedy_is_told_of_the_file() -> None:
    with pytest.raises(ConfigurationError, match=r"d: connection\.accessKeyId: .*EXPORT_") as raised:
        moved(with_connection(accessKeyId="${KEY_ID}", secretKey="${SECRET}"), Sealing())
    assert "two $" not in str(raised.value)


def test_consent_policies_and_enforcement_come_back() -> None:
    governance = {
        "enforcement": "block",
        "consentPolicies": [
            {
                "name": "c",
                "status": "ENABLED",
                "marketingActionRefs": ["emailTargeting"],
                "requires": {"operator": "OR", "operands": [{"path": "a", "in": [None, {"b": None}, "$x"]}]},
            }
        ],
    }
    files = of_texts(with_connection().destination[0] or "", json.dumps(governance))
    assert parse_files(files_of(moved(files), SEALING.unseal), ENVIRON) == parse_files(files, ENVIRON)


def test_files_that_are_refused_are_not_moved() -> None:
    governance = {
        "enforcement": "block",
        "labels": {"segments": [{"id": "a", "labels": ["C12"]}]},
    }
    with pytest.raises(ConfigurationError, match="may not be exported"):
        moved(of_texts(with_connection().destination[0] or "", json.dumps(governance)))
    with pytest.raises(ConfigurationError, match="password"):
        moved(with_connection(connectionUrl="https://user:secret@host"))
