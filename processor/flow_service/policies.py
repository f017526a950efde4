"""Policies and marketing actions: the Policy Service's, and what the governance file has in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.flow_service.findings import pointer
from processor.flow_service.members import MarketingAction, Policy, fit
from processor.flow_service.names import action_of_ref, action_ref, is_custom_ref
from processor.governance.document import CORE_MARKETING_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from processor.configuration.governance_file import ActionForm, PolicyForm
    from processor.flow_service.documents import Document, Json
    from processor.flow_service.file_text import Tree
    from processor.flow_service.findings import Findings
    from processor.flow_service.origins import Origins

_UNNAMEABLE: Final = "/?#"
"""Characters that end a name within a reference of the governance file."""


def governance(documents: Sequence[Document], found: Findings, origins: Origins) -> dict[str, Tree]:
    """The governance file's tree; empty where no document has anything for it."""
    actions = _custom_actions([each for each in documents if each.kind == "marketing action"], found, origins)
    policies: list[Tree] = []
    consent: list[Tree] = []
    for document in documents:
        if document.kind != "policy":
            continue
        policy = fit(Policy, document.tree, document.source, document.place, found)
        if policy is None:
            continue
        member, condition = (
            ("policies", "deny") if policy.deny is not None else ("consentPolicies", "requires")
        )
        if (policy.deny is None) == (policy.requires is None):
            found.complain(
                document.source, document.place, "it has no deny", "Give what the policy denies, alone"
            )
            continue
        into = policies if member == "policies" else consent
        ours = f"{member}[{len(into)}]"
        origins.note(ours, document.source, document.place)
        written: dict[str, Tree] = {"name": policy.name}
        if policy.description:
            written["description"] = policy.description
        written["status"] = policy.status
        refs = [
            _action(ref, document, document.place + pointer("marketingActionRefs", index), actions, found)
            for index, ref in enumerate(policy.marketing_action_refs)
        ]
        written["marketingActionRefs"] = [ref for ref in refs if ref is not None]
        written[condition] = _tree(policy.deny if condition == "deny" else policy.requires)
        into.append(written)
    found_members = (
        ("marketingActions", list(actions.values())),
        ("policies", policies),
        ("consentPolicies", consent),
    )
    return {name: members for name, members in found_members if members}


def action_body(form: ActionForm) -> Json:
    """The body of `PUT /marketingActions/custom/{name}`."""
    return {"name": form.name, **({} if form.description is None else {"description": form.description})}


def policy_body(form: PolicyForm, actions: Sequence[str]) -> Json:
    """The body of `POST /policies/custom`; `actions` are the names that the policy's references lead to."""
    deny: Mapping[str, JsonValue] = form.deny.model_dump(exclude_none=True)
    refs: list[Json] = [
        action_ref("core" if action in CORE_MARKETING_ACTIONS else "custom", action) for action in actions
    ]
    return {
        "name": form.name,
        "status": form.status,
        "marketingActionRefs": refs,
        **({} if form.description is None else {"description": form.description}),
        "deny": dict(deny),
    }


def _custom_actions(
    documents: Sequence[Document], found: Findings, origins: Origins
) -> dict[str, dict[str, Tree]]:
    actions: dict[str, dict[str, Tree]] = {}
    for document in documents:
        action = fit(MarketingAction, document.tree, document.source, document.place, found)
        if action is None:
            continue
        if action.name in CORE_MARKETING_ACTIONS:
            found.put_aside(
                document.source, document.place, f"{action.name}: a core marketing action, known here"
            )
        elif action.name in actions:
            found.complain(
                document.source, document.place, f"{action.name} is given already", "Give one of the two"
            )
        else:
            origins.note(f"marketingActions[{len(actions)}]", document.source, document.place)
            described: dict[str, Tree] = {"description": action.description} if action.description else {}
            actions[action.name] = {"name": action.name, **described}
    return actions


def _action(
    ref: str, document: Document, place: str, actions: dict[str, dict[str, Tree]], found: Findings
) -> str | None:
    """The name that a reference leads to, as the governance file has it; None, with a problem noted, for none."""
    known = CORE_MARKETING_ACTIONS | actions.keys()
    try:
        name = action_of_ref(ref, known)
    except ValueError:
        found.complain(document.source, place, "what it encodes is not UTF-8", "Encode the name as UTF-8")
        return None
    if any(character in name for character in _UNNAMEABLE):
        found.complain(
            document.source,
            place,
            f"the marketing action {name!r} holds one of {_UNNAMEABLE}, at which references end here",
            "Give the marketing action another name",
        )
        return None
    if is_custom_ref(ref) and name in CORE_MARKETING_ACTIONS:
        found.put_aside(document.source, place, f"{name}: taken for the core marketing action of that name")
    elif is_custom_ref(ref) and name and name not in known:
        # That it is referred to as a custom one says that there is one.
        found.put_aside(document.source, place, f"{name}: declared, though no document describes it")
        actions[name] = {"name": name}
    elif name not in known:
        found.complain(
            document.source,
            place,
            f"there is no marketing action {name!r}",
            f"Give the answer of GET /marketingActions/custom, too, or use one of: {', '.join(sorted(known))}",
        )
        return None
    return name


def _tree(value: JsonValue) -> Tree:
    return value
