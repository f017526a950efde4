"""What governance would do to an item that is not mapped yet, beside what is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.governance.plan import Item, Removal, labels_of_path, segment_name
from processor.governance.policy import breach

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from processor.governance.destination import Segment
    from processor.governance.plan import Plan


class Outcomes:
    """Answers for items as if each were mapped by `plan`, behind the others of its kind; those it maps, as it maps them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._removals = {(each.item.kind, each.item.name): each for each in plan.standing.removals}
        self._mapped = {(each.kind, each.name): each for each in plan.items}
        self._kept_by_attributes = self._labels(plan.items)
        self._kept_by_segments = self._labels(each for each in plan.items if each.kind != "attribute")

    def of_segment(self, segment: Segment) -> tuple[Item, Removal | None]:
        """The segment with its labels, and why it would be removed; None where it may leave."""
        labels = self._plan.governance.segment_labels.get((segment.namespace, segment.id), frozenset())
        return self._of(Item("segment", segment_name(segment), labels), self._kept_by_segments)

    def of_attribute(self, path: str) -> tuple[Item, Removal | None]:
        """The attribute with its labels, and why it would be removed; None where it may leave."""
        labels = labels_of_path(path, self._plan.governance.field_labels)
        return self._of(Item("attribute", path, labels), self._kept_by_attributes)

    def _of(self, item: Item, kept: AbstractSet[str]) -> tuple[Item, Removal | None]:
        key = item.kind, item.name
        if key in self._mapped:
            return self._mapped[key], self._removals.get(key)
        found = breach(kept | item.labels, self._plan.policies, self._plan.destination.marketing_actions)
        return item, None if found is None else Removal(item, *found)

    def _labels(self, items: Iterable[Item]) -> frozenset[str]:
        """The labels of those that may leave: a policy may forbid them together with further ones."""
        kept = (each for each in items if (each.kind, each.name) not in self._removals)
        return frozenset(label for each in kept for label in each.labels)
