"""The calls of three published tutorials, with their ids and bodies, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from processor.api.errors import ApiError
from processor.configuration import parse_files
from processor.definition.files import files_of, selectors_of, why_idle
from processor.definition.model import Target
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.flow_service.documents import Json

PROFILE_SERVICE = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
AMAZON_KINESIS = "86043421-563b-46ec-8e6c-e23184711bf6"
PROFILE_FLOW = "71471eba-b620-49e4-90fd-23f1fa0174d8"
SEGMENTS = "/transformations/0/params/segmentSelectors/selectors"
ATTRIBUTES = "/transformations/0/params/profileSelectors/selectors"


@dataclass
class Tutorial:
    """The calls of "Connect to streaming destinations", up to one of its steps."""

    calls: Calls
    platform: str = ""
    source: str = ""
    kinesis: str = ""
    target: str = ""
    flow: str = ""
    etag: str = ""

    def connect_to_the_platform(self) -> None:
        self.platform, _ = self.calls.made(
            "/connections",
            {
                "name": "Base connection to Experience Platform",
                "description": "This call establishes the connection to Experience Platform data",
                "connectionSpec": {"id": PROFILE_SERVICE, "version": "1.0"},
            },
        )

    def connect_to_profiles(self) -> None:
        self.connect_to_the_platform()
        self.source, _ = self.calls.made(
            "/sourceConnections",
            {
                "name": "Connecting to Profile Service",
                "description": "Optional",
                "connectionSpec": {"id": PROFILE_SERVICE, "version": "1.0"},
                "baseConnectionId": self.platform,
                "data": {"format": "json"},
                "params": {},
            },
        )

    def connect_to_kinesis(self) -> None:
        self.connect_to_profiles()
        self.kinesis, _ = self.calls.made(
            "/connections",
            {
                "name": "Connection for Amazon Kinesis/ Azure Event Hubs",
                "description": "summer advertising campaign",
                "connectionSpec": {"id": AMAZON_KINESIS, "version": "1.0"},
                "auth": {
                    "specName": "Aws Kinesis authentication credentials",
                    "params": {
                        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
                        "secretKey": "the very secret key",
                        "region": "eu-west-1",
                    },
                },
            },
        )

    def connect_to_the_stream(self) -> None:
        self.connect_to_kinesis()
        self.target, _ = self.calls.made(
            "/targetConnections",
            {
                "name": "Amazon Kinesis/ Azure Event Hubs target connection",
                "description": "Connection to Amazon Kinesis/ Azure Event Hubs",
                "baseConnectionId": self.kinesis,
                "connectionSpec": {"id": AMAZON_KINESIS, "version": "1.0"},
                "data": {"format": "json"},
                "params": {"stream": "exports", "region": "eu-west-1"},
            },
        )

    def create_the_dataflow(self) -> None:
        self.connect_to_the_stream()
        self.flow, self.etag = self.calls.made(
            "/flows",
            {
                "name": "Azure Event Hubs",
                "description": "Azure Event Hubs",
                "flowSpec": {"id": PROFILE_FLOW, "version": "1.0"},
                "sourceConnectionIds": [self.source],
                "targetConnectionIds": [self.target],
                "transformations": [
                    {
                        "name": "GeneralTransform",
                        "params": {
                            "profileSelectors": {"selectors": []},
                            "segmentSelectors": {"selectors": []},
                        },
                    }
                ],
            },
        )

    def activate(self) -> None:
        self.create_the_dataflow()
        self.patch(
            [
                {
                    "op": "add",
                    "path": f"{SEGMENTS}/-",
                    "value": {
                        "type": "PLATFORM_SEGMENT",
                        "value": {
                            "name": "Name of the segment that you are activating",
                            "description": "Description of the segment that you are activating",
                            "id": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02",
                        },
                    },
                },
                {
                    "op": "add",
                    "path": f"{ATTRIBUTES}/-",
                    "value": {
                        "type": "JSON_PATH",
                        "value": {"operator": "EXISTS", "path": "personalEmail.address"},
                    },
                },
            ]
        )

    def patch(self, operations: list[Json]) -> None:
        """Change the flow as it was last seen, as the second tutorial does."""
        # The tutorial puts the etag within quotes of its own.
        answer = self.calls.call("PATCH", f"/flows/{self.flow}", operations, f'"{self.etag.strip(chr(34))}"')
        assert isinstance(answer.body, dict)
        assert answer.body["id"] == self.flow
        assert answer.body["etag"] != self.etag
        self.etag = str(answer.body["etag"])

    def segments(self) -> list[str]:
        return [
            str(selector["value"]["id"])
            for _, selector in selectors_of(self.calls.shown(f"/flows/{self.flow}"), "segmentSelectors")
            if isinstance(selector, dict) and isinstance(selector["value"], dict)
        ]

    def attributes(self) -> list[str]:
        return [
            str(selector["value"]["path"])
            for _, selector in selectors_of(self.calls.shown(f"/flows/{self.flow}"), "profileSelectors")
            if isinstance(selector, dict) and isinstance(selector["value"], dict)
        ]


@pytest.fixture
def tutorial() -> Tutorial:
    return Tutorial(Calls())


def after(step: Callable[[Tutorial], None], tutorial: Tutorial) -> Tutorial:
    step(tutorial)
    return tutorial


def test_the_specs_that_it_looks_for_are_listed(tutorial: Tutorial) -> None:
    body = tutorial.calls.call("GET", "/connectionSpecs").body
    assert isinstance(body, dict)
    assert isinstance(body["items"], list)
    found = {each["id"]: each["name"] for each in body["items"] if isinstance(each, dict)}
    assert found[AMAZON_KINESIS] == "Amazon Kinesis"
    assert PROFILE_SERVICE in found


def test_a_base_connection_to_the_platform_is_made(tutorial: Tutorial) -> None:
    after(Tutorial.connect_to_the_platform, tutorial)
    made = tutorial.calls.shown(f"/connections/{tutorial.platform}")
    assert made["name"] == "Base connection to Experience Platform"
    assert made["state"] == "enabled"


def test_a_source_connection_is_made(tutorial: Tutorial) -> None:
    after(Tutorial.connect_to_profiles, tutorial)
    made = tutorial.calls.shown(f"/sourceConnections/{tutorial.source}")
    assert made["baseConnectionId"] == tutorial.platform
    assert made["params"] == {}


def test_a_base_connection_to_kinesis_is_made_and_shows_no_key(tutorial: Tutorial) -> None:
    after(Tutorial.connect_to_kinesis, tutorial)
    made = tutorial.calls.shown(f"/connections/{tutorial.kinesis}")
    assert made["auth"] == {
        "specName": "Aws Kinesis authentication credentials",
        "params": {"accessKeyId": "**********", "secretKey": "**********", "region": "eu-west-1"},
    }
    assert "the very secret key" not in repr(tutorial.calls.definition.resources.values())


def test_a_target_connection_is_made(tutorial: Tutorial) -> None:
    after(Tutorial.connect_to_the_stream, tutorial)
    made = tutorial.calls.shown(f"/targetConnections/{tutorial.target}")
    assert made["params"] == {"stream": "exports", "region": "eu-west-1"}
    assert made["data"] == {"format": "json"}


def test_a_dataflow_is_made_that_exports_nothing_yet(tutorial: Tutorial) -> None:
    after(Tutorial.create_the_dataflow, tutorial)
    assert tutorial.calls.shown(f"/flows/{tutorial.flow}")["state"] == "enabled"
    assert why_idle(tutorial.calls.definition) == f"the dataflow {tutorial.flow} maps no segment yet"
    assert tutorial.calls.definition.bound_to is None


def test_a_segment_and_an_attribute_are_activated(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    assert tutorial.segments() == ["72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"]
    assert tutorial.attributes() == ["personalEmail.address"]
    assert why_idle(tutorial.calls.definition) is None
    assert tutorial.calls.definition.bound_to == Target("exports", "eu-west-1")


def test_what_was_activated_is_what_workers_export(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    destination, _ = parse_files(files_of(tutorial.calls.definition, tutorial.calls.sealing.unseal), {})
    assert destination.stream == "exports"
    assert destination.connection.secret_key is not None
    assert destination.connection.secret_key.get_secret_value() == "the very secret key"
    (segment,) = destination.segments
    assert segment.id == "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
    assert segment.times.mapping_created_at_ms == tutorial.calls.now_ms
    assert destination.attributes == ("personalEmail.address",)


def test_the_dataflow_is_shown_with_what_it_inherits(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    made = tutorial.calls.shown(f"/flows/{tutorial.flow}")
    spec: dict[str, Json] = {"id": AMAZON_KINESIS, "version": "1.0"}
    inherited = made["inheritedAttributes"]
    assert isinstance(inherited, dict)
    assert inherited["targetConnections"] == [
        {
            "id": tutorial.target,
            "connectionSpec": spec,
            "baseConnection": {"id": tutorial.kinesis, "connectionSpec": spec},
        }
    ]
    assert made["etag"] == made["version"] == tutorial.etag


def test_the_dataflow_is_validated_by_reading_it(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    assert (
        tutorial.calls.call("GET", f"/flows/{tutorial.flow}", if_match='"an etag before"').etag
        == tutorial.etag
    )
    # The published command line has PATCH in GET's place, without a body.
    refusal = tutorial.calls.refused("PATCH", f"/flows/{tutorial.flow}", if_match='"an etag before"')
    assert (refusal.status, refusal.code) == (400, "1405-400")
    assert "GET" in refusal.detail


def test_name_and_description_are_updated(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial).patch(
        [
            {"op": "replace", "path": "/name", "value": "2021/2022 winter campaign"},
            {"op": "replace", "path": "/description", "value": "ACME company holiday campaign"},
        ]
    )
    made = tutorial.calls.shown(f"/flows/{tutorial.flow}")
    assert (made["name"], made["description"]) == (
        "2021/2022 winter campaign",
        "ACME company holiday campaign",
    )


def test_a_dataflow_is_disabled_and_enabled(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    for op, state in (("disable", "disabled"), ("enable", "enabled")):
        answer = tutorial.calls.call("POST", f"/flows/{tutorial.flow}/action?op={op}")
        made = tutorial.calls.shown(f"/flows/{tutorial.flow}")
        assert made["state"] == state
        assert answer.body == {"id": tutorial.flow, "etag": made["etag"]}
        assert made["etag"] != tutorial.etag


def test_an_audience_of_a_batch_destination_is_added_and_told_what_has_no_effect(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    answer = tutorial.calls.call(
        "PATCH",
        f"/flows/{tutorial.flow}",
        [
            {
                "op": "add",
                "path": f"{SEGMENTS}/-",
                "value": {
                    "type": "PLATFORM_SEGMENT",
                    "value": {
                        "id": "2d79d0d8-724f-49fc-a09d-d1dec338c93c",
                        "name": "Winter 2021/2022 campaign",
                        "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_custom-text",
                        "exportMode": "DAILY_FULL_EXPORT",
                        "schedule": {
                            "startDate": "2022-01-05",
                            "frequency": "DAILY",
                            "triggerType": "AFTER_SEGMENT_EVAL",
                            "endDate": "2022-03-10",
                        },
                    },
                },
            }
        ],
        tutorial.etag,
    )
    assert tutorial.segments()[1] == "2d79d0d8-724f-49fc-a09d-d1dec338c93c"
    assert isinstance(answer.body, dict)
    assert isinstance(answer.body["report"], dict)
    without_effect = answer.body["report"]["withoutEffect"]
    assert isinstance(without_effect, list)
    assert [each["pointer"] for each in without_effect if isinstance(each, dict)] == [
        f"{SEGMENTS}/1/value/filenameTemplate",
        f"{SEGMENTS}/1/value/exportMode",
        f"{SEGMENTS}/1/value/schedule",
    ]


def with_segments(tutorial: Tutorial, *ids: str) -> None:
    after(Tutorial.activate, tutorial).patch(
        [
            {
                "op": "add",
                "path": f"{SEGMENTS}/-",
                "value": {"type": "PLATFORM_SEGMENT", "value": {"id": each}},
            }
            for each in ids
        ]
    )


def test_audiences_are_removed_by_their_places_one_after_the_other(tutorial: Tutorial) -> None:
    with_segments(tutorial, "second", "third", "fourth")
    value: Json = {"type": "PLATFORM_SEGMENT", "value": {}}
    tutorial.patch(
        [
            {"op": "remove", "path": f"{SEGMENTS}/0", "value": value},
            {"op": "remove", "path": f"{SEGMENTS}/1", "value": value},
        ]
    )
    # As RFC 6902 has it: the second operation is carried out on what the first one left.
    assert tutorial.segments() == ["second", "fourth"]


def test_an_audience_is_updated(tutorial: Tutorial) -> None:
    with_segments(tutorial, *"23456789")
    tutorial.patch(
        [
            {
                "op": "replace",
                "path": f"{SEGMENTS}/8",
                "value": {
                    "type": "PLATFORM_SEGMENT",
                    "value": {
                        "id": "4c41c318-9e8c-4a4f-b880-877cdd629fc7",
                        "name": "Batch export for autumn campaign",
                        "exportMode": "FIRST_FULL_THEN_INCREMENTAL",
                        "createTime": "1640289901",
                        "updateTime": "1640289901",
                    },
                },
            }
        ]
    )
    assert tutorial.segments()[8] == "4c41c318-9e8c-4a4f-b880-877cdd629fc7"
    destination, _ = parse_files(files_of(tutorial.calls.definition, tutorial.calls.sealing.unseal), {})
    assert destination.segments[8].name == "Batch export for autumn campaign"
    assert destination.segments[8].times.mapping_created_at_ms == 1_640_289_901_000


def test_a_profile_attribute_is_added_and_removed(tutorial: Tutorial) -> None:
    value: Json = {"type": "JSON_PATH", "value": {"path": "mobilePhone.status"}}
    after(Tutorial.activate, tutorial)
    for path in ("a", "b", "c"):
        other: Json = {"type": "JSON_PATH", "value": {"path": path}}
        tutorial.patch([{"op": "add", "path": f"{ATTRIBUTES}/-", "value": other}])
    tutorial.patch([{"op": "add", "path": f"{ATTRIBUTES}/-", "value": value}])
    assert tutorial.attributes() == ["personalEmail.address", "a", "b", "c", "mobilePhone.status"]
    tutorial.patch([{"op": "remove", "path": f"{ATTRIBUTES}/4", "value": value}])
    assert tutorial.attributes() == ["personalEmail.address", "a", "b", "c"]


def test_a_dataflow_is_deleted_and_gone_then(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    answer = tutorial.calls.call("DELETE", f"/flows/{tutorial.flow}")
    assert (answer.status, answer.body) == (202, None)
    with pytest.raises(ApiError) as raised:
        tutorial.calls.call("GET", f"/flows/{tutorial.flow}")
    assert raised.value.status == 404


def test_an_account_is_deleted_once_no_dataflow_leads_to_it(tutorial: Tutorial) -> None:
    after(Tutorial.activate, tutorial)
    refusal = tutorial.calls.refused("DELETE", f"/connections/{tutorial.kinesis}")
    assert (refusal.status, refusal.places[0].of) == (409, f"targetConnections/{tutorial.target}")
    assert tutorial.calls.refused("DELETE", f"/targetConnections/{tutorial.target}").status == 409
    for path in (
        f"/flows/{tutorial.flow}",
        f"/targetConnections/{tutorial.target}",
        f"/connections/{tutorial.kinesis}",
    ):
        tutorial.calls.call("DELETE", path)
    assert tutorial.calls.refused("GET", f"/connections/{tutorial.kinesis}").status == 404
