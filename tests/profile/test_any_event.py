"""Whatever stands in whatever place of an event: it is exported or refused with its reason, and nothing else happens."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import (
    ConsentPolicy,
    ConsentRule,
    Governance,
    HasLabel,
    LabelRule,
    Policy,
    ValueIn,
)
from processor.governance.plan import compile_plan
from processor.profile.batch import Batch, Limits
from processor.profile.core import Core
from processor.profile.processing import process

ACTION = ("exportToThirdParty",)
DESTINATION = Destination(
    "d",
    Connection("eu-west-1"),
    "s",
    ACTION,
    (Segment("ups", "s1"), Segment("crm", "s2", "N")),
    ("attribute", "in.side"),
    partition_key_namespace="email",
    include_segment_names=True,
)
CONSENT = ConsentPolicy(
    "c",
    "ENABLED",
    ACTION,
    ConsentRule(
        "OR",
        (ValueIn("consent", ("y", 1, None)), ValueIn("in.side.deeper", ("y",)), ValueIn("attribute", (7,))),
    ),
)
GOVERNANCE = Governance(
    field_labels={"in": frozenset({"I1"})},
    identity_labels={"ecid": frozenset({"C2"})},
    policies=(Policy("p", "ENABLED", ACTION, LabelRule("AND", (HasLabel("C2"), HasLabel("C1")))),),
)
CORES = [
    Core(compile_plan(DESTINATION)),
    Core(compile_plan(DESTINATION, GOVERNANCE)),
    Core(compile_plan(DESTINATION, Governance(consent_policies=(CONSENT,)))),
]
LIMITS = Limits(1 << 20, 1 << 20)
LEVELS_ALWAYS_READ = 900
"""As docs/operations.md says."""

TIME = "2020-05-25T21:24:39Z"
INT64 = st.sampled_from([0, -1, 1, 2**63 - 1, -(2**63), 1_590_451_200_000])


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int


ENDS = [
    ("[", "]"),
    ('{"a":', "}"),
    ('{"id":', "}"),
    ("[1.50,", ",-0.0]"),
    ('{"x":1e3,"a":', ',"":[]}'),
    (' [\n"ü", ', "\t]"),
]


def nested(levels: int, ends: tuple[str, str], core: str) -> str:
    return ends[0] * levels + core + ends[1] * levels


scalars = st.sampled_from(
    ["null", "true", "false", "0", "-0", "1.0", "1e5", '""', '"y"', '"x"', "[]", "{}", '"\\u0000"', '"😀"', '"\\ud83d\\ude00"', '"\\ud800"',
     '"\\udc00\\ud800"', '"\x7f"', '"\x00"', '"\n"', '"\\x"', "1e400", "-1e400", "1e-400", "1e99999999999999999999", "1e-" + "9" * 5_000,
     "1e+" + "0" * 5_000 + "1", "9" * 310, "9" * 5_000, "-" + "9" * 5_000, "0." + "0" * 5_000 + "1", "1" * 400 + "e-200", "NaN", "Infinity",
     "nul", "01", "1.", "+1", "\u2028", '"realized"', '"exited"', f'"{TIME}"', '"2020-05-25T21:24:60"', '"0000-01-01T00:00:00+23:59"',
     '"9999-12-31T23:59:59.999999999999-23:59"', '"2020-05-25T21:24:39.' + "9" * 5_000 + '"', '"' + "k" * 257 + '"', '"' + "ü" * 300 + '"',
     '{"id":"1"}', '[{"id":"1"}]', '[{"id":""}]', '{"status":"realized"}', "[[]]", "[{}]", '{"side":{"deeper":"y"}}', '{"":""}', "{", "]", '"', ""]
)  # fmt: skip
hostile = st.one_of(
    scalars,
    st.builds(nested, st.sampled_from([1, 5, 253, 254, 255, 256, 490, 900, 960, 990, 995, 1_000, 1_024, 1_100, 20_000]),
              st.sampled_from(ENDS), scalars),
    st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(st.sampled_from(["a", "id", "side", "deeper", "s1", "ups", "ü", "\\u0061", ""]), inner, max_size=3).map(
            lambda members: "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
        ),
        max_leaves=4,
    ),
)  # fmt: skip

ENTRY = f'{{"status":"realized","lastQualificationTime":"{TIME}"%s}}'
MEMBER = '"segmentMembership":{"ups":{"s1":' + ENTRY % "" + "}}"
PLACES = {
    "whole": "%s",
    "mapped attribute": '{"attribute":%s,' + MEMBER + "}",
    "mapped attribute within": '{"in":{"side":%s},' + MEMBER + "}",
    "on the way to a mapped attribute": '{"in":%s,' + MEMBER + "}",
    "consent": '{"consent":%s,' + MEMBER + "}",
    "consent within a mapped attribute": '{"in":{"side":{"deeper":%s}},' + MEMBER + "}",
    "unmapped": '{"unmapped":%s,' + MEMBER + "}",
    "twice": '{"attribute":%s,"attribute":1,"consent":"y",' + MEMBER + "}",
    "identityMap": '{"identityMap":%s,' + MEMBER + "}",
    "namespace": '{"identityMap":{"email":%s},' + MEMBER + "}",
    "forbidden namespace": '{"identityMap":{"email":[],"ecid":%s},' + MEMBER + "}",
    "identity": '{"identityMap":{"email":[%s]},' + MEMBER + "}",
    "id": '{"identityMap":{"email":[{"id":%s}]},' + MEMBER + "}",
    "beside an id": '{"identityMap":{"email":[{"id":"1","primary":%s}]},' + MEMBER + "}",
    "segmentMembership": '{"segmentMembership":%s}',
    "segments of a namespace": '{"segmentMembership":{"ups":%s}}',
    "segments of an unmapped namespace": '{"segmentMembership":{"other":%s}}',
    "entry": '{"segmentMembership":{"ups":{"s1":%s}}}',
    "unmapped entry": '{"segmentMembership":{"ups":{"other":%s}}}',
    "status": '{"segmentMembership":{"ups":{"s1":{"lastQualificationTime":"' + TIME + '","status":%s}}}}',
    "lastQualificationTime": '{"segmentMembership":{"ups":{"s1":{"status":"realized","lastQualificationTime":%s}}}}',
    "validUntil": '{"segmentMembership":{"ups":{"s1":' + ENTRY.replace("%s", ',"validUntil":%s') + "}}}",
    "beside a status": '{"segmentMembership":{"ups":{"s1":' + ENTRY.replace("%s", ',"more":%s') + "}}}",
}
values = st.builds(
    lambda place, text: PLACES[place].replace("%s", text), st.sampled_from(sorted(PLACES)), hostile
)
bytes_of_values = st.one_of(
    values.map(lambda text: text.encode()),
    values.map(lambda text: text.encode("utf-16")),
    values.map(lambda text: b"\xef\xbb\xbf" + text.encode()),
    st.tuples(values, st.integers(0, 200), st.binary(max_size=3)).map(
        lambda cut: cut[0].encode()[: cut[1]] + cut[2] + cut[0].encode()[cut[1] :]
    ),
    st.none(),
    st.binary(max_size=20),
)
odd_keys = [None, b"", b"\xff", b"\0", "ü".encode() * 256, b"k" * 257, b"k" * 100_000, b"\xed\xa0\x80"]
keys = st.sampled_from([*[b"p", b"q"] * 10, *odd_keys])
header_values = st.sampled_from(
    [
        None,
        b"",
        b"C1",
        b"C2",
        b"C1,C2",
        b"C12",
        b"\xff",
        b",,",
        b" ",
        b"\0",
        b"C1," * 10_000,
        b"x" * 100_000,
        b"\xed\xa0\x80",
        "ü".encode(),
    ]
)
headers = st.lists(
    st.tuples(st.sampled_from(["duleLabels", "traceparent", "", "ü", "\0"]), header_values), max_size=3
)
records = st.builds(lambda *parts: parts, keys, bytes_of_values, headers.map(tuple), INT64)


def taken(core: Core, parts: list[tuple[Any, ...]], states: dict[bytes, bytes | None], first: int) -> Batch:
    """A batch of these events, after whose like nothing changes: none fails, and each is one thing."""
    batch_of = [Record(first + number, *part) for number, part in enumerate(parts)]
    batch = process(core, {key: states.get(key) for key, *_ in parts if key is not None}, batch_of, LIMITS)
    assert batch.failures == []
    assert len(batch.exports) + len(batch.dead_letters) + batch.skipped + batch.unchanged == len(batch_of)
    for export in batch.exports:
        assert b"\n" not in export.data
        assert 1 <= len(export.partition_key) <= 256
    for letter in batch.dead_letters:
        assert isinstance(letter.detail, str)
        assert letter.detail
        assert letter.reason in {
            "bad-key",
            "bad-json",
            "bad-membership",
            "bad-identity",
            "bad-labels",
            "too-large",
        }
    states.update(batch.changes)
    return batch


@given(st.sampled_from(CORES), st.lists(records, min_size=1, max_size=4))
def test_no_event_fails_whatever_is_in_it(core: Core, parts: list[tuple[Any, ...]]) -> None:
    states: dict[bytes, bytes | None] = {}
    taken(core, parts, states, 0)
    last = parts[-1]
    taken(core, [last], states, 100)
    assert taken(core, [last], states, 200).exports == []


# Where each place's text may nest, and what becomes of an event that is valid but for its depth.
NESTING = [
    ("mapped attribute", None),
    ("mapped attribute within", None),
    ("on the way to a mapped attribute", None),
    ("consent", None),
    ("consent within a mapped attribute", None),
    ("unmapped", None),
    ("twice", None),
    ("beside an id", None),
    ("segments of an unmapped namespace", None),
    ("unmapped entry", None),
    ("beside a status", None),
    ("whole", "bad-json|bad-membership"),
    ("identityMap", "bad-identity"),
    ("namespace", "bad-identity"),
    ("identity", "bad-identity"),
    ("id", "bad-identity"),
    ("segmentMembership", "bad-membership|"),
    ("entry", "bad-membership"),
    ("status", "bad-membership"),
    ("lastQualificationTime", "bad-membership"),
    ("validUntil", "bad-membership"),
]


@pytest.mark.parametrize(("place", "reasons"), NESTING)
@given(
    core=st.sampled_from(CORES),
    levels=st.sampled_from([1, 200, 253, 254, 255, 256, 300, 480, 500, 700, 880]),
    ends=st.sampled_from(ENDS),
    number=st.sampled_from(["7", "7.50"]),
)
def test_nesting_is_taken_as_anything_else_is(
    place: str, reasons: str | None, core: Core, levels: int, ends: tuple[str, str], number: str
) -> None:
    value = PLACES[place].replace("%s", nested(levels, ends, number)).encode()
    # Another spelling of the same.
    other = value.replace(b"1.50", b"15e-1").replace(b"7.50", b"75e-1").replace(b":", b" : ", 1)
    states: dict[bytes, bytes | None] = {}
    batch = taken(core, [(b"p", value, (), 0), (b"p", other, (), 0)], states, 0)
    told = [letter.reason.value for letter in batch.dead_letters]
    if reasons is None:
        assert told == []
        assert len(batch.exports) <= 1
        assert all(json.loads(export.data) for export in batch.exports)
    else:
        assert set(told) <= set(reasons.split("|"))
        assert len(told) in ({2} if "|" not in reasons else {0, 2})


@pytest.mark.parametrize("place", [place for place, reasons in NESTING if reasons is None])
@pytest.mark.parametrize("levels", [LEVELS_ALWAYS_READ - 10, 950, 990, 1_010, 1_030, 5_000, 100_000])
def test_beyond_what_can_be_read_an_event_is_no_json(place: str, levels: int) -> None:
    value = PLACES[place].replace("%s", nested(levels, ENDS[0], "7.50")).encode()
    batch = taken(
        CORES[0], [(b"p", value, (), 0), (b"q", PLACES["unmapped"].replace("%s", "1").encode(), (), 0)], {}, 0
    )
    reasons = {letter.reason.value for letter in batch.dead_letters}
    assert reasons <= (set() if levels < LEVELS_ALWAYS_READ else {"bad-json"})
    assert "q" in {export.partition_key for export in batch.exports}
