"""The governance file as value objects, in the form of Adobe's Policy Service.

Loading, with lines and remedies, is `processor.configuration`; this module only says what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Enforcement: TypeAlias = Literal["filter", "block"]
Operator: TypeAlias = Literal["AND", "OR"]
PolicyStatus: TypeAlias = Literal["ENABLED", "DRAFT", "DISABLED"]
JsonScalarOrTree: TypeAlias = (
    "bool | int | float | str | list[JsonScalarOrTree] | dict[str, JsonScalarOrTree] | None"
)

CORE_MARKETING_ACTIONS = frozenset(
    {
        "analytics",
        "combineWithPII",
        "crossSiteTargeting",
        "dataScience",
        "emailTargeting",
        "exportToThirdParty",
        "onsiteAdvertising",
        "onsitePersonalization",
        "segmentMatch",
        "singleIdentityPersonalization",
    }
)
NEVER_EXPORTED = "C12"
"""The one core label that no policy is needed for."""


@dataclass(frozen=True, slots=True)
class HasLabel:
    """True of a set of labels that holds `label`."""

    label: str


@dataclass(frozen=True, slots=True)
class LabelRule:
    """`operands` joined by `operator`; at least one operand."""

    operator: Operator
    operands: tuple[HasLabel | LabelRule, ...]


@dataclass(frozen=True, slots=True)
class ValueIn:
    """True of a profile whose value at `path` equals one of `values`, as JSON values."""

    path: str
    values: tuple[JsonScalarOrTree, ...]


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """`operands` joined by `operator`; at least one operand."""

    operator: Operator
    operands: tuple[ValueIn | ConsentRule, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A data usage policy; `actions` are bare names, the last path segments of its marketingActionRefs."""

    name: str
    status: PolicyStatus
    actions: tuple[str, ...]
    deny: HasLabel | LabelRule


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """A consent policy; `actions` as in `Policy`."""

    name: str
    status: PolicyStatus
    actions: tuple[str, ...]
    requires: ValueIn | ConsentRule


@dataclass(frozen=True, slots=True)
class Governance:
    """The whole file. Mappings keep the file's order; segment labels are by (namespace, id)."""

    enforcement: Enforcement = "filter"
    custom_actions: tuple[str, ...] = ()
    field_labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    identity_labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    segment_labels: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    consent_policies: tuple[ConsentPolicy, ...] = ()
    source: str = field(default="governance.yaml", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Where members (`labels.identities.ecid`) stand in the file."""
