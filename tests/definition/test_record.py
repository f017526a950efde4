"""A proposal is read back as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processor.definition.model import COLLECTIONS, Definition, Resource, Target
from processor.definition.record import LINEAGE_MAX, VALUE_BYTES_MAX, Proposal, decoded, encoded
from tests.support.definitions import definition, proposal

BODY: dict[str, Any] = {
    "name": "ключ \u0000 \U0001f600",
    "deep": [[{"a": None, "b": [1, 2.5, True]}]],
    "$sealed": "no secret",
    "": "",
}

ARABIC_ZERO = "\N{ARABIC-INDIC DIGIT ZERO}".encode()


def value_of(**changes: object) -> bytes:
    return json.dumps({**json.loads(encoded(proposal("abc", 7))), **changes}).encode()


def key_of(id_: str = "abc", version: int = 7) -> bytes:
    return f"definition-{version:012}-{id_}".encode()


def test_a_proposal_is_read_back_as_it_was_written() -> None:
    resources = {
        (each, f"id of {each}"): Resource(
            each, f"id of {each}", BODY, '"e1"', 1_700_000_000_000, 1_700_000_000_001, "us", "them"
        )
        for each in COLLECTIONS
    }
    of = Proposal(
        "0a1b", 41, 42, ("0a1a", "0a19"), Definition(42, resources, Target("exports", "eu-west-1")), 5, "us"
    )
    found = decoded(of.key, encoded(of))
    assert found == of
    assert found is not None
    assert found.definition is not None
    assert list(found.definition.resources) == list(resources)


def test_its_value_is_json_that_names_its_format_and_the_version_it_was_made_from() -> None:
    of = proposal("abc", 7)
    assert of.key == b"definition-000000000007-abc"
    tree = json.loads(encoded(of))
    assert {name: tree[name] for name in ("format", "version", "from", "id", "atMs", "by")} == {
        "format": 1,
        "version": 7,
        "from": 6,
        "id": "abc",
        "atMs": 5,
        "by": "us",
    }
    assert tree["resources"][0]["createdAtMs"] == 1


def test_of_a_long_lineage_the_latest_are_kept() -> None:
    ids = [str(number) for number in range(LINEAGE_MAX + 5)]
    of = proposal("abc", 700, ids)
    found = decoded(of.key, encoded(of))
    assert found is not None
    assert list(found.lineage) == ids[:LINEAGE_MAX]


def test_members_that_this_release_does_not_know_are_passed_over() -> None:
    assert decoded(key_of(), value_of(more={"a": 1})) == proposal("abc", 7)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"", value_of(), id="no key"),
        pytest.param(b"\xff", value_of(), id="a key that is no text"),
        pytest.param(b"request", value_of(), id="another key"),
        pytest.param(b"definition-7-abc", value_of(), id="a version of other digits"),
        pytest.param(key_of().replace(b"0", ARABIC_ZERO), value_of(), id="digits of another script"),
        pytest.param(key_of(version=8), value_of(), id="the key of another version"),
        pytest.param(key_of("abd"), value_of(), id="the key of another change"),
        pytest.param(key_of() + b"\n", value_of(), id="a line break behind the key"),
        pytest.param(key_of(version=0), value_of(version=0, **{"from": -1}), id="version 0"),
        pytest.param(key_of(), value_of(**{"from": 5}), id="a version that is not the next one"),
        pytest.param(key_of(), value_of(**{"from": 7}), id="a version made from itself"),
        pytest.param(key_of(), value_of(format=0), id="a format that never was"),
        pytest.param(key_of(), value_of(format="1"), id="a format that is no number"),
        pytest.param(key_of(), value_of(resources={}), id="resources that are no list"),
        pytest.param(key_of(), value_of(resources=[{"collection": "flows"}]), id="half a resource"),
        pytest.param(key_of(), value_of(boundTo={"stream": "s"}), id="half a target"),
        pytest.param(key_of(), b"", id="nothing"),
        pytest.param(key_of(), b"null", id="null"),
        pytest.param(key_of(), b"\xff\xfe", id="no text"),
        pytest.param(key_of(), b"[" * 100_000, id="too deep"),
        pytest.param(key_of(), value_of() + b" " * 9 * VALUE_BYTES_MAX, id="too large"),
    ],
)
def test_what_is_no_proposal_is_none(key: bytes, value: bytes) -> None:
    assert decoded(key, value) is None


def test_a_resource_of_an_unknown_collection_or_one_that_stands_twice_makes_it_none() -> None:
    tree = json.loads(value_of())
    (resource,) = tree["resources"]
    assert decoded(key_of(), value_of(resources=[resource])) is not None
    assert decoded(key_of(), value_of(resources=[resource, resource])) is None
    assert decoded(key_of(), value_of(resources=[{**resource, "collection": "tables"}])) is None


def test_of_what_a_later_release_wrote_it_is_known_what_it_was_made_from_and_no_more() -> None:
    found = decoded(key_of(), value_of(format=2, resources="in another way", lineage=["x"]))
    assert found == Proposal("abc", 6, 7, ["x"], None)
    with pytest.raises(ValueError, match="later release"):
        encoded(found)


def test_no_text_of_a_proposal_has_a_body() -> None:
    of = proposal("abc", 7)
    assert of.definition == definition(7, "abc")
    assert "abc" not in repr(of.definition)
