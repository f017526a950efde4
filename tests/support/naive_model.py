"""The export semantics once more, as plainly as they can be written: trees, sets, and no thought of speed.

Nothing here is shared with the product but the value objects of the configuration. Policies are evaluated anew
for every event, JSON is the standard library's, and numbers are exact fractions.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from processor.governance.document import HasLabel, ValueIn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.governance.destination import Destination, Segment
    from processor.governance.document import ConsentRule, Governance, LabelRule

Tree = Any


class Number:
    """A JSON number: its text, and its exact value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.beyond_a_double = math.isinf(float(text))
        self.value = Fraction(0) if self.beyond_a_double else Fraction(text)


@dataclass
class Outcome:
    """What the model says of an event: a reason to refuse it, an export, or nothing."""

    reason: str | None = None
    partition_key: str | None = None
    data: dict[str, Tree] | None = None


@dataclass
class Exported:
    """What was last exported for a profile."""

    times: dict[tuple[str, str], str] = field(default_factory=dict)
    attributes: dict[str, Tree] = field(default_factory=dict)
    identities: dict[str, Tree] = field(default_factory=dict)


class Refused(Exception):
    pass


class NaiveModel:
    def __init__(self, destination: Destination, governance: Governance) -> None:
        self.destination = destination
        self.governance = governance
        self.exported: dict[bytes, Exported] = {}

    def apply(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp_ms: int,
    ) -> Outcome:
        try:
            return self._apply(key, value, headers, timestamp_ms)
        except Refused as refused:
            return Outcome(reason=str(refused))

    def _apply(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp_ms: int,
    ) -> Outcome:
        profile_id = read_key(key)
        profile: Tree = None if value is None else self.read_profile(value)
        labels = read_labels(headers)
        before = self.exported.get(profile_id.encode(), Exported())
        before.times = {place: time for place, time in before.times.items() if place in self.mapped()}

        removed = self.removed(labels)
        entries = {} if profile is None else self.entries(profile)
        attributes = {} if profile is None else self.attributes(profile)
        identities = before.identities if profile is None else profile.get("identityMap") or {}
        members = {place for place, entry in entries.items() if is_member(entry, timestamp_ms)}
        members = {place for place in members if ("segment", *place) not in removed}
        attributes = {path: tree for path, tree in attributes.items() if ("attribute", path) not in removed}
        identities = {
            namespace: tree
            for namespace, tree in identities.items()
            if ("identity", namespace) not in removed and ("everything",) not in removed
        }
        if profile is not None and not self.has_consent(profile):
            members, attributes = set(), {}

        statuses = {}
        for place in self.mapped():
            was, is_ = place in before.times, place in members
            if was or is_:
                statuses[place] = "existing" if was and is_ else "realized" if is_ else "exited"
        entered_or_left = any(status != "existing" for status in statuses.values())
        export = entered_or_left or (
            bool(members)
            and (
                pairs(identities) != pairs(before.identities)
                or known(attributes)
                != known({p: t for p, t in before.attributes.items() if p in self.destination.attributes})
            )
        )
        times = {
            place: entries[place]["lastQualificationTime"] if place in entries else before.times[place]
            for place in statuses
        }
        after = Exported(
            {place: times[place] for place in members},
            attributes if export else before.attributes,
            identities if export else before.identities,
        )
        if members:
            self.exported[profile_id.encode()] = after
        else:
            self.exported.pop(profile_id.encode(), None)
        if not export:
            return Outcome()
        data = self.data(attributes, statuses, times, identities)
        return Outcome(partition_key=self.partition_key(profile_id, identities), data=data)

    def mapped(self) -> list[tuple[str, str]]:
        return [(segment.namespace, segment.id) for segment in self.destination.segments]

    def read_profile(self, value: bytes) -> dict[str, Tree]:
        profile = read_json(value)
        if not isinstance(profile, dict):
            raise Refused("bad-json")
        for tree in (*self.attributes(profile).values(), profile.get("identityMap")):
            if holds_what_no_parser_agrees_on(tree):
                raise Refused("bad-json")
        membership = profile.get("segmentMembership")
        if isinstance(membership, dict):
            namespaces = {namespace for namespace, _ in self.mapped()}
            shapes_hold = all(
                isinstance(membership[namespace], dict) for namespace in namespaces if namespace in membership
            )
            if shapes_hold and any(map(holds_what_no_parser_agrees_on, self.entries(profile).values())):
                raise Refused("bad-json")
        self.check_membership(profile)
        check_identities(profile)
        return profile

    def check_membership(self, profile: dict[str, Tree]) -> None:
        membership = profile.get("segmentMembership")
        if not isinstance(membership, dict):
            raise Refused("bad-membership")
        for namespace, _ in self.mapped():
            if namespace in membership and not isinstance(membership[namespace], dict):
                raise Refused("bad-membership")
        for entry in self.entries(profile).values():
            if not isinstance(entry, dict) or entry.get("status") not in ("realized", "existing", "exited"):
                raise Refused("bad-membership")
            if instant(entry.get("lastQualificationTime")) is None:
                raise Refused("bad-membership")
            if entry.get("validUntil") is not None and instant(entry["validUntil"]) is None:
                raise Refused("bad-membership")

    def entries(self, profile: dict[str, Tree]) -> dict[tuple[str, str], Tree]:
        membership = profile["segmentMembership"]
        return {
            (namespace, id_): membership[namespace][id_]
            for namespace, id_ in self.mapped()
            if namespace in membership and id_ in membership[namespace]
        }

    def attributes(self, profile: dict[str, Tree]) -> dict[str, Tree]:
        found = {path: at(profile, path) for path in self.destination.attributes}
        return {path: places[0] for path, places in found.items() if places}

    def removed(self, labels: set[str]) -> set[tuple[str, ...]]:
        items: list[tuple[tuple[str, ...], set[str]]] = []
        for namespace, its_labels in self.governance.identity_labels.items():
            items.append((("identity", namespace), set(its_labels)))
        items.extend(
            (("segment", segment.namespace, segment.id), self.labels_of_segment(segment))
            for segment in self.destination.segments
        )
        items.extend(
            (("attribute", path), self.labels_of_attribute(path)) for path in self.destination.attributes
        )
        if self.is_forbidden(labels):
            return {("everything",), *(item for item, _ in items)}
        removed = set[tuple[str, ...]]()
        kept = labels
        for item, its in items:
            if self.is_forbidden(kept | its):
                removed.add(item)
            else:
                kept = kept | its
        return removed

    def labels_of_segment(self, segment: Segment) -> set[str]:
        return set(self.governance.segment_labels.get((segment.namespace, segment.id), ()))

    def labels_of_attribute(self, path: str) -> set[str]:
        labels: set[str] = set()
        for labelled, its_labels in self.governance.field_labels.items():
            if f"{path}.".startswith(f"{labelled}.") or f"{labelled}.".startswith(f"{path}."):
                labels |= its_labels
        return labels

    def is_forbidden(self, labels: set[str]) -> bool:
        actions = set(self.destination.marketing_actions)
        return "C12" in labels or any(
            denies(policy.deny, labels)
            for policy in self.governance.policies
            if policy.status == "ENABLED" and actions & set(policy.actions)
        )

    def has_consent(self, profile: dict[str, Tree]) -> bool:
        actions = set(self.destination.marketing_actions)
        return all(
            is_given(policy.requires, profile)
            for policy in self.governance.consent_policies
            if policy.status == "ENABLED" and actions & set(policy.actions)
        )

    def data(
        self,
        attributes: dict[str, Tree],
        statuses: dict[tuple[str, str], str],
        times: dict[tuple[str, str], str],
        identities: dict[str, Tree],
    ) -> dict[str, Tree]:
        data: dict[str, Tree] = {}
        for path in self.destination.attributes:
            if path in attributes:
                *way, last = path.split(".")
                place = data
                for name in way:
                    place = place.setdefault(name, {})
                place[last] = attributes[path]
        membership: dict[str, Tree] = {}
        for segment in self.destination.segments:
            exported = (segment.namespace, segment.id)
            if exported in statuses:
                entry: dict[str, Tree] = {
                    "lastQualificationTime": times[exported],
                    "status": statuses[exported],
                }
                if self.destination.include_segment_timestamps:
                    times_ms = (
                        ("createdAt", segment.times.created_at_ms),
                        ("updatedAt", segment.times.updated_at_ms),
                        ("mappingCreatedAt", segment.times.mapping_created_at_ms),
                        ("mappingUpdatedAt", segment.times.mapping_updated_at_ms),
                    )
                    entry |= {member: Number(str(ms)) for member, ms in times_ms if ms is not None}
                if self.destination.include_segment_names and segment.name is not None:
                    entry["name"] = segment.name
                membership.setdefault(segment.namespace, {})[segment.id] = entry
        return {**data, "segmentMembership": membership, "identityMap": identities}

    def partition_key(self, profile_id: str, identities: dict[str, Tree]) -> str:
        namespace = self.destination.partition_key_namespace
        if namespace is None or not identities.get(namespace):
            return profile_id
        first: str = identities[namespace][0]["id"]
        return first if len(first) <= 256 else profile_id


