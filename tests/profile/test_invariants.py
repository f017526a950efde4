"""What holds for every event, whatever is in it."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processor.errors import InvalidEvent
from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance, HasLabel, Policy
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.state_record import decode_record
from tests.support.core_with_state import CoreWithState
from tests.support.strategies import Given, destinations, governances, streams

MARKER = "Zq7wMARKER"
SECRET = HasLabel("SECRET")
FORBIDDING = Governance(
    field_labels={"hidden": frozenset({"SECRET"}), "part.hidden": frozenset({"SECRET"})},
    identity_labels={"hidden": frozenset({"SECRET"})},
    segment_labels={("ups", f"{MARKER}-segment"): frozenset({"SECRET"})},
    policies=(Policy("no secrets", "ENABLED", ("exportToThirdParty",), SECRET),),
)
WIDE = Destination(
    "d",
    Connection("eu-west-1"),
    "s",
    ("exportToThirdParty",),
    (Segment("ups", f"{MARKER}-segment", f"{MARKER}-name"), Segment("ups", "open")),
    ("hidden", "part", "shown"),
    partition_key_namespace="hidden",
    include_segment_names=True,
)
ENTRY = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}


@given(destinations(), governances(), streams())
def test_a_redelivered_event_exports_nothing(
    destination: Destination, governance: Governance, stream: list[Given]
) -> None:
    core = CoreWithState(destination, governance)
    for event in stream:
        reason, _, _ = core.apply(event)
        if reason is None:
            _, _, data = core.apply(event)
            assert data is None, event


@given(destinations(), governances(), streams())
def test_a_stream_replayed_over_its_state_exports_nothing(
    destination: Destination, governance: Governance, stream: list[Given]
) -> None:
    core = CoreWithState(destination, governance)
    for event in stream:
        core.apply(event)
    core.offset = 0
    reached = {key: decode_record(state).offset for key, state in core.states.items()}
    for event in stream:
        # Where an event changed nothing its profile has no offset to skip by; it changes nothing again.
        is_covered = core.offset + 1 <= reached.get(event.key or b"", -1)
        _, _, data = core.apply(event)
        assert data is None or not is_covered, event


@given(destinations(), governances(), streams())
def test_exits_balance_entries(destination: Destination, governance: Governance, stream: list[Given]) -> None:
    core = CoreWithState(destination, governance)
    inside: Counter[tuple[bytes | None, str, str]] = Counter()
    for event in stream:
        _, _, data = core.apply(event)
        exported = json.loads(data)["segmentMembership"] if data else {}
        for namespace, segments in exported.items():
            for id_, entry in segments.items():
                place = (event.key, namespace, id_)
                inside[place] += {"realized": 1, "existing": 0, "exited": -1}[entry["status"]]
                assert inside[place] == (entry["status"] != "exited"), event


@given(st.binary())
@example(b"[" * 100_000)
@example(b'{"segmentMembership": {}, "shown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"segmentMembership": {}, "shown": ' + b"[" * 1_500 + b"]" * 1_500 + b"}")
@example(b'{"segmentMembership": {}, "shown": [' + b"[" * 900 + b"1e5" + b"]" * 900 + b"]}")
@example(b'{"segmentMembership": {}, "identityMap": ' + b"[" * 1_500 + b"]" * 1_500 + b"}")
def test_any_bytes_are_an_event_or_refused_with_a_reason(value: bytes) -> None:
    reason, _, data = CoreWithState(WIDE, FORBIDDING).apply(Given(b"p", value, (), 0))
    assert data is None
    assert reason in {None, "bad-json", "bad-membership", "bad-identity"}


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_a_line_break_inside_a_string_is_no_json(line_break: str) -> None:
    text = marked({"segmentMembership": {"ups": {"open": ENTRY}}, "shown": "a_b"})
    core = CoreWithState(WIDE, FORBIDDING)
    broken = text.replace(b"a_b", f"a{line_break}b".encode())
    assert core.apply(Given(b"p", broken, (), 0)) == ("bad-json", None, None)


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_an_export_of_an_event_of_many_lines_is_one_line(line_break: str) -> None:
    tree = {"segmentMembership": {"ups": {"open": ENTRY}}, "shown": {"a": [1, 2]}}
    text = json.dumps(tree, indent=2).replace("\n", line_break).encode()
    _, _, data = CoreWithState(WIDE, FORBIDDING).apply(Given(b"p", text, (), 0))
    assert data is not None
    assert not {*b"\r\n"} & {*data}
    assert json.loads(data)["shown"] == {"a": [1, 2]}


def marked(tree: object) -> bytes:
    return json.dumps(tree).encode()


forbidden_values = st.recursive(
    st.sampled_from([MARKER, [MARKER], {MARKER: 1}, {"x": MARKER}]),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.just("x"), inner, min_size=1),
    max_leaves=4,
)


@given(
    st.lists(
        st.tuples(forbidden_values, st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=5
    )
)
def test_what_governance_removes_is_in_no_byte_of_any_export(
    profiles: list[tuple[object, int, bool, bool]],
) -> None:
    core = CoreWithState(WIDE, FORBIDDING)
    for value, shown, is_open, is_hidden in profiles:
        membership = {"open": ENTRY} if is_open else {}
        if is_hidden:
            membership[f"{MARKER}-segment"] = ENTRY
        event = {
            "hidden": value,
            "part": {"hidden": value},
            "shown": shown,
            "segmentMembership": {"ups": membership},
            "identityMap": {"hidden": [{"id": MARKER}], "open": [{"id": "1"}]},
        }
        reason, partition_key, data = core.apply(Given(b"p", marked(event), (), 0))
        assert reason is None
        assert partition_key in {None, "p"}
        assert MARKER.encode() not in (data or b"")
        assert MARKER.encode() not in core.states.get(b"p", b"")


@pytest.mark.parametrize(
    "value",
    [
        {"segmentMembership": {"ups": {"open": {**ENTRY, "status": MARKER}}}},
        {"segmentMembership": {"ups": {"open": {**ENTRY, "lastQualificationTime": MARKER}}}},
        {"segmentMembership": {"ups": {"open": {**ENTRY, "validUntil": MARKER}}}},
        {"segmentMembership": {"ups": {"open": MARKER}}},
        {"segmentMembership": {"ups": MARKER}},
        {"segmentMembership": MARKER},
        {"segmentMembership": {}, "identityMap": MARKER},
        {"segmentMembership": {}, "identityMap": {MARKER: MARKER}},
        {"segmentMembership": {}, "identityMap": {MARKER: [MARKER]}},
        {"segmentMembership": {}, "identityMap": {MARKER: [{"id": [MARKER]}]}},
    ],
    ids=str,
)
def test_why_an_event_is_refused_is_reported_without_its_data(value: object) -> None:
    core = Core(compile_plan(WIDE, FORBIDDING))
    with pytest.raises(InvalidEvent) as refused:
        core.apply(b"p", marked(value), (), timestamp_ms=0, offset=0, state=None)
    assert MARKER not in str(refused.value)


@given(st.integers(0, 120), st.binary(min_size=1, max_size=3))
def test_why_a_damaged_text_is_refused_is_reported_without_its_data(position: int, damage: bytes) -> None:
    text = marked({"shown": MARKER, "segmentMembership": {"ups": {"open": {**ENTRY, "status": MARKER}}}})
    damaged = text[:position] + damage + text[position:]
    core = Core(compile_plan(WIDE, FORBIDDING))
    try:
        core.apply(b"p", damaged, (), timestamp_ms=0, offset=0, state=None)
    except InvalidEvent as refusal:
        told = str(refusal)
    else:
        told = ""
    assert MARKER not in told
