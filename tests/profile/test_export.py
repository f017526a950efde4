"""The export's text, and what is kept of it."""

from __future__ import annotations

import json

import pytest

from processor.errors import InvalidEvent
from processor.governance.destination import Connection, Destination, Segment, SegmentTimes
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.state_record import ATTRIBUTE_BYTES, decode_record

ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
PROFILE = {"a": {"x": 1, "y": 2, "z": {"p": 3, "q": 4}}, "b": 5, "c": {"d": 6}}


def exported(*attributes: str, value: dict[str, object] | None = None) -> tuple[dict[str, object], bytes]:
    destination = Destination("d", Connection("r"), "s", (), (Segment("ups", "s1"),), attributes)
    text = json.dumps({**(PROFILE if value is None else value), "segmentMembership": {"ups": {"s1": ENTRY}}})
    transition = Core(compile_plan(destination)).apply(
        b"p", text.encode(), (), timestamp_ms=0, offset=3, state=None
    )
    assert transition.export is not None
    assert transition.state is not None
    data = json.loads(transition.export.data)
    assert [*data][-2:] == ["segmentMembership", "identityMap"]
    return {
        name: data[name] for name in data if name not in {"segmentMembership", "identityMap"}
    }, transition.state


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (("a.x", "b", "a.y"), '{"a": {"x": 1, "y": 2}, "b": 5}'),
        (
            ("b", "a.z.q", "c.d", "a.x", "a.z.p"),
            '{"b": 5, "a": {"z": {"q": 4, "p": 3}, "x": 1}, "c": {"d": 6}}',
        ),
        (("c.d", "a.y", "b", "a.x"), '{"c": {"d": 6}, "a": {"y": 2, "x": 1}, "b": 5}'),
        (("c", "b", "a"), '{"c": {"d": 6}, "b": 5, "a": {"x": 1, "y": 2, "z": {"p": 3, "q": 4}}}'),
    ],
)
def test_members_of_one_parent_stand_together_each_with_its_own_value(
    attributes: tuple[str, ...], expected: str
) -> None:
    assert json.dumps(exported(*attributes)[0]) == expected


def test_absent_attributes_leave_no_trace() -> None:
    data, state = exported("a.x", "b", "a.y", "nowhere", value={"a": {"y": 2}, "b": None})
    assert json.dumps(data) == '{"b": null, "a": {"y": 2}}'
    assert len(decode_record(state).attributes) == 2 * ATTRIBUTE_BYTES


@pytest.mark.parametrize("attributes", [(), ("b",), ("a.x", "b", "c")])
def test_the_state_keeps_twelve_bytes_an_attribute(attributes: tuple[str, ...]) -> None:
    record = decode_record(exported(*attributes)[1])
    assert len(record.attributes) == len(attributes) * 12
    assert record.offset == 3


@pytest.mark.parametrize(
    ("names", "timestamps", "expected"),
    [
        (False, False, {}),
        (True, False, {"name": 'N"'}),
        (False, True, {"createdAt": 0, "mappingUpdatedAt": 1_649_856_570_000}),
        (True, True, {"createdAt": 0, "mappingUpdatedAt": 1_649_856_570_000, "name": 'N"'}),
    ],
)
def test_a_segments_entry_has_what_is_asked_for_and_given(
    names: bool, timestamps: bool, expected: dict[str, object]
) -> None:
    segment = Segment("ups", "s1", 'N"', SegmentTimes(0, None, None, 1_649_856_570_000))
    destination = Destination(
        "d",
        Connection("r"),
        "s",
        (),
        (segment,),
        (),
        include_segment_names=names,
        include_segment_timestamps=timestamps,
    )
    core, state = Core(compile_plan(destination)), None
    for offset, status in enumerate(("realized", "exited")):
        value = {"segmentMembership": {"ups": {"s1": {**ENTRY, "status": status}}}}
        transition = core.apply(
            b"p", json.dumps(value).encode(), (), timestamp_ms=0, offset=offset, state=state
        )
        state, export = transition.state, transition.export
        assert export is not None
        entry = json.loads(export.data)["segmentMembership"]["ups"]["s1"]
        told = {"lastQualificationTime": ENTRY["lastQualificationTime"], "status": status, **expected}
        assert [*entry.items()] == [*told.items()]


@pytest.mark.parametrize(
    "escape", [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800x", r"\udc00\ud800", r"\ud800\ud800\udc00"]
)
def test_half_a_surrogate_pair_is_no_json_wherever_it_stands(escape: str) -> None:
    core = Core(compile_plan(Destination("d", Connection("r"), "s", (), (Segment("ups", "s1"),), ("a",))))
    membership = json.dumps({"ups": {"s1": ENTRY}})
    for place in (
        '"a": "%s"',
        '"unmapped": "%s"',
        '"unmapped": {"%s": 1}',
        '"%s": 1',
        '"identityMap": {"e": [{"id": "%s"}]}',
    ):
        value = f'{{{place % escape}, "segmentMembership": {membership}}}'.encode()
        with pytest.raises(InvalidEvent, match="bad-json"):
            core.apply(b"p", value, (), timestamp_ms=0, offset=0, state=None)
        whole = value.replace(escape.encode(), rb"\ud83d\ude00 \\ud800")
        assert core.apply(b"p", whole, (), timestamp_ms=0, offset=0, state=None).export is not None
