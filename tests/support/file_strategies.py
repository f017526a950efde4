"""Our two configuration files, drawn by Hypothesis: with texts that are hard to write, and all that they may have."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.support.strategies import LABELS, NAMESPACES, NESTED_PATHS

ODD = [
    "1e5",
    "-0",
    "yes",
    "null",
    "~",
    "$",
    "${X}",
    "$$",
    "- a",
    "a: b # c",
    "\x85",
    "\ufeff",
    "\u2028",
    "%20",
    "'\"",
    " ",
]

AnyText = TypeVar("AnyText")

texts = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
)
descriptions = st.one_of(st.none(), texts)
times = st.one_of(st.none(), st.integers(0, 10**11 - 1).map(lambda seconds: seconds * 1000))
parts = texts.filter(lambda text: "." not in text and text not in {"segmentMembership", "identityMap"})
action_names = texts.filter(lambda text: not set(text) & set("/?#"))
core_actions = st.sampled_from(["exportToThirdParty", "emailTargeting", "analytics"])


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with these members, without those that are None."""
    return st.fixed_dictionaries(strategies).map(
        lambda drawn: {name: value for name, value in drawn.items() if value is not None}
    )


segments = members(id=texts, name=descriptions, mappingCreatedAt=times, mappingUpdatedAt=times)
paths = st.lists(st.lists(parts, min_size=1, max_size=2).map(".".join), max_size=4).map(
    lambda drawn: [
        path
        for index, path in enumerate(drawn)
        if path not in drawn[:index] and not any(path.startswith(f"{other}.") for other in drawn)
    ]
)
connections = members(
    region=texts,
    accessKeyId=st.just("${KEY_ID}"),
    secretKey=st.just("${SECRET}"),
    connectionUrl=st.sampled_from([None, "https://kinesis.example:4567/a%20b"]),
)
destinations = members(
    name=texts,
    description=descriptions,
    connection=connections,
    stream=st.from_regex(r"[a-zA-Z0-9_.-]{1,12}", fullmatch=True),
    marketingActions=st.lists(core_actions, max_size=2, unique=True),
    segments=st.lists(segments, min_size=1, max_size=4, unique_by=lambda segment: str(segment["id"])),
    attributes=paths,
)
denials = st.recursive(
    members(label=st.one_of(st.sampled_from(LABELS), texts)),
    lambda inner: members(
        operator=st.sampled_from(["AND", "OR"]), operands=st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def governances(draw: st.DrawFn) -> dict[str, Any]:
    actions = draw(
        st.lists(
            members(name=action_names, description=descriptions),
            max_size=3,
            unique_by=lambda action: str(action["name"]),
        )
    )
    names = st.one_of(
        core_actions, *([st.sampled_from([each["name"] for each in actions])] if actions else [])
    )
    policies = members(
        name=texts,
        description=descriptions,
        status=st.sampled_from(["ENABLED", "DRAFT", "DISABLED"]),
        marketingActionRefs=st.lists(names, min_size=1, max_size=3),
        deny=denials,
    )
    return {
        "marketingActions": actions,
        "policies": draw(st.lists(policies, max_size=3, unique_by=lambda policy: str(policy["name"]))),
    }


labels = members(
    fields=st.dictionaries(
        st.sampled_from(NESTED_PATHS), st.lists(st.sampled_from(LABELS), max_size=2), max_size=2
    ),
    identities=st.dictionaries(
        st.sampled_from(NAMESPACES), st.lists(st.sampled_from(LABELS), max_size=2), max_size=2
    ),
)


def written(tree: Any) -> str:
    """A file of ours with these texts, each standing for itself but the two references."""

    def escaped(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in {"${KEY_ID}", "${SECRET}"} else value.replace("$", "$$")
        if isinstance(value, list):
            return [escaped(each) for each in value]
        return {name: escaped(each) for name, each in value.items()} if isinstance(value, dict) else value

    return json.dumps(escaped(tree))
