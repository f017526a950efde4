"""A definition carries who changed what of it, and when; never a secret, and never more than is of use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from processor.definition.differences import DETAIL_CHARACTERS_MAX, DETAILS_MAX
from processor.definition.history import CHANGES_MAX, CHARACTERS_MAX, ENTRIES_MAX, is_whole, recorded, shown
from processor.definition.model import COLLECTIONS, Definition, Entry
from processor.definition.record import Proposal, decoded, encoded
from processor.definition.sealing import Sealing, resealed, sealed_body
from tests.support.dataflows import (
    attribute_selector,
    flow_body,
    resource,
    segment_selector,
    whole_definition,
)
from tests.support.definitions import adding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.definition.model import Collection
    from processor.flow_service.documents import Json

SECRET = "the-very-secret-key"


def changed(definition: Definition, collection: Collection, id_: str, body: Mapping[str, Json]) -> Definition:
    """The definition with another body, and so another etag, of one of its objects."""
    former = definition.find(collection, id_)
    assert former is not None
    return definition.with_(replace(former, body=body, etag='"another"'))


def details(former: Definition, made: Definition) -> list[str]:
    """What is told of the one object that was changed."""
    (change,) = recorded(former, made, 5, "us").history[0].changes
    assert change.what == "changed"
    return list(change.details)


def test_what_is_made_of_a_definition_is_the_next_version_and_has_what_led_to_it_the_latest_first() -> None:
    one = recorded(Definition(), adding("a")(Definition()), 5, "us")
    other = recorded(one, one.without([("connections", "a")]), 6, "them")
    assert other.version == 2
    assert [shown(each) for each in other.history] == [
        {
            "version": 2,
            "atMs": 6,
            "by": "them",
            "changes": [
                {"collection": "connections", "id": "a", "name": "a", "what": "deleted", "details": []}
            ],
            "furtherChanges": 0,
        },
        {
            "version": 1,
            "atMs": 5,
            "by": "us",
            "changes": [{"collection": "connections", "id": "a", "name": "a", "what": "made", "details": []}],
            "furtherChanges": 0,
        },
    ]


def test_whatever_a_change_says_of_the_history_is_not_heeded() -> None:
    one = recorded(Definition(), adding("a")(Definition()), 5, "us")
    forged = replace(adding("b")(one), history=(Entry(9, 9, "nobody"),), version=41)
    made = recorded(one, forged, 6, "them")
    assert (made.version, [each.version for each in made.history]) == (2, [2, 1])


def test_it_is_whole_while_it_goes_back_to_when_nothing_was_defined() -> None:
    assert is_whole(Definition())
    assert is_whole(recorded(Definition(), adding("a")(Definition()), 5, "us"))
    without_one = Definition(version=7)
    assert not is_whole(without_one)
    assert not is_whole(recorded(without_one, adding("a")(without_one), 5, "us"))


def test_the_latest_changes_are_kept_and_each_tells_of_a_bounded_number_of_objects() -> None:
    definition = Definition()
    for number in range(ENTRIES_MAX + 3):
        definition = recorded(definition, adding(f"name-{number}")(definition), number, "us")
    versions = [each.version for each in definition.history]
    assert versions == list(range(ENTRIES_MAX + 3, 3, -1))
    assert not is_whole(definition)
    many = definition.with_(*(resource("connections", f"more-{number}", {}) for number in range(50)))
    latest = recorded(definition, many, 1, "us").history[0]
    assert (len(latest.changes), latest.further) == (CHANGES_MAX, 50 - CHANGES_MAX)


def test_its_size_is_bounded_and_the_latest_change_is_always_told() -> None:
    definition = Definition()
    for number in range(ENTRIES_MAX):
        bodies = {f"{each}": {"name": f"{number}" * 90} for each in range(CHANGES_MAX)}
        made = definition.with_(*(resource("connections", id_, body) for id_, body in bodies.items()))
        definition = recorded(definition, made, number, "us")
        assert definition.history[0].version == number + 1
    assert len(definition.history) < ENTRIES_MAX
    size = len(encoded(Proposal("a", ENTRIES_MAX - 1, ENTRIES_MAX, (), definition)))
    bare = len(encoded(Proposal("a", ENTRIES_MAX - 1, ENTRIES_MAX, (), replace(definition, history=()))))
    assert size - bare < 1.5 * CHARACTERS_MAX


def test_a_record_brings_the_history_along_and_one_of_an_older_release_has_none() -> None:
    made = recorded(whole_definition(), changed_flow("s1"), 5, "us")
    proposal = Proposal("abc", 7, 8, (), made, 5, "us")
    found = decoded(proposal.key, encoded(proposal))
    assert found is not None
    assert found.definition is not None
    assert found.definition.history == made.history
    older = encoded(replace(proposal, definition=replace(made, history=())))
    found = decoded(proposal.key, older.replace(b'"history":[],', b""))
    assert found is not None
    assert found.definition == replace(made, history=())


def changed_flow(segment: str) -> Definition:
    return changed(whole_definition(), "flows", "flow", flow_body([segment_selector(segment)]))


def test_segments_and_attributes_are_told_as_people_know_them() -> None:
    former = whole_definition(
        flow=flow_body(
            [segment_selector("s1", name="Gold"), segment_selector("s2")],
            [attribute_selector("person.email")],
        )
    )
    body = flow_body(
        [segment_selector("s1", name="Gold <b>"), segment_selector("s3", name="New", namespace="crm")],
        [attribute_selector("person.city")],
    )
    assert details(
        former, changed(former, "flows", "flow", {**body, "state": "disabled", "name": "Other"})
    ) == [
        "name: Campaign → Other",
        "state: enabled → disabled",
        "segment mapped: New (crm/s3)",
        "segment unmapped: ups/s2",
        "segment changed: Gold <b> (ups/s1)",
        "attribute mapped: person.city",
        "attribute unmapped: person.email",
    ]


def test_what_is_mapped_by_a_new_dataflow_is_told_and_of_very_many_the_first() -> None:
    segments: list[Json] = [segment_selector(f"s{number}") for number in range(500)]
    flow = resource("flows", "f", flow_body(segments))
    (change,) = recorded(Definition(), Definition().with_(flow), 5, "us").history[0].changes
    assert change.what == "made"
    assert change.details[:2] == ("state: enabled", "segment mapped: ups/s0")
    # A state, 500 segments and an attribute, of which nine are told.
    assert (len(change.details), change.details[-1]) == (DETAILS_MAX, f"and {502 - DETAILS_MAX + 1} more")


def test_what_is_mapped_in_another_order_is_told_as_that() -> None:
    selectors: list[Json] = [segment_selector("s1"), segment_selector("s2")]
    former = whole_definition(flow=flow_body(selectors))
    made = changed(former, "flows", "flow", flow_body(selectors[::-1]))
    assert details(former, made) == ["what is mapped is written in another way"]


def test_a_new_dataflow_that_maps_nothing_yet_is_told_as_that_alone() -> None:
    flow = resource("flows", "f", flow_body([], []))
    (change,) = recorded(Definition(), Definition().with_(flow), 5, "us").history[0].changes
    assert (change.what, change.details) == ("made", ("state: enabled",))


def test_marketing_actions_are_told_by_name_however_they_were_given() -> None:
    former = whole_definition(target={"marketingActions": ["emailTargeting", "analytics"]})
    target = former.find("targetConnections", "target")
    assert target is not None
    ref = "https://platform.adobe.io/data/foundation/dulepolicy/marketingActions/custom/own%20one"
    params: dict[str, Json] = {"stream": "other", "marketingActions": ["analytics", ref]}
    made = changed(former, "targetConnections", "target", {**target.body, "params": params})
    assert details(former, made) == [
        "stream: exports → other",
        "region: eu-west-1 → none",
        "marketing action added: own one",
        "marketing action taken off: emailTargeting",
    ]


def test_labels_enforcement_and_policies_are_told() -> None:
    former = Definition().with_(
        resource("labels", "labels", {"fields": {"person.email": ["I1"], "person.city": ["C1"]}}),
        resource("enforcement", "enforcement", {"enforcement": "filter"}),
        resource(
            "policies/custom", "p", {"name": "No credit data", "status": "DRAFT", "deny": {"label": "C2"}}
        ),
    )
    made = changed(
        former, "labels", "labels", {"fields": {"person.email": ["I1", "S1"]}, "segments": {"ups/s1": ["C2"]}}
    )
    assert details(former, made) == [
        "fields person.email: I1, S1",
        "fields person.city: no label",
        "segments ups/s1: C2",
    ]
    made = changed(former, "enforcement", "enforcement", {"enforcement": "block"})
    assert details(former, made) == ["enforcement: filter → block"]
    policy: dict[str, Json] = {"name": "No credit data", "status": "ENABLED", "deny": {"label": "C3"}}
    assert details(former, changed(former, "policies/custom", "p", policy)) == [
        "status: DRAFT → ENABLED",
        "/deny/label changed",
    ]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"accessKeyId": "AKIAANOTHER", "secretKey": SECRET}, id="other keys"),
        pytest.param(
            {"accessKeyId": "${EXPORT_OTHER}", "secretKey": "${EXPORT_OTHER}"}, id="other variables"
        ),
        pytest.param({}, id="none"),
    ],
)
def test_of_credentials_it_is_told_that_they_were_changed_and_no_more(keys: dict[str, Json]) -> None:
    former = whole_definition()
    base = former.find("connections", "base")
    assert base is not None
    params: dict[str, Json] = {"region": "eu-west-1", **keys}
    auth: dict[str, Json] = {"specName": "Aws Kinesis authentication credentials", "params": params}
    body: dict[str, Json] = {**base.body, "auth": auth}
    sealed = sealed_body("connections", "base", body, Sealing([Fernet.generate_key().decode()]))
    made = recorded(former, changed(former, "connections", "base", sealed), 5, "us")
    (change,) = made.history[0].changes
    assert change.details == ("credentials changed",)
    assert not any(each in str(made.history) for each in ("AKIA", SECRET, "EXPORT", "gAAAA"))


def test_what_is_given_in_the_clear_where_nobody_expects_it_is_not_told_either() -> None:
    former = whole_definition()
    base = former.find("connections", "base")
    assert base is not None
    auth: dict[str, Json] = {"params": {"secretKey": SECRET, "proxy": SECRET}}
    body: dict[str, Json] = {**base.body, "auth": auth, "note": {"deep": SECRET}}
    assert SECRET not in str(recorded(former, changed(former, "connections", "base", body), 5, "us").history)


def test_keys_that_are_encrypted_anew_are_told_apart_from_others() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed: dict[str, Json] = {
        each: Sealing([old]).seal("connections", "base", each, SECRET)
        for each in ("accessKeyId", "secretKey")
    }
    former = whole_definition(keys=sealed)
    assert details(former, resealed(former, Sealing([new, old]))) == ["credentials encrypted anew"]


def test_hostile_and_endless_names_are_cut_and_are_texts() -> None:
    name = "<script>alert(1)</script>\u202e" * 100
    former = whole_definition()
    made = changed(former, "flows", "flow", {**flow_body([segment_selector("s" * 5000)]), "name": name})
    (change,) = recorded(former, made, 5, "us").history[0].changes
    assert change.name is not None
    assert change.name.startswith("<script>")
    assert all(len(each) <= DETAIL_CHARACTERS_MAX for each in (change.name, *change.details))


_NAMES = st.text(max_size=3) | st.sampled_from(
    [
        "transformations", "params", "segmentSelectors", "profileSelectors", "selectors", "value", "id", "path",
        "namespace", "name", "marketingActions", "auth", "secretKey", "$sealed", "fields", "state",
    ]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_SELECTORS = st.lists(_JSON | st.builds(lambda value: {"value": value}, _JSON), max_size=3)
_BODIES = (
    st.dictionaries(_NAMES, _JSON, max_size=5)
    | st.builds(flow_body, _SELECTORS, _SELECTORS)
    | st.builds(lambda actions: {"params": {"marketingActions": actions}}, _JSON)
    | st.builds(lambda params: {"auth": {"params": params}}, _JSON)
)
_DEFINITIONS = st.dictionaries(st.sampled_from(COLLECTIONS), _BODIES, max_size=4).map(
    lambda bodies: Definition(3).with_(*(resource(where, "o", body) for where, body in bodies.items()))
)


@given(_DEFINITIONS, _DEFINITIONS)
def test_whatever_objects_hold_a_change_of_them_can_be_told_written_and_read(
    former: Definition, made: Definition
) -> None:
    new = recorded(former, made, 5, "us")
    entry = new.history[0]
    assert {(each.collection, each.what) for each in entry.changes} == {
        (where, what)
        for where in COLLECTIONS
        for what, is_so in (
            ("made", not former.of(where) and made.of(where)),
            ("deleted", former.of(where) and not made.of(where)),
            ("changed", former.of(where) and made.of(where) and former.of(where) != made.of(where)),
        )
        if is_so
    }
    assert all(len(each.details) <= DETAILS_MAX for each in entry.changes)
    proposal = Proposal("abc", 3, 4, (), new)
    found = decoded(proposal.key, encoded(proposal))
    assert found is not None
    assert found.definition is not None
    assert found.definition.history == new.history
