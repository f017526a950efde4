"""What is taken of an event's bytes, whichever way they are read, and which bytes are no event."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from processor.errors import InvalidEvent, Reason
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.event import EventDecoder

ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
SEGMENT = Segment("ups", "s1")
ABSENT = "absent"


def decoder(*paths: str) -> EventDecoder:
    return EventDecoder(paths, [SEGMENT])


def value(**members: Any) -> bytes:
    return json.dumps({"segmentMembership": {"ups": {"s1": ENTRY}}, **members}).encode()


def at(tree: Any, path: str) -> Any:
    """What is at `path`, going from object to object."""
    for name in path.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return ABSENT
        tree = tree[name]
    return tree


PROFILES: list[dict[str, Any]] = [
    {},
    {"a": None},
    {"a": 1},
    {"a": {}, "d": {"e": {}}},
    {"a": {"b": None}, "d": None},
    {"a": {"b": 1}, "d": {"e": 1}},
    {"a": {"b": {"c": None}}, "d": {"e": None}},
    {"a": {"b": {"c": {"x": [2]}}}, "d": {"e": {"f": "g"}}},
    {"a": {"b": [{"c": 2}]}, "d": [{"e": 1}]},
    {"a": [{"b": {"c": 2}}], "d": "e"},
]


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["a"],
        ["a.b"],
        ["a", "d.e"],
        ["a", "a.b"],
        ["a", "a.b", "a.b.c"],
        ["a", "a.b.c", "d", "d.e"],
        ["a.b", "a.b.c", "d.e"],
    ],
)
def test_a_path_may_lie_within_another_wherever_it_stands_among_them(paths: list[str]) -> None:
    for order in itertools.permutations(paths):
        reader = decoder(*order)
        for profile in PROFILES:
            leaves = reader.decode(value(**profile)).leaves
            assert isinstance(leaves, tuple)
            found = [ABSENT if leaf is UNSET else json.loads(bytes(leaf)) for leaf in leaves]
            assert found == [at(profile, path) for path in order]


@pytest.mark.parametrize("name", ["membership", "identities", "m0", "m1", "MEMBERSHIP"])
def test_other_members_may_have_any_name(name: str) -> None:
    others = {name: {"ups": {"s1": ENTRY}}}
    event = decoder("a").decode(json.dumps({**others, "segmentMembership": {}}).encode())
    assert (event.leaves, event.entries, event.identities, event.fault) == ((UNSET,), (UNSET,), UNSET, None)
    fault = decoder("a").decode(json.dumps(others).encode()).fault
    assert fault is not None
    assert fault.detail == "segmentMembership is absent"


@pytest.mark.parametrize("raw", [b"null", b"true", b"1", b'"text"', b"[]", b" null "])
def test_what_is_no_object_is_no_event(raw: bytes) -> None:
    for paths in ((), ("a",), ("a", "b")):
        with pytest.raises(InvalidEvent, match="the value is not an object") as caught:
            decoder(*paths).decode(raw)
        assert caught.value.reason is Reason.BAD_JSON


@pytest.mark.parametrize("entry", [None, True, 1, "realized", [], {}, [ENTRY], {**ENTRY, "status": "known"}])
def test_an_entry_of_another_shape_is_a_fault_of_the_membership(entry: object) -> None:
    fault = decoder("a").decode(value(segmentMembership={"ups": {"s1": entry}})).fault
    assert fault is not None
    assert fault.reason is Reason.BAD_MEMBERSHIP


def test_entries_stand_where_their_segments_do() -> None:
    names = [("ups", "s1"), ("crm", "s2"), ("ups", "s3"), ("crm", "s1")]
    membership: dict[str, dict[str, object]] = {"ups": {}, "crm": {}}
    for namespace, id_ in names:
        membership[namespace][id_] = {**ENTRY, "lastQualificationTime": f"{namespace}/{id_}"}
    for count in range(1, len(names) + 1):
        for some in itertools.product(names, repeat=count):
            reader = EventDecoder([], [Segment(*name) for name in some])
            entries = reader.decode(value(segmentMembership=membership)).entries
            times = [
                entry.lastQualificationTime for entry in entries if not isinstance(entry, msgspec.UnsetType)
            ]
            assert times == [f"{namespace}/{id_}" for namespace, id_ in some]


PLACES = [
    '{"segmentMembership":{},"x":"%s"}',
    '{"segmentMembership":{},"x":{"y":[1,"%s"]}}',
    '{"segmentMembership":{},"%s":1}',
    '{"segmentMembership":{},"a":"%s"}',
    '{"segmentMembership":{"ups":{"s2":"%s"}}}',
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text",
    [
        r"\ud800\udc00",
        r"\uDBFF\uDFFF",
        r"\ud83d\ude00\uD83D\uDE00 and \ud83d\ude00",
        r"\ud83d\udc00\ud800\udfff",
        r"\ud83d\ude00\ud7ff\ue000\uf8ff",
        r"\\ud800 and \\\ud83d\ude00",
        r"\n\ud83d\ude00\n\u0000",
    ],
)
def test_pairs_of_surrogates_may_be_escaped_anywhere(place: str, text: str) -> None:
    assert decoder("a").decode((place % text).encode()).fault is None


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text",
    [
        r"\ud800",
        r"\uDBFF",
        r"\udc00",
        r"\uDFFF",
        r"\ud83dx",
        r"\ud83d\n",
        r"\ud83d\\ude00",
        r"\ud83d\u0041",
        r"\ud83d\ue000",
        r"\ud83d\ud83d",
        r"\ude00\ud83d",
        r"\ud83d\ude00\ude00",
        r"\ud83d\ude00\ud83d",
        r'\ud83d","z":"\ude00',
    ],
)
def test_half_a_pair_is_no_json_anywhere(place: str, text: str) -> None:
    if '":"' in text:
        place = place.replace('"%s":1', '"%s":"1"')
    with pytest.raises(InvalidEvent, match="an escaped surrogate stands alone") as caught:
        decoder("a").decode((place % text).encode())
    assert caught.value.reason is Reason.BAD_JSON


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
def test_what_is_no_utf_8_is_no_json_anywhere(place: str, text: bytes) -> None:
    before, after = place.encode().split(b"%s")
    with pytest.raises(InvalidEvent, match=f"not UTF-8 at byte {len(before)}$") as caught:
        decoder("a").decode(before + text + after)
    assert caught.value.reason is Reason.BAD_JSON


@pytest.mark.parametrize(("raw", "place"), [(b'{"a":}', 5), (b'{"x":1,}', 7), (b"?", 0)])
def test_where_the_syntax_breaks_is_reported(raw: bytes, place: int) -> None:
    with pytest.raises(InvalidEvent, match=f"not JSON at byte {place}$"):
        decoder("a").decode(raw)


@pytest.mark.parametrize("id_", ["1e999", "-1e999"])
def test_identities_that_no_parser_reads_is_reported_as_that(id_: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        applied(f'{{"segmentMembership":{{}},"identityMap":{{"ecid":[{{"id":{id_}}}]}}}}'.encode())
    assert (caught.value.reason, caught.value.detail) == (Reason.BAD_JSON, "identityMap cannot be read")


@pytest.mark.parametrize("line_break", [b"\n", b"\r", b"\r\n", b"\n\r"])
def test_an_export_is_one_line_however_the_event_is_broken(line_break: bytes) -> None:
    raw = json.dumps({"a": {"b": [1, 2]}, **json.loads(value(identityMap={"ecid": [{"id": "1"}]}))}, indent=1)
    data = applied(raw.encode().replace(b"\n", line_break))
    assert not {0x0A, 0x0D} & set(data)
    assert json.loads(data)["a"] == {"b": [1, 2]}


def applied(raw: bytes) -> bytes:
    plan = compile_plan(Destination("d", Connection("eu-west-1"), "s", (), (SEGMENT,), ("a",)), Governance())
    export = Core(plan).apply(b"p", raw, (), timestamp_ms=0, offset=0, state=None).export
    assert export is not None
    return export.data