def read_key(key: bytes | None) -> str:
    try:
        text = (key or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad-key") from None
    if not 1 <= len(text) <= 256:
        raise Refused("bad-key")
    return text


def read_labels(headers: Sequence[tuple[str, bytes | None]]) -> set[str]:
    labels = set()
    for name, value in headers:
        if name == "duleLabels":
            if value is None:
                raise Refused("bad-labels")
            try:
                labels |= {label.strip() for label in value.decode("utf-8").split(",")}
            except UnicodeDecodeError:
                raise Refused("bad-labels") from None
    return labels - {""}


def read_json(value: bytes) -> Tree:
    def no_constant(_: str) -> None:
        raise Refused("bad-json")

    try:
        text = value.decode("utf-8")
        if text.startswith("\ufeff"):
            raise Refused("bad-json")
        return json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=no_constant,
            object_pairs_hook=checked_object,
        )
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise Refused("bad-json") from None


def checked_object(members: list[tuple[str, Tree]]) -> dict[str, Tree]:
    """An object's last members; a lone surrogate in any, also in one that does not count, is no JSON here."""
    if any(holds_a_lone_surrogate([name, tree]) for name, tree in members):
        raise Refused("bad-json")
    return Members(members)


class Members(dict[str, Tree]):
    """An object's last members, and all of them, for what holds of its text."""

    def __init__(self, members: Sequence[tuple[str, Tree]]) -> None:
        super().__init__(members)
        self.all = [tree for pair in members for tree in pair]


