"""Secrets are taken where they are encrypted, and nowhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.dataflows import whole_definition
from tests.support.flow_service_calls import Calls

if TYPE_CHECKING:
    from processor.definition.model import Collection
    from processor.flow_service.documents import Json

SECRET = "never-kept-in-the-clear"


def body_of(calls: Calls, collection: Collection) -> dict[str, Json]:
    return dict(calls.definition.of(collection)[0].body)


@pytest.mark.parametrize(
    ("collection", "more", "place"),
    [
        ("targetConnections", {"secretKey": SECRET}, "/secretKey"),
        ("targetConnections", {"auth": {"params": {"accessKeyId": SECRET}}}, "/auth/params/accessKeyId"),
        ("sourceConnections", {"params": {"secret_key": SECRET}}, "/params/secret_key"),
        (
            "sourceConnections",
            {"data": {"x": [{"AWS_SECRET_ACCESS_KEY": SECRET}]}},
            "/data/x/0/AWS_SECRET_ACCESS_KEY",
        ),
        ("sourceConnections", {"params": {"password": {"nested": SECRET}}}, "/params/password"),
    ],
)
def test_a_secret_beside_its_place_is_refused_before_it_is_kept(
    collection: Collection, more: dict[str, Json], place: str
) -> None:
    calls = Calls(whole_definition())
    refusal = calls.refused("POST", f"/{collection}", {**body_of(calls, collection), **more})
    assert (refusal.status, [each.pointer for each in refusal.places]) == (400, [place])
    assert SECRET not in json.dumps(refusal.json())


def test_no_patch_adds_one() -> None:
    calls = Calls(whole_definition())
    add: Json = [{"op": "add", "path": "/sessionToken", "value": SECRET}]
    refusal = calls.refused("PATCH", "/flows/flow", add, "*")
    assert [(each.of, each.pointer) for each in refusal.places] == [("flows/flow", "/sessionToken")]
    assert SECRET not in json.dumps(refusal.json())
