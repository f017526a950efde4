"""What would be exported, as a table; and what is wrong with the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from processor.errors import ConfigurationError
from processor.kafka.client import client_options
from processor.tables import plain

if TYPE_CHECKING:
    from rich.text import Text

    from processor.errors import Problem
    from processor.governance.plan import Item, Plan, Removal
    from processor.settings import Found


def plan_table(plan: Plan) -> Table:
    """Each item that may be exported or not, with its labels and what removes it."""
    removals = {removal.item: removal for removal in plan.standing.removals}
    title = plain(f"{plan.destination.name} → stream {plan.destination.stream}")
    table = Table(title=title, title_justify="left")
    for heading in ("item", "name", "labels", "exported", "removed by policy", "for marketing action"):
        table.add_column(heading)
    for item in plan.items:
        table.add_row(*_row(item, removals.get(item)))
    labelled = ", ".join(plan.governance.identity_labels)
    others = plain(f"all others than {labelled}" if labelled else "all")
    table.add_row("identity", others, "", plain("yes", "green"), "", "")
    return table


def plan_notes(plan: Plan) -> list[str]:
    """What the table does not show, a sentence each."""
    destination = plan.destination
    actions = ", ".join(destination.marketing_actions) or "none"
    key = destination.partition_key_namespace
    notes = [
        f"Marketing actions: {actions}.",
        f"Partition key: {'the profile id' if key is None else f'the first identity of {key}, else the profile id'}.",
        f"Enforcement: {plan.governance.enforcement}.",
    ]
    notes += [f"Consent policy: {policy.name}." for policy in plan.consent_policies]
    return notes


def environment_problems(found: Found, *, connect: bool) -> list[Problem]:
    """What is wrong with the environment, as far as it is needed: to look at the two files, it need not be there yet."""
    unset = [] if found.is_empty and not connect else found.unset
    if found.settings is None or unset:
        return [*found.wrong, *unset]
    try:
        client_options(found.settings.kafka)
    except ConfigurationError as error:
        return [*error.problems]
    return []


def _row(item: Item, removal: Removal | None) -> tuple[str | Text, ...]:
    name, labels = plain(item.name), plain(", ".join(sorted(item.labels)))
    if removal is None:
        return item.kind, name, labels, plain("yes", "green"), "", ""
    return item.kind, name, labels, plain("no", "red"), plain(removal.policy), plain(removal.action)
