"""Events as platforms write them, plans that look at all of them, and what may happen to bytes on their way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from processor.governance.destination import Connection, Destination, Segment, SegmentTimes
from processor.governance.document import ConsentPolicy, ConsentRule, Governance, HasLabel, Policy, ValueIn
from processor.governance.plan import compile_plan

if TYPE_CHECKING:
    import random

ACTION = ("exportToThirdParty",)
TIME = "2020-05-25T21:24:39Z"

_DESTINATION: dict[str, Any] = {
    "name": "d",
    "connection": Connection("eu-west-1"),
    "stream": "s",
    "marketing_actions": ACTION,
    "segments": (
        Segment("ups", "one", "Eins", SegmentTimes(1, 2, 3, None)),
        Segment("crm", "zwölf"),
        Segment("ups", "two"),
    ),
    "attributes": ("person.name.last", "loyalty", "person.email", "tags", "number"),
}
_LABELS = Governance(
    field_labels={"loyalty": frozenset({"C2"}), "tags": frozenset({"I1"})},
    identity_labels={"ecid": frozenset({"C2"}), "email": frozenset({"I1"})},
    segment_labels={("ups", "two"): frozenset({"C5"})},
    policies=(
        Policy("no third party", "ENABLED", ACTION, HasLabel("C2")),
        Policy("nothing of C5", "ENABLED", ACTION, HasLabel("C5")),
    ),
)
_CONSENT = Governance(
    consent_policies=(
        ConsentPolicy(
            "asked",
            "ENABLED",
            ACTION,
            ConsentRule(
                "OR",
                (
                    ValueIn("consents.marketing.val", ("y", True, 1)),
                    ConsentRule("AND", (ValueIn("loyalty.tier", ("gold",)), ValueIn("number", (7, 0.5)))),
                ),
            ),
        ),
    )
)
PLANS = {
    "plain": compile_plan(Destination(**_DESTINATION)),
    "names, times and a partition key": compile_plan(
        Destination(
            **_DESTINATION,
            include_segment_names=True,
            include_segment_timestamps=True,
            partition_key_namespace="email",
        )
    ),
    "labels": compile_plan(Destination(**_DESTINATION, partition_key_namespace="ecid"), _LABELS),
    "consent": compile_plan(Destination(**_DESTINATION), _CONSENT),
}


def _event(**members: Any) -> dict[str, Any]:
    return {
        "person": {"name": {"first": "Zoë", "last": 'Łuczak "Zo" \\ 😀\n'}, "email": "zoe@example.com"},
        "loyalty": {"tier": "gold", "points": [1, 2.5, -3, 0.125], "since": None, "is": {"a": {}, "b": []}},
        "tags": ["a", "ä", "\t"],
        "number": 7,
        "consents": {"marketing": {"val": "y", "time": TIME}},
        "unmapped": [{"deep": [[[{"x": 1e5}]]]}, "text", 12345678901234567890],
        "segmentMembership": {
            "ups": {
                "one": {"lastQualificationTime": TIME, "status": "realized"},
                "two": {
                    "status": "existing",
                    "lastQualificationTime": "2020-05-25T21:24:39.123456Z",
                    "validUntil": "2030-01-01T00:00:00+05:30",
                    "payload": "text",
                    "weight": 17,
                    "is": True,
                },
                "other": {"anything": [1]},
            },
            "crm": {
                "zwölf": {
                    "status": "exited",
                    "lastQualificationTime": "2020-05-25 21:24:39",
                    "validUntil": None,
                }
            },
            "xyz": 7,
        },
        "identityMap": {
            "ecid": [{"id": "1234567890", "primary": True}, {"id": "2"}],
            "email": [{"id": "zoë@example.com", "authenticatedState": "ambiguous"}],
            "phone": [],
        },
        **members,
    }


_TREES = [
    _event(),
    _event(identityMap=None, number=0.5, person="nobody", loyalty={"tier": "silver"}),
    _event(segmentMembership={}, identityMap={}),
    _event(consents={"marketing": {"val": "n"}}, loyalty=["gold"], tags={"x": "y", "a": 1}),
]
MUTATED = [json.dumps(tree, ensure_ascii=index % 2 == 0).encode() for index, tree in enumerate(_TREES)]
"""Valid events, in all of which there is something that each plan looks at."""

_PIECES = [
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u00e4", b"\\ud83d", b"\\ude00", b"\\n", b" ", b"\n", b"\r", b"\t", b"\0",
    b"\x1f", b"\x7f", b"\xff", b"\xc3", b"\xa4", "ä".encode(), b"-", b"0", b"1", b".", b"e5", b"E+400", b"null", b"true", b"1e400",
    b"9" * 20, b"{}", b"[]", b'""', b'"id":', b'"one":', b'"status":"exited",', b'"validUntil":null,', b'"number":7,', b'"person":{},',
    b'"ups":{},', b'"more":{"x":1},', b'"more":1e5,', b"exited", b"realized", b"[" * 70, b'{"a":' * 70, b"2020", b"Z", b"+02:00", b":60",
]  # fmt: skip


def altered(rng: random.Random, text: bytes) -> bytes:
    """The text with one to three of its bytes taken out, replaced, doubled, moved, or put in."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 1, 1, 2, 5, 40]))
        how = rng.randrange(6)
        if how == 0:
            text = text[:start] + text[end:]
        elif how == 1:
            text = text[:start] + rng.choice(_PIECES) + text[end:]
        elif how == 2:
            text = text[:end] + text[start:end] + text[end:]
        elif how == 3:
            text = text[:start] + rng.choice(_PIECES) + text[start:]
        elif how == 4:
            text = text[:start] + bytes([rng.randrange(256)]) + text[end:]
        else:
            members = text.split(b",")
            first, second = rng.randrange(len(members)), rng.randrange(len(members))
            members[first] = members[second]
            text = b",".join(members)
    return text
