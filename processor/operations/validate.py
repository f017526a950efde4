"""What would be exported, as a table; and what is wrong with the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from processor.errors import ConfigurationError
from processor.kafka.client import client_options
from processor.operations.text_table import plain
from processor.web.tls import certificate

if TYPE_CHECKING:
    from rich.text import Text

    from processor.errors import Problem
    from processor.governance.plan import Item, Plan, Removal
    from processor.settings import Found, Settings


def plan_table(plan: Plan) -> Table:
    """Return a table of the items that may be exported or not, with their labels and what removes them."""
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
    """Return what the table does not show of a plan, a sentence each."""
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


def settings_notes(settings: Settings | None) -> list[str]:
    """Return what to think of before the service is run with these settings, a sentence each."""
    if settings is None or settings.kafka.security_protocol != "SASL_PLAINTEXT":
        return []
    password = "the password with it" if settings.kafka.sasl_mechanism == "PLAIN" else "but for the password"
    note = f"In the clear: all that goes to Kafka, {password}, as PROCESSOR_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT"
    return [f"{note}; SASL_SSL encrypts it."]


def environment_problems(found: Found, *, connect: bool) -> list[Problem]:
    """Return what is wrong with the environment; without `connect` an empty one is right, for the two files alone are looked at."""
    unset = [] if found.is_empty and not connect else found.unset
    if found.settings is None or unset:
        return [*found.wrong, *unset]
    try:
        client_options(found.settings.kafka)
        certificate(found.settings.service)
    except ConfigurationError as error:
        return [*error.problems]
    return []


def _row(item: Item, removal: Removal | None) -> tuple[str | Text, ...]:
    name, labels = plain(item.name), plain(", ".join(sorted(item.labels)))
    if removal is None:
        return item.kind, name, labels, plain("yes", "green"), "", ""
    return item.kind, name, labels, plain("no", "red"), plain(removal.policy), plain(removal.action)
