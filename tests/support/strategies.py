"""Random configurations and random events, drawn from small pools so that they meet often, and odd on purpose."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from processor.governance.destination import Connection, Destination, Segment, SegmentTimes
from processor.governance.document import (
    ConsentPolicy,
    ConsentRule,
    Governance,
    HasLabel,
    LabelRule,
    Policy,
    ValueIn,
)

SEGMENTS = [("ups", "s1"), ("ups", "s2"), ("ups", 's"3'), ("crm", "s1"), ("crm", "%b")]
PATHS = ["a", "b", "c.d", "c.e.f", "c.e.g", "h%s", "ü.ï", 'q"u']
NESTED_PATHS = ["c", "c.e", *PATHS]
NAMESPACES = ["ecid", "email", "ünï"]
LABELS = ["C1", "C2", "I1", "S1", "C12", "custom"]
ACTIONS = ["exportToThirdParty", "emailTargeting", "analytics"]
STATUSES = ["ENABLED", "ENABLED", "ENABLED", "DRAFT", "DISABLED"]
PROFILES = [b"p1", b"p1", b"p1", b"p2", "ü".encode()]

TIMES = [
    "2020-05-25T21:24:39Z",
    "2020-05-25t21:24:39.123456789z",
    "2020-05-26 00:00:00+02:00",
    "2016-12-31T23:59:60Z",
    "0000-02-29T00:00:00-23:59",
    "2019-04-15T02:41:50.000+0000",
    "2020-05-25 21:24:39.5-08",
    "2020-05-25T21:24:39",
]
UNTILS = [
    "2020-05-26T00:00:00Z",
    "2020-05-26T00:00:00.0005Z",
    "2030-01-01T00:00:00+05:30",
    "2020-05-25T23:59:59.999Z",
    "2020-05-26T00:00:00.000Z",
    "2020-05-26T00:00:00.001",
    "2020-05-25T18:30:00.0-0530",
    "2020-05-26 02:00:00+02",
]
NO_TIMES = ["yesterday", "2020-02-30T00:00:00Z", "2020-05-25T24:00:00Z", "2021-06-30T22:59:60Z", 7, None, "",
            "2020-05-25", "2020-05-25T21:24:39+1", "2020-05-25T21:24:39+00:", "2020-05-25T21:24:39+2400"]  # fmt: skip
AROUND_UNTIL_MS = [1_590_451_199_999, 1_590_451_200_000, 1_590_451_200_001, 1_590_449_856_000]

labels = st.frozensets(st.sampled_from(LABELS), max_size=2)
some_ms = st.sampled_from([None, 0, 1_648_553_325_000])
segment_times = st.builds(SegmentTimes, some_ms, some_ms, some_ms, some_ms)
few_labels = st.one_of(st.just(frozenset[str]()), labels)


@dataclass(frozen=True)
class Given:
    """One event as Kafka hands it over."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int


def label_rules() -> st.SearchStrategy[HasLabel | LabelRule]:
    leaf: st.SearchStrategy[HasLabel | LabelRule] = st.builds(HasLabel, st.sampled_from(LABELS))
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            LabelRule, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
        ),
        max_leaves=4,
    )


def consent_rules() -> st.SearchStrategy[ValueIn | ConsentRule]:
    values = st.lists(st.sampled_from(["y", "n", 1, 0.5, None, True, [1], {"x": 1}]), min_size=1, max_size=3)
    leaf: st.SearchStrategy[ValueIn | ConsentRule] = st.builds(
        ValueIn, st.sampled_from(NESTED_PATHS), values.map(tuple)
    )
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            ConsentRule, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
        ),
        max_leaves=3,
    )


@st.composite
def destinations(draw: st.DrawFn) -> Destination:
    segments = draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4, unique=True))
    paths = draw(st.lists(st.sampled_from(NESTED_PATHS), max_size=5, unique=True))
    disjoint = [p for p in paths if not any(p.startswith(f"{outer}.") for outer in paths)]
    names = draw(st.lists(st.sampled_from([None, "Näme", 'q"']), min_size=4, max_size=4))
    times = draw(st.lists(segment_times, min_size=4, max_size=4))
    return Destination(
        name="d",
        connection=Connection("eu-west-1"),
        stream="s",
        marketing_actions=tuple(draw(st.lists(st.sampled_from(ACTIONS), max_size=2, unique=True))),
        segments=tuple(
            Segment(ns, id_, name, its) for (ns, id_), name, its in zip(segments, names, times, strict=False)
        ),
        attributes=tuple(disjoint),
        partition_key_namespace=draw(st.sampled_from([None, *NAMESPACES])),
        include_segment_names=draw(st.booleans()),
        include_segment_timestamps=draw(st.booleans()),
    )


