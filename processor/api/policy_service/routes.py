"""The table of the Policy Service's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from processor.api.flow_service.bodies import Operation
from processor.api.policy_service import core_policies, marketing_actions
from processor.api.policy_service.core_policies import EnabledPolicies
from processor.api.policy_service.kept import BASE, LIST_QUERY
from processor.api.policy_service.one_of_a_kind import Enforcement, OneOfAKind
from processor.api.policy_service.policies import Policies
from processor.api.routes import Call, Change, Read
from processor.configuration.governance_file import ConsentPolicyForm, LabelsForm, PolicyForm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.api.routes import Route


class PolicyObject(BaseModel):
    """An object as it is answered: its members, and its books."""

    model_config = ConfigDict(extra="allow")

    created: int | None = Field(None, description="When it was made, in milliseconds since the epoch.")
    createdUser: str | None = Field(None, description="By whom: a token's name.")  # noqa: N815  the API's
    updated: int | None = Field(None, description="When it was changed last.")
    updatedUser: str | None = Field(None, description="By whom.")  # noqa: N815  the API's
    links: dict[str, JsonValue] = Field(alias="_links", description="`self`: where it is.")


class PolicyObjects(BaseModel):
    """A list of objects."""

    page: dict[str, JsonValue] = Field(
        alias="_page", description="`count`: how many there are here; `start`: the first of them."
    )
    links: dict[str, JsonValue] = Field(
        alias="_links", description="`next`: where the list goes on, if it does."
    )
    children: list[PolicyObject] = Field(description="The objects.")


class MarketingActionBody(BaseModel):
    """A custom marketing action, whose name is the path's."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str = Field("", min_length=1, description="Its name, which need not be repeated.")
    description: str | None = Field(None, description="What it is for.")


_ACTIONS: Final = f"{BASE}/marketingActions"
_POLICIES: Final = f"{BASE}/policies"


def policy_service() -> list[Route]:
    """The calls."""
    custom = Policies("policies/custom", PolicyForm, "custom policy")
    consent = Policies("consentPolicies", ConsentPolicyForm, "consent policy")
    labels = OneOfAKind("labels", LabelsForm, {})
    enforcement = OneOfAKind("enforcement", Enforcement, {"enforcement": "filter"})
    return [
        Read(_list(f"{_ACTIONS}/core", "List the core marketing actions"), marketing_actions.list_core),
        Read(
            _get(f"{_ACTIONS}/core/{{name}}", "Look a core marketing action up", has_etag=False),
            marketing_actions.get_core,
        ),
        Read(_list(f"{_ACTIONS}/custom", "List the custom marketing actions"), marketing_actions.list_custom),
        Read(
            _get(f"{_ACTIONS}/custom/{{name}}", "Look a custom marketing action up"),
            marketing_actions.get_custom,
        ),
        Change(
            _put(
                f"{_ACTIONS}/custom/{{name}}",
                "Make or change a custom marketing action",
                MarketingActionBody,
                may_make=True,
            ),
            marketing_actions.put_custom,
        ),
        Change(
            _delete(f"{_ACTIONS}/custom/{{name}}", "Remove a custom marketing action"),
            marketing_actions.delete_custom,
        ),
        Read(_list(f"{_POLICIES}/core", "List the core policies"), core_policies.list_),
        Read(_get(f"{_POLICIES}/core/{{id}}", "Look a core policy up"), core_policies.get),
        Read(
            _get(f"{BASE}/enabledCorePolicies", "See which core policies are enabled"),
            core_policies.get_enabled,
        ),
        Change(
            _put(f"{BASE}/enabledCorePolicies", "Say which core policies are enabled", EnabledPolicies),
            core_policies.put_enabled,
        ),
        *_policies(_POLICIES + "/custom", custom, "policy", "policies"),
        *_policies(f"{BASE}/consentPolicies", consent, "consent policy", "consent policies"),
        Read(_get(f"{BASE}/labels", "See what bears which labels"), labels.get),
        Change(_put(f"{BASE}/labels", "Say what bears which labels", LabelsForm), labels.put),
        Read(_get(f"{BASE}/enforcement", "See what happens to what is forbidden"), enforcement.get),
        Change(
            _put(f"{BASE}/enforcement", "Say what happens to what is forbidden", Enforcement), enforcement.put
        ),
    ]


def _policies(path: str, policies: Policies, one: str, many: str) -> Iterator[Route]:
    each = f"{path}/{{id}}"
    yield Read(_list(path, f"List the {many}"), policies.list_)
    yield Change(
        Call(
            "POST", path, f"Make a {one}", answer=PolicyObject, body=policies.form, status=201, has_etag=True
        ),
        policies.post,
    )
    yield Read(_get(each, f"Look a {one} up"), policies.get)
    yield Change(_put(each, f"Write a {one} anew, whole", policies.form), policies.put)
    yield Change(
        Call(
            "PATCH",
            each,
            f"Change parts of a {one}",
            answer=PolicyObject,
            body=list[Operation],
            has_etag=True,
        ),
        policies.patch,
    )
    yield Change(_delete(each, f"Remove a {one}"), policies.delete)


def _list(path: str, summary: str) -> Call:
    return Call("GET", path, summary, answer=PolicyObjects, query=LIST_QUERY)


def _get(path: str, summary: str, *, has_etag: bool = True) -> Call:
    return Call("GET", path, summary, answer=PolicyObject, has_etag=has_etag)


def _put(path: str, summary: str, body: type[BaseModel], *, may_make: bool = False) -> Call:
    return Call("PUT", path, summary, answer=PolicyObject, body=body, may_make=may_make, has_etag=True)


def _delete(path: str, summary: str) -> Call:
    return Call("DELETE", path, summary)