def holds_a_lone_surrogate(tree: Tree) -> bool:
    if isinstance(tree, str):
        return any("\ud800" <= character <= "\udfff" for character in tree)
    return isinstance(tree, list) and any(map(holds_a_lone_surrogate, tree))


def holds_what_no_parser_agrees_on(tree: Tree) -> bool:
    if isinstance(tree, Number):
        return tree.beyond_a_double
    if isinstance(tree, str):
        return any("\ud800" <= character <= "\udfff" for character in tree)
    if isinstance(tree, list):
        return any(map(holds_what_no_parser_agrees_on, tree))
    if isinstance(tree, Members):
        return any(map(holds_what_no_parser_agrees_on, tree.all))
    return False


def check_identities(profile: dict[str, Tree]) -> None:
    identity_map = profile.get("identityMap")
    if identity_map is None:
        return
    if not isinstance(identity_map, dict):
        raise Refused("bad-identity")
    for identities in identity_map.values():
        if not isinstance(identities, list):
            raise Refused("bad-identity")
        for identity in identities:
            if (
                not isinstance(identity, dict)
                or not isinstance(identity.get("id"), str)
                or not identity["id"]
            ):
                raise Refused("bad-identity")


def at(profile: dict[str, Tree], path: str) -> list[Tree]:
    """The value at a path, alone in a list; an empty list where there is none."""
    tree: Tree = profile
    for name in path.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return []
        tree = tree[name]
    return [tree]


def comparable(tree: Tree) -> Tree:
    """Equal for equal JSON values, and only for those."""
    if isinstance(tree, Number):
        return ("number", tree.value)
    if isinstance(tree, dict):
        return ("object", frozenset((name, comparable(member)) for name, member in tree.items()))
    if isinstance(tree, list):
        return ("array", tuple(map(comparable, tree)))
    return (type(tree).__name__, tree)


def known(attributes: dict[str, Tree]) -> dict[str, Tree]:
    return {path: comparable(tree) for path, tree in attributes.items()}


def pairs(identities: dict[str, Tree]) -> set[tuple[str, str]]:
    return {(namespace, identity["id"]) for namespace, its in identities.items() for identity in its}


def denies(rule: HasLabel | LabelRule, labels: set[str]) -> bool:
    if isinstance(rule, HasLabel):
        return rule.label in labels
    answers = [denies(operand, labels) for operand in rule.operands]
    return all(answers) if rule.operator == "AND" else any(answers)


def is_given(rule: ValueIn | ConsentRule, profile: dict[str, Tree]) -> bool:
    if isinstance(rule, ValueIn):
        accepted = [comparable(read_json(json.dumps(value).encode())) for value in rule.values]
        return any(comparable(tree) in accepted for tree in at(profile, rule.path) if not is_beyond(tree))
    answers = [is_given(operand, profile) for operand in rule.operands]
    return all(answers) if rule.operator == "AND" else any(answers)


def is_beyond(tree: Tree) -> bool:
    return holds_what_no_parser_agrees_on(tree)


def is_member(entry: dict[str, Tree], timestamp_ms: int) -> bool:
    until = None if entry.get("validUntil") is None else instant(entry["validUntil"])
    return entry["status"] != "exited" and (until is None or until > Fraction(timestamp_ms, 1000))


def instant(text: Tree) -> Fraction | None:  # noqa: PLR0911  a list of grounds to refuse
    """Seconds since the epoch; None where `text` is no date-time as platforms write them."""
    if not isinstance(text, str):
        return None
    match = re.fullmatch(
        r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]?|[+-]\d\d|[+-]\d\d:?\d\d)",
        text,
        re.ASCII,
    )
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    # The calendar repeats every 400 years, of 146,097 days; `date` knows no year 0.
    try:
        days = (date(year + 400, month, day) - date(1970, 1, 1)).days - 146_097
    except ValueError:
        return None
    zone = match[8]
    offset = 0
    if zone not in {"", "Z", "z"}:
        hours, minutes = int(zone[1:3]), int(zone[3:].removeprefix(":") or "0")
        offset = hours * 3600 + minutes * 60
        if hours > 23 or minutes > 59:
            return None
        offset = -offset if zone[0] == "-" else offset
    if hour > 23 or minute > 59 or second > 60:
        return None
    moment = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    if second == 60:
        day_in_utc, rest = divmod(moment, 86_400)
        shifted = date(1970, 1, 1) + timedelta(days=day_in_utc + 146_097)
        if rest != 0 or shifted.day != 1:
            return None
    return moment + Fraction("0" + (match[7] or ""))