@st.composite
def governances(draw: st.DrawFn) -> Governance:
    if draw(st.booleans()):
        return Governance()
    actions = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2, unique=True).map(tuple)
    policies = st.builds(Policy, st.just("p"), st.sampled_from(STATUSES), actions, label_rules())
    consents = st.builds(ConsentPolicy, st.just("c"), st.sampled_from(STATUSES), actions, consent_rules())
    return Governance(
        field_labels=draw(
            st.dictionaries(st.sampled_from([*NESTED_PATHS, "c.d.x", "aa"]), labels, max_size=3)
        ),
        identity_labels=draw(st.dictionaries(st.sampled_from(NAMESPACES), few_labels, max_size=2)),
        segment_labels=draw(st.dictionaries(st.sampled_from(SEGMENTS), labels, max_size=2)),
        policies=tuple(draw(st.lists(policies, max_size=3))),
        consent_policies=tuple(draw(st.lists(consents, max_size=1))),
    )


numbers = st.sampled_from(
    ["0", "-0", "0.0", "1", "1.0", "10e-1", "1E0", "100", "1e2", "0.1", "0.10", "-5", "-5.0", "12345678901234567890",
     "1234567890123456789e1", "9007199254740993", "9007199254740993.0", "9007199254740992", "1e308", "1e-400", "5e-324"]
)  # fmt: skip
odd_numbers = st.sampled_from(["1e400", "-1e400", "1" * 310])
strings = st.sampled_from(['"x"', '"y"', '"n"', '"\\u0078"', '"\\ud83d\\ude00"', '"😀"', '"ü"', '"\\/"', '"/"', '"%b"', '"\\t"', '""', '"1e5"'])  # fmt: skip
odd_strings = st.sampled_from(['"\\ud800"', '"\\udc00x"'])
white_space = st.sampled_from(["", "", "", " ", "\n", "\t \r\n"])
scalars = st.one_of(strings, numbers, st.sampled_from(["true", "false", "null"]))


@st.composite
def written_object(draw: st.DrawFn, members: list[tuple[str, str]]) -> str:
    """An object's text, its members in any order, some written oddly, some given twice."""
    shuffled = draw(st.permutations(members)) if draw(st.integers(0, 3)) == 0 else members
    texts = []
    for name, value in shuffled:
        quoted = json.dumps(name, ensure_ascii=draw(st.booleans()))
        if name and draw(st.integers(0, 15)) == 0:
            quoted = f'"\\u{ord(name[0]):04x}{json.dumps(name[1:])[1:]}'
        space = draw(white_space)
        texts.append(f"{space}{quoted}{space}:{space}{value}{space}")
    if members and draw(st.integers(0, 15)) == 0:
        texts.insert(0, f"{json.dumps(members[0][0])}: {draw(scalars)}")
    return "{" + ",".join(texts) + "}"


def trees() -> st.SearchStrategy[str]:
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
            st.dictionaries(st.sampled_from(["x", "y", "d", "e", "f"]), inner, max_size=3).flatmap(
                lambda members: written_object(list(members.items()))
            ),
        ),
        max_leaves=4,
    )


@st.composite
def entries(draw: st.DrawFn) -> str:
    odd = draw(st.integers(0, 60))
    if odd == 0:
        return draw(st.one_of(scalars, odd_numbers))
    members: list[tuple[str, str]] = [
        ("lastQualificationTime", json.dumps(draw(st.sampled_from(TIMES)))),
        ("status", json.dumps(draw(st.sampled_from(["realized", "realized", "existing", "exited"])))),
    ]
    if draw(st.integers(0, 4)) == 0:
        members.append(("validUntil", json.dumps(draw(st.sampled_from([*UNTILS, None])))))
    if odd == 1:
        members[0] = ("lastQualificationTime", json.dumps(draw(st.sampled_from(NO_TIMES))))
    if odd == 2:
        members[1] = ("status", draw(st.sampled_from(['"gone"', "null", "1", '"real\\u0069zed"'])))
    if odd == 3:
        members.append(("validUntil", json.dumps(draw(st.sampled_from(NO_TIMES)))))
    if odd in {4, 5, 6}:
        members.append(("extra", draw(st.one_of(scalars, odd_numbers, odd_strings))))
    if odd == 7:
        members.pop(draw(st.integers(0, 1)))
    return draw(written_object(members))


@st.composite
def memberships(draw: st.DrawFn) -> str:
    chosen = draw(
        st.lists(st.sampled_from([*SEGMENTS, ("ups", "other"), ("xyz", "s1")]), max_size=5, unique=True)
    )
    namespaces: dict[str, list[tuple[str, str]]] = {}
    for namespace, id_ in chosen:
        is_junk = id_ == "other" or namespace == "xyz"
        namespaces.setdefault(namespace, []).append((id_, draw(trees() if is_junk else entries())))
    members = [(namespace, draw(written_object(inner))) for namespace, inner in namespaces.items()]
    if draw(st.integers(0, 60)) == 0:
        members.append((draw(st.sampled_from(["ups", "crm"])), draw(scalars)))
    return draw(written_object(members))


