"""When a policy applies, and when a set of labels violates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from processor.governance.document import NEVER_EXPORTED, ConsentPolicy, HasLabel, LabelRule, Policy

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Set as AbstractSet

Breach: TypeAlias = "tuple[str, str] | None"
"""The policy that a set of labels violates and the marketing action it applies by; C12 needs neither."""

NEVER_EXPORTED_BREACH = (f"label {NEVER_EXPORTED}", "any")


def applies(policy: Policy | ConsentPolicy, actions: Collection[str]) -> bool:
    """Only enabled policies that name one of the destination's marketing actions count."""
    return policy.status == "ENABLED" and any(action in actions for action in policy.actions)


def violates(labels: AbstractSet[str], rule: HasLabel | LabelRule) -> bool:
    """Whether `rule` is true of `labels`."""
    if isinstance(rule, HasLabel):
        return rule.label in labels
    joined = all if rule.operator == "AND" else any
    return joined(violates(labels, operand) for operand in rule.operands)


def breach(labels: AbstractSet[str], policies: Collection[Policy], actions: Collection[str]) -> Breach:
    """The first of `policies`, all of which apply, that `labels` violate, with the action it applies by."""
    if NEVER_EXPORTED in labels:
        return NEVER_EXPORTED_BREACH
    for policy in policies:
        if violates(labels, policy.deny):
            return policy.name, next(action for action in policy.actions if action in actions)
    return None
