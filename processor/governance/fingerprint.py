"""What of a plan can change what a destination sees of a profile, in 32 hexadecimal digits.

Two plans of one fingerprint make the same view of every event, so state that is complete for one is complete for the
other. Names, descriptions, keys, the partition key and what an export says of a segment beside its membership are no
part of it: they change no view.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import xxhash

from processor.governance.document import HasLabel, ValueIn

if TYPE_CHECKING:
    from processor.governance.document import ConsentRule, LabelRule
    from processor.governance.plan import Plan


def fingerprint(plan: Plan) -> str:
    """The fingerprint of `plan`.

    Items without labels are compared as a set. Those with labels are compared in their order: a policy that forbids two
    labels together removes the item that comes second.
    """
    described = {
        "unlabelled": sorted(f"{item.kind} {item.name}" for item in plan.items if not item.labels),
        "labelled": [[item.kind, item.name, *sorted(item.labels)] for item in plan.items if item.labels],
        "policies": sorted(json.dumps(_labels_of(policy.deny)) for policy in plan.policies),
        "consent": sorted(json.dumps(_consent_of(policy.requires)) for policy in plan.consent_policies),
    }
    return xxhash.xxh3_128_hexdigest(json.dumps(described, sort_keys=True).encode())


def _labels_of(rule: HasLabel | LabelRule) -> object:
    if isinstance(rule, HasLabel):
        return rule.label
    return [rule.operator, *[_labels_of(operand) for operand in rule.operands]]


def _consent_of(rule: ValueIn | ConsentRule) -> object:
    if isinstance(rule, ValueIn):
        return [rule.path, list(rule.values)]
    return [rule.operator, *[_consent_of(operand) for operand in rule.operands]]