@st.composite
def identities(draw: st.DrawFn) -> str:
    def identity() -> str:
        odd = draw(st.integers(0, 60))
        id_ = json.dumps(draw(st.sampled_from(["1", "2", "ü", "x" * 257, 'a"b'])))
        if odd == 0:
            id_ = draw(st.sampled_from(['""', "1", "null", '"\\ud800"']))
        members = [("id", id_)]
        if odd < 10:
            members.append(("extra", draw(trees())))
        if odd == 11:
            members.append(("extra", draw(odd_numbers)))
        return draw(written_object(members))

    chosen = draw(st.lists(st.sampled_from(NAMESPACES), max_size=2, unique=True))
    members = [
        (namespace, f"[{','.join(identity() for _ in range(draw(st.integers(0, 2))))}]")
        for namespace in chosen
    ]
    if draw(st.integers(0, 60)) == 0:
        members.append(("ecid", draw(scalars)))
    return draw(written_object(members))


@st.composite
def attribute_values(draw: st.DrawFn) -> str:
    odd = draw(st.integers(0, 50))
    if odd == 0:
        return draw(st.one_of(odd_numbers, odd_strings))
    if odd == 1:
        return f"[{draw(odd_numbers)}]"
    return draw(st.one_of(scalars, trees()))


@st.composite
def values(draw: st.DrawFn) -> bytes:
    top: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from([*PATHS, "unmapped"]), max_size=4, unique=True)):
        place = top
        *way, last = path.split(".")
        for name in way:
            place = place.setdefault(name, {})
        place[last] = draw(attribute_values())
    if draw(st.integers(0, 12)) == 0:
        top[draw(st.sampled_from(["c", "ü"]))] = draw(trees())
    if draw(st.integers(0, 25)) == 0:
        # Where nothing is mapped it may pass; where consent is asked for it is no answer.
        top[draw(st.sampled_from(["a", "b"]))] = draw(st.one_of(odd_numbers, odd_numbers.map("[{}]".format)))

    def text(node: Any) -> str:
        if isinstance(node, str):
            return node
        return str(draw(written_object([(name, text(child)) for name, child in node.items()])))

    members = [(name, text(child)) for name, child in top.items()]
    odd = draw(st.integers(0, 60))
    if odd > 0:
        members.append(("segmentMembership", draw(memberships() if odd > 1 else scalars)))
    if draw(st.integers(0, 3)):
        members.append(
            ("identityMap", draw(identities() if odd not in {2, 4} else st.just("null") | scalars))
        )
    written = draw(written_object(members)).encode()
    if odd == 3:
        cut = draw(st.integers(0, len(written)))
        written = written[:cut] + draw(st.binary(max_size=2)) + written[cut + draw(st.integers(0, 2)) :]
    return written


@st.composite
def events(draw: st.DrawFn) -> Given:
    key = draw(st.sampled_from(PROFILES))
    odd = draw(st.integers(0, 40))
    if odd == 0:
        key = draw(st.sampled_from([b"", b"\xff", b"k" * 257]))
    headers: list[tuple[str, bytes | None]] = [("trace", b"\xff")] if odd == 1 else []
    if draw(st.integers(0, 5)) == 0:
        headers.append(("duleLabels", ",".join(draw(labels)).encode()))
    if odd in {3, 4}:
        # Parts of labels that would be others if they were put together.
        pieces = st.sampled_from(["C", "C1", "2", "12", "C12", "1,C", "I1", " ", ""])
        headers += [("duleLabels", piece.encode()) for piece in draw(st.lists(pieces, max_size=3))]
    if odd == 2:
        headers.append(("duleLabels", draw(st.sampled_from([b"\xff", None, b" C2 , ,I1", "ü".encode()]))))
    value = None if draw(st.integers(0, 15)) == 0 else draw(values())
    return Given(key, value, tuple(headers), draw(st.sampled_from(AROUND_UNTIL_MS)))


@st.composite
def streams(draw: st.DrawFn) -> list[Given]:
    """Events of few profiles; some come again, unchanged or with one attribute more."""
    found: list[Given] = []
    for _ in range(draw(st.sampled_from([10, 4, 2, 7]))):
        odd = draw(st.integers(0, 5)) if found else 5
        if odd > 2:
            found.append(draw(events()))
            continue
        again = draw(st.sampled_from(found))
        if odd == 0 and again.value is not None and len(again.value) > 2:
            again = replace(again, value=b'{"a": %d, %s' % (draw(st.integers(0, 2)), again.value[1:]))
        found.append(again)
    return found
