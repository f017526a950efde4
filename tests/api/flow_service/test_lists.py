"""Lists of objects, as published: filters, order, pages, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from processor.flow_service.names import KINESIS_SPEC, PROFILE_SERVICE_SPEC
from tests.support.dataflows import SEGMENT_ID, resource, whole_definition
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from processor.flow_service.documents import Json


def listed(calls: Calls, path: str) -> list[str]:
    body = calls.call("GET", path).body
    assert isinstance(body, dict)
    assert isinstance(body["items"], list)
    return [str(each["id"]) for each in body["items"] if isinstance(each, dict)]


@pytest.fixture
def whole() -> Calls:
    return Calls(whole_definition())


@pytest.fixture
def many() -> Calls:
    """Twenty-five connections to the platform, of which every other is called `even`."""
    body: dict[str, Json] = {"connectionSpec": {"id": PROFILE_SERVICE_SPEC}}
    made = [
        resource(
            "connections", f"c{number:02}", {"name": "odd" if number % 2 else "even", "n": number, **body}
        )
        for number in range(25)
    ]
    return Calls(whole_definition().without([("flows", "flow")]).with_(*made).without([("connections", "x")]))


@pytest.mark.parametrize(
    ("collection", "expression", "ids"),
    [
        ("connections", f"connectionSpec.id=={KINESIS_SPEC}", ["base"]),
        ("connections", f"connectionSpec.id=={KINESIS_SPEC},{PROFILE_SERVICE_SPEC}", ["platform", "base"]),
        ("connections", f"connectionSpec.id!={KINESIS_SPEC}", ["platform"]),
        ("connections", "id=base", ["base"]),
        ("connections", "state==enabled", ["platform", "base"]),
        ("connections", "name==kinesis", []),
        ("targetConnections", "baseConnectionId==base", ["target"]),
        ("flows", "sourceConnectionIds[]==other,source", ["flow"]),
        ("flows", "sourceConnectionIds==source", []),
        ("flows", f"transformations[].params.segmentSelectors.selectors[].value.id=={SEGMENT_ID}", ["flow"]),
        ("flows", "inheritedAttributes.properties.isDestinationFlow==true", ["flow"]),
        ("flows", f"inheritedAttributes.targetConnections[].connectionSpec.id=={KINESIS_SPEC}", ["flow"]),
        ("flows", "createdAt>1699999999999", ["flow"]),
        ("flows", "createdAt<1699999999999", []),
        ("flows", "createdAt>=1700000000000", ["flow"]),
        ("flows", "createdAt<=abc", []),
        ("flows", "name>A", ["flow"]),
        ("flows", "name.a.b==c", []),
        ("connectionSpecs", "name==Amazon Kinesis", [KINESIS_SPEC]),
        ("flowSpecs", "name==none", []),
    ],
)
def test_objects_are_filtered_by_any_member(
    whole: Calls, collection: str, expression: str, ids: list[str]
) -> None:
    assert listed(whole, f"/{collection}?property={quote(expression)}") == ids


def test_all_filters_must_hold(whole: Calls) -> None:
    assert listed(whole, "/flows?property=state==enabled&property=name==Campaign") == ["flow"]
    assert listed(whole, "/flows?property=state==enabled&property=name==other") == []


def test_secrets_are_not_what_a_filter_can_ask_for() -> None:
    calls = Calls()
    calls.made(
        "/connections",
        {
            "name": "k",
            "connectionSpec": {"id": KINESIS_SPEC},
            "auth": {"params": {"accessKeyId": "AKIA", "secretKey": "very secret"}},
        },
    )
    assert listed(calls, "/connections?property=auth.params.secretKey==very%20secret") == []
    assert listed(calls, "/connections?property=auth.params.secretKey>A") == []


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("name", ["base", "platform"]),
        ("%2Bname", ["base", "platform"]),
        ("+name", ["base", "platform"]),
        ("-name", ["platform", "base"]),
        ("createdAt,-id", ["platform", "base"]),
        ("none", ["platform", "base"]),
    ],
)
def test_objects_are_ordered(whole: Calls, order: str, ids: list[str]) -> None:
    assert listed(whole, f"/connections?orderby={order}") == ids


@pytest.mark.parametrize("query", ["", "limit=7", "limit=1", "orderby=-n", "property=name==odd&limit=5"])
def test_pages_lead_from_one_to_the_next(many: Calls, query: str) -> None:
    at_once = listed(many, f"/connections?limit=100&{query.replace('limit', 'other')}")
    path, found = f"/connections?{query}", list[str]()
    while True:
        body = many.call("GET", path).body
        assert isinstance(body, dict)
        assert isinstance(body["_links"], dict)
        found += listed(many, path)
        if not body["_links"]:
            break
        following = body["_links"]["next"]
        assert isinstance(following, dict)
        path = str(following["href"])
        # Clients take what is behind the first `=`.
        assert path.count("=") == 1
        assert isinstance(body["_page"], dict)
        assert path.split("=")[1] == body["_page"]["next"]
    assert found == at_once
    assert len(found) == len(set(found))


def test_a_page_goes_on_where_it_was_though_its_last_object_is_gone(many: Calls) -> None:
    body = many.call("GET", "/connections?limit=5").body
    assert isinstance(body, dict)
    assert isinstance(body["_page"], dict)
    last = listed(many, "/connections?limit=5")[-1]
    rest = listed(many, "/connections?limit=100")[5:]
    many.call("DELETE", f"/connections/{last}")
    assert listed(many, f"/connections?limit=100&continuationToken={body['_page']['next']}") == rest


def test_a_count_is_answered_alone(many: Calls) -> None:
    assert many.call("GET", "/connections?property=name==odd&count=true").body == {"count": 12}
    assert isinstance(many.call("GET", "/connections?count=False&limit=3").body, dict)
    assert len(listed(many, "/connections?count=False&limit=3")) == 3


def test_numbers_of_any_size_are_ordered_and_compared(whole: Calls) -> None:
    whole.definition = whole.definition.with_(
        *(
            resource("targetConnections", f"n{place}", {"name": "n", "n": number})
            for place, number in enumerate((10**400, -(10**400), 0.5))
        )
    )
    assert listed(whole, "/targetConnections?property=name==n&orderby=n") == ["n1", "n2", "n0"]
    assert listed(whole, "/targetConnections?property=n>1") == ["n0"]


def test_a_larger_limit_than_there_is_is_the_largest(many: Calls) -> None:
    assert len(listed(many, "/connections?limit=1000")) == 27


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=many",
        "limit=99999999999999999999",
        "property=name",
        "property==a",
        "continuationToken=abc",
        "continuationToken=bnVsbA",
        "continuationToken=%F0%9F%98%80",
        "orderby=" + ",".join("abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(many: Calls, query: str) -> None:
    assert many.refused("GET", f"/connections?{query}").status == 400
