"""The two configuration files, compiled once: what a destination may see.

A `Plan` answers one question, `verdict(labels)`: which of the mapped items may leave when the event itself
bears `labels`. The answer depends on the configuration and on those labels alone, never on a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from processor.errors import ConfigurationError, Problem
from processor.governance.document import Governance
from processor.governance.policy import applies, breach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.governance.destination import Destination, Segment
    from processor.governance.document import ConsentPolicy, Policy

ItemKind: TypeAlias = Literal["identity", "segment", "attribute"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may be removed: an identity namespace, a mapped segment or a mapped attribute.

    `name` is the namespace, `namespace/id` or the attribute's path; `labels` are all that hold for it.
    """

    kind: ItemKind
    name: str
    labels: frozenset[str]
    member: str = ""
    """Where it stands in the file that names it."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An item that may not leave, and why: the policy it would violate and the marketing action concerned."""

    item: Item
    policy: str
    action: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may leave under one set of event labels.

    `segments` and `attributes` run beside the destination's: None where the item may leave, else why not.
    `namespaces` holds the identity namespaces that may not leave. `event` is set where the event's own labels
    forbid everything, identities without labels too.
    """

    segments: tuple[Removal | None, ...]
    attributes: tuple[Removal | None, ...]
    namespaces: Mapping[str, Removal]
    event: Removal | None

    @property
    def removals(self) -> tuple[Removal, ...]:
        """All that is removed, in the order in which the items were gone through."""
        found = (*self.namespaces.values(), *self.segments, *self.attributes)
        return tuple(removal for removal in found if removal is not None)


class Plan:
    """A destination under its governance. Immutable; compile one with `compile_plan`."""

    def __init__(self, destination: Destination, governance: Governance) -> None:
        actions = destination.marketing_actions
        self.destination = destination
        self.governance = governance
        self.items = tuple(_items(destination, governance))
        self.policies: tuple[Policy, ...] = tuple(p for p in governance.policies if applies(p, actions))
        self.consent_policies: tuple[ConsentPolicy, ...] = tuple(
            p for p in governance.consent_policies if applies(p, actions)
        )
        self.standing = self.verdict(frozenset())

    def verdict(self, labels: frozenset[str]) -> Verdict:
        """What may leave when the event bears `labels`; items are gone through in the files' order."""
        actions = self.destination.marketing_actions
        of_the_event = breach(labels, self.policies, actions)
        if of_the_event is not None:
            everything = Removal(Item("identity", "*", labels), *of_the_event)
            removed = {item: Removal(item, *of_the_event) for item in self.items}
            return self._verdict_of(removed, everything)
        kept_labels, removed = labels, {}
        for item in self.items:
            with_item = kept_labels | item.labels
            found = breach(with_item, self.policies, actions)
            if found is None:
                kept_labels = with_item
            else:
                removed[item] = Removal(item, *found)
        return self._verdict_of(removed, None)

    def _verdict_of(self, removed: Mapping[Item, Removal], everything: Removal | None) -> Verdict:
        by_kind: dict[ItemKind, list[Removal | None]] = {"identity": [], "segment": [], "attribute": []}
        for item in self.items:
            by_kind[item.kind].append(removed.get(item))
        return Verdict(
            segments=tuple(by_kind["segment"]),
            attributes=tuple(by_kind["attribute"]),
            namespaces={r.item.name: r for r in by_kind["identity"] if r is not None},
            event=everything,
        )


def compile_plan(destination: Destination, governance: Governance | None = None) -> Plan:
    """Compile the two files.

    Raises:
        ConfigurationError: enforcement is `block` and the filter would remove something.

    """
    plan = Plan(destination, governance or Governance())
    if plan.governance.enforcement == "block" and plan.standing.removals:
        raise ConfigurationError([_blocked(plan, removal) for removal in plan.standing.removals])
    return plan


def segment_name(segment: Segment) -> str:
    """How a segment is called in tables and messages: no two alike, so a `/` in a namespace is written `%2F`."""
    namespace = segment.namespace.replace("%", "%25").replace("/", "%2F")
    return f"{namespace}/{segment.id}"


def labels_of_path(path: str, field_labels: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Labels given to the path, to an ancestor of it, or to a descendant."""
    parts = path.split(".")
    found: frozenset[str] = frozenset()
    for labelled, labels in field_labels.items():
        labelled_parts = labelled.split(".")
        shared = min(len(parts), len(labelled_parts))
        if parts[:shared] == labelled_parts[:shared]:
            found |= labels
    return found


def _items(destination: Destination, governance: Governance) -> Iterator[Item]:
    for namespace, labels in governance.identity_labels.items():
        yield Item("identity", namespace, labels, f"labels.identities.{namespace}")
    for index, segment in enumerate(destination.segments):
        labels = governance.segment_labels.get((segment.namespace, segment.id), frozenset())
        yield Item("segment", segment_name(segment), labels, f"segments[{index}]")
    for index, path in enumerate(destination.attributes):
        yield Item("attribute", path, labels_of_path(path, governance.field_labels), f"attributes[{index}]")


def _blocked(plan: Plan, removal: Removal) -> Problem:
    item = removal.item
    labels = ", ".join(sorted(item.labels))  # at least one: what bears none is never removed for itself
    file = plan.governance if item.kind == "identity" else plan.destination
    return Problem(
        source=file.source,
        line=file.lines.get(item.member),
        member=item.member,
        message=(
            f"the {item.kind} {item.name} (labels: {labels}) may not be exported: "
            f"policy {removal.policy!r} forbids it for marketing action {removal.action!r}"
        ),
        remedy="Unmap the item, change its labels or the policy, or set `enforcement: filter` to remove it instead",
    )
