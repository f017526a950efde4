"""There and back is the same: our files by way of request bodies, and documents by way of our files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.configuration import Files, parse_configuration, parse_governance
from processor.flow_service.documents import read_documents
from processor.flow_service.exporting import calls
from processor.flow_service.findings import Findings
from processor.flow_service.importing import ImportedFiles, import_documents
from processor.governance.fingerprint import fingerprint
from processor.governance.plan import compile_plan
from tests.support.file_strategies import destinations, governances, labels, members, texts, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.errors import Problem
    from processor.governance.destination import Destination
    from processor.governance.document import Governance

DOCUMENTS = Path(__file__).parent / "documents"
ENVIRON = {"KEY_ID": "one", "SECRET": "two"}


def exported(destination: str, governance: str | None) -> tuple[dict[str, Any], Findings]:
    found = Findings()
    files = Files((destination, "d"), None if governance is None else (governance, "g"), [])
    return {call.name: call.body for call in calls(files, ENVIRON, found)}, found


def imported(documents: Any, actions: Sequence[str] = ()) -> tuple[ImportedFiles, Findings]:
    found = Findings()
    read = read_documents(json.dumps(documents).encode(), "documents", found)
    made = import_documents(read, actions, None, found)
    assert found.problems == []
    return made, found


def parsed(destination: str | None, governance: str | None) -> tuple[Destination, Governance]:
    assert destination is not None
    return parse_configuration(
        (destination, "d"), None if governance is None else (governance, "g"), ENVIRON, []
    )


@settings(max_examples=max(25, settings().max_examples // 4))  # one reads YAML six times
@given(destinations, governances())
def test_files_of_which_all_has_a_counterpart_come_back_the_same(
    destination: dict[str, Any], governance: dict[str, Any]
) -> None:
    bodies, found = exported(written(destination), written(governance))
    assert {each.place for each in found.left_out} <= {"marketingActions"}
    made, found = imported(bodies, destination["marketingActions"])
    assert found.left_out == [] or not destination["marketingActions"]

    before = parsed(written(destination), written(governance))
    after = parsed(made.destination, made.governance)
    assert after == before
    assert fingerprint(compile_plan(*after)) == fingerprint(compile_plan(*before))
    # Descriptions are in no value object.
    came_back = {} if made.governance is None else yaml.safe_load(made.governance)
    plain = json.loads(written(governance))
    assert came_back == {name: value for name, value in plain.items() if value}
    assert exported(made.destination or "", made.governance)[0] == bodies


@settings(max_examples=max(25, settings().max_examples // 4))  # one reads YAML six times
@given(
    destinations,
    governances(),
    labels,
    members(
        createdAt=st.integers(0, 2**62),
        mappingCreatedAt=st.integers(0, 10**15),
        namespace=st.sampled_from(["ups", "crm"]),
    ),
)
def test_of_other_files_all_that_has_a_counterpart_comes_back(
    destination: dict[str, Any], governance: dict[str, Any], labelled: dict[str, Any], odd: dict[str, Any]
) -> None:
    destination = destination | {"includeSegmentNames": True, "partitionKey": "identity:ecid"}
    destination["segments"] = [
        {**each, **(odd if index else {})} for index, each in enumerate(destination["segments"])
    ]
    governance = governance | {"labels": labelled}
    bodies, found = exported(written(destination), written(governance))
    places = {each.place for each in found.left_out}
    assert {"includeSegmentNames", "partitionKey"} <= places
    assert {f"labels.fields.{path}" for path in labelled["fields"]} <= places
    made, _ = imported(bodies, destination["marketingActions"])

    before = parsed(written(destination), written(governance))
    after = parsed(made.destination, made.governance)
    assert after[1] == replace(before[1], field_labels={}, identity_labels={})
    kept = [each for index, each in enumerate(before[0].segments) if f"segments[{index}]" not in places]
    assert [(each.namespace, each.id, each.name) for each in after[0].segments] == [
        (each.namespace, each.id, each.name) for each in kept
    ]
    for back, each in zip(after[0].segments, kept, strict=True):
        place = f"segments[{before[0].segments.index(each)}].mappingCreatedAt"
        assert (back.times.mapping_created_at_ms == each.times.mapping_created_at_ms) == (place not in places)
    assert after[0].attributes == before[0].attributes


def test_documents_come_back_as_request_bodies_less_what_is_listed() -> None:
    documents = {path.stem: json.loads(path.read_text()) for path in DOCUMENTS.glob("*.json")}
    made, _ = imported(list(documents.values()), ["exportToThirdParty"])
    environ = {"EXPORT_KEY_ID": "one", "EXPORT_SECRET": "two"}
    files = Files((made.destination, "d"), (made.governance or "", "g"), [])
    bodies = {call.name[3:]: call.body for call in calls(files, environ, Findings())}
    flow: Any = bodies["post-flows"]
    theirs = documents["flow"]["items"][0]
    assert [flow[name] for name in ("name", "description", "flowSpec")] == [
        theirs[name] for name in ("name", "description", "flowSpec")
    ]

    def kept(selectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
        ours = ("id", "name", "createTime", "updateTime", "path", "operator")
        return [
            {
                "type": each["type"],
                "value": {name: each["value"][name] for name in ours if name in each["value"]},
            }
            for each in selectors
            if each["value"].get("path") != "segmentMembership.status"
        ]

    for member in ("segmentSelectors", "profileSelectors"):
        assert flow["transformations"][0]["params"][member]["selectors"] == kept(
            theirs["transformations"][0]["params"][member]["selectors"]
        )
    target: Any = bodies["post-target-connections"]
    their_target = documents["target-connection"]
    assert (target["params"], target["connectionSpec"]) == (
        their_target["params"],
        their_target["connectionSpec"],
    )
    base: Any = bodies["post-connections-amazon-kinesis"]
    assert base["auth"]["specName"] == documents["connections"]["items"][1]["auth"]["specName"]
    policies: Any = [call.body for call in calls(files, environ, Findings()) if "policies" in call.name]
    for body, policy in zip(policies, documents["policies"]["children"], strict=True):
        for name in ("name", "status", "deny"):
            assert body[name] == policy[name]
        last = [ref.rpartition("/")[2] for ref in policy["marketingActionRefs"]]
        assert [ref.rpartition("/")[2] for ref in body["marketingActionRefs"]] == last
    assert bodies["put-marketing-actions-custom-partner%20sync"] == {
        "name": "partner sync",
        "description": "Share with the partner",
    }


NAMES = [
    "items", "children", "name", "id", "deny", "label", "operator", "operands", "status", "marketingActionRefs", "auth",
    "params", "stream", "region", "connectionSpec", "baseConnectionId", "transformations", "segmentSelectors",
    "profileSelectors", "selectors", "type", "value", "path", "op", "targetConnectionIds", "createTime", "mapping",
    "requires", "_page", "next", "flowSpec", "01-post-flows", "data", "format", "secretKey", "accessKeyId",
]  # fmt: skip
anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(st.data())
def test_no_document_breaks_the_import(data: st.DataObject) -> None:
    documents = [json.loads(path.read_text()) for path in sorted(DOCUMENTS.glob("*.json"))]
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = documents
        while True:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
                at = at[key]
            else:
                at[key] = data.draw(anything)
                break
    found = Findings()
    read = read_documents(json.dumps(documents).encode(), "documents", found)
    made = import_documents(read, (), None, found)
    if not found.problems:
        environ = {"EXPORT_KEY_ID": "one", "EXPORT_SECRET": "two"}
        governance = None if made.governance is None else (made.governance, "g")
        if made.destination is not None:
            parse_configuration((made.destination, "d"), governance, environ, [])
            assert "not-to-be-seen-anywhere" not in made.destination
        elif governance is not None:
            problems: list[Problem] = []
            parse_governance(*governance, environ, problems)
            assert problems == []


@given(anything)
def test_no_json_breaks_the_import(tree: Any) -> None:
    found = Findings()
    import_documents(read_documents(json.dumps(tree).encode(), "documents", found), (), None, found)
    assert all(problem.message and problem.remedy for problem in found.problems)
