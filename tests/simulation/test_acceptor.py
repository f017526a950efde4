"""What a consumer may see where configurations change, and what it may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from processor.profile.state_record import encode_departed
from tests.simulation.acceptor import At, Event, Node, Rules, Unaccepted, accepted, bare, ends_of, step
from tests.simulation.configurations import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

BEFORE = Choice()
MORE = Choice(segments=("one", "two", "three"))
"""Another segment is mapped."""
LESS = Choice(segments=("two",))
COLOUR = Choice(attributes=("number", "colour"))


def event(number: int, *segments: str, colour: str = "red") -> Event:
    time = f"2020-01-01T00:00:0{number}Z"
    entries = {segment: {"status": "realized", "lastQualificationTime": time} for segment in segments}
    tree = {"number": number, "colour": colour, "segmentMembership": {"ups": entries}}
    return Event(b"p", json.dumps(tree).encode())


FIRST, SECOND, THIRD = event(1, "one"), event(2, "one", "three"), event(3, "three")
INVALID = Event(b"p", b"{")
TOMBSTONE = Event(b"p", None)


def told(*moves: tuple[Choice, Event]) -> tuple[list[bytes], bytes | None]:
    """The exports of events that are worked on one after the other, and the state in the end."""
    exports, state = list[bytes](), None
    for choice, each in moves:
        data, state = step(choice, each, state)
        exports += [] if data is None else [data]
    return exports, state


def is_right(
    choices: Sequence[Choice],
    events: Sequence[Event],
    moves: Sequence[tuple[Choice, Event]],
    rules: Rules | None = None,
    *,
    is_in_source: bool = True,
) -> bool:
    """Whether what comes of `moves` is accepted, and their state is right in the end."""
    exports, state = told(*moves)
    try:
        nodes = accepted(choices, events, dict.fromkeys(exports), rules).nodes
    except Unaccepted:
        return False
    ends = ends_of(nodes, choices, events, is_in_source=is_in_source)
    return state in {node.state for node in ends}


def test_the_moves_of_these_tests_export_something() -> None:
    exports, _ = told((BEFORE, FIRST), (MORE, SECOND), (MORE, THIRD))
    assert [json.loads(data)["segmentMembership"]["ups"].keys() for data in exports] == [
        {"one"},
        {"one", "three"},
        {"one", "three"},
    ]


@pytest.mark.parametrize(
    ("choices", "events", "moves"),
    [
        ([BEFORE], [FIRST, SECOND], [(BEFORE, FIRST), (BEFORE, SECOND)]),
        ([BEFORE], [FIRST, TOMBSTONE], [(BEFORE, FIRST), (BEFORE, TOMBSTONE)]),
        ([BEFORE], [FIRST, INVALID], [(BEFORE, FIRST)]),
        ([BEFORE, MORE], [FIRST, SECOND], [(BEFORE, FIRST), (BEFORE, SECOND), (MORE, SECOND)]),
        ([BEFORE, MORE], [FIRST, SECOND], [(BEFORE, FIRST), (MORE, SECOND)]),
        ([BEFORE, MORE], [FIRST, SECOND], [(MORE, FIRST), (MORE, SECOND)]),
        ([BEFORE, MORE], [SECOND, FIRST], [(BEFORE, SECOND), (MORE, SECOND), (MORE, FIRST)]),
        ([BEFORE, MORE], [THIRD], [(MORE, THIRD)]),
        ([BEFORE, MORE], [THIRD], [(BEFORE, THIRD), (MORE, THIRD)]),
        ([BEFORE, LESS], [FIRST], [(BEFORE, FIRST), (LESS, FIRST)]),
        ([BEFORE, COLOUR], [FIRST], [(BEFORE, FIRST), (COLOUR, FIRST)]),
        ([BEFORE, MORE, BEFORE], [SECOND], [(BEFORE, SECOND), (MORE, SECOND), (BEFORE, SECOND)]),
        ([BEFORE, MORE, BEFORE], [SECOND], [(BEFORE, SECOND)]),
        ([BEFORE, MORE], [SECOND, INVALID], [(BEFORE, SECOND)]),
    ],
)
def test_what_events_and_a_backfill_export_is_accepted(
    choices: list[Choice], events: list[Event], moves: list[tuple[Choice, Event]]
) -> None:
    assert is_right(choices, events, moves)


@pytest.mark.parametrize(
    ("what", "choices", "events", "moves"),
    [
        ("an event is lost", [BEFORE], [FIRST, SECOND], [(BEFORE, FIRST)]),
        ("an event is lost in the middle", [BEFORE], [FIRST, TOMBSTONE, SECOND], [(BEFORE, FIRST), (BEFORE, SECOND)]),
        ("events change places", [BEFORE], [FIRST, SECOND], [(BEFORE, SECOND), (BEFORE, FIRST)]),
        ("there is no backfill", [BEFORE, MORE], [SECOND], [(BEFORE, SECOND)]),
        ("a backfill under what was before", [BEFORE, MORE, COLOUR], [SECOND], [(BEFORE, SECOND), (MORE, SECOND)]),
        ("an older event is taken for the latest", [BEFORE, MORE], [SECOND, FIRST], [(BEFORE, SECOND), (BEFORE, FIRST), (MORE, SECOND)]),
        ("a backfill undoes a live event", [BEFORE, MORE], [SECOND, FIRST], [(BEFORE, SECOND), (MORE, FIRST), (MORE, SECOND)]),
        ("a later event is taken before its turn", [BEFORE, MORE], [FIRST, SECOND], [(BEFORE, FIRST), (MORE, SECOND), (MORE, FIRST)]),
        ("a configuration is followed that is no more", [BEFORE, MORE], [SECOND], [(MORE, SECOND), (BEFORE, SECOND)]),
        ("a configuration that never was", [BEFORE, MORE], [SECOND], [(COLOUR, SECOND), (MORE, SECOND)]),
        ("one who left is back", [BEFORE, MORE], [SECOND, TOMBSTONE], [(BEFORE, SECOND), (BEFORE, TOMBSTONE), (MORE, SECOND)]),
        ("an invalid event stands for nothing", [BEFORE, MORE], [SECOND, INVALID], [(BEFORE, SECOND), (MORE, TOMBSTONE)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("begins_again", [False, True])
def test_what_cannot_have_come_of_the_events_is_not(
    what: str,
    choices: list[Choice],
    events: list[Event],
    moves: list[tuple[Choice, Event]],
    begins_again: bool,
) -> None:
    assert not is_right(choices, events, moves, Rules(begins_again=begins_again)), what


def test_an_invention_is_not_accepted() -> None:
    with pytest.raises(Unaccepted, match="export 0"):
        accepted([BEFORE], [FIRST], [b"{}"], Rules(begins_again=True, goes_back=True))


def test_state_that_does_not_say_what_was_exported_is_wrong() -> None:
    exports, _ = told((BEFORE, FIRST), (MORE, FIRST), (MORE, SECOND))
    ends = ends_of(
        accepted([BEFORE, MORE], [FIRST, SECOND], exports).nodes,
        [BEFORE, MORE],
        [FIRST, SECOND],
        is_in_source=True,
    )
    assert {node.state for node in ends} == {told((MORE, SECOND))[1]}
    assert told((MORE, FIRST))[1] not in {node.state for node in ends}


def test_work_that_was_lost_is_done_again_under_what_is_followed_by_then() -> None:
    in_both = event(2, "one", "two")
    first, state = step(BEFORE, FIRST, None)
    lost, _ = step(BEFORE, in_both, state)
    again, _ = step(LESS, in_both, state)
    observed = [data for data in (first, lost, again) if data]
    assert len(observed) == 3
    with pytest.raises(Unaccepted):
        accepted([BEFORE, LESS], [FIRST, in_both], observed)
    assert accepted([BEFORE, LESS], [FIRST, in_both], observed, Rules(begins_again=True)).nodes


def test_members_with_other_files_go_back_to_what_was_before() -> None:
    moves = [(BEFORE, SECOND), (MORE, SECOND), (BEFORE, SECOND), (BEFORE, FIRST), (MORE, FIRST)]
    choices = [BEFORE, MORE]
    assert not is_right(choices, [SECOND, FIRST], [*moves[:3], (BEFORE, event(4, "two"))])
    assert is_right(choices, [SECOND, FIRST], moves, Rules(goes_back=True))


def test_a_membership_that_has_run_out_by_the_time_of_a_backfill_ends_with_it() -> None:
    entry = {"status": "realized", "lastQualificationTime": "1969-01-01T00:00:00Z", "validUntil": "2000-01-01T00:00:00Z"}  # fmt: skip
    lapsing = Event(b"p", json.dumps({"segmentMembership": {"ups": {"one": entry}}}).encode())
    data, state = step(BEFORE, lapsing, None)
    ended, after = step(BEFORE, lapsing, state, At.BACKFILL)
    found = accepted([BEFORE, BEFORE], [lapsing], [each for each in (data, ended) if each])
    assert [node.state for node in found.nodes] == [after] * len(found.nodes)
    assert b"exited" in (ended or b"")


def test_what_the_source_has_no_more_need_not_be_looked_at() -> None:
    moves = [(BEFORE, SECOND)]
    assert is_right([BEFORE, MORE], [SECOND], moves, is_in_source=False)
    assert not is_right([BEFORE, MORE], [SECOND], moves, is_in_source=True)


def test_what_is_rejected_is_not_seen_and_is_in_the_state() -> None:
    exports, state = told((BEFORE, FIRST), (BEFORE, SECOND))
    found = accepted([BEFORE], [FIRST, SECOND], exports[:1], Rules(is_rejected=exports[1].__eq__))
    assert Node(2, 0, state) in found.nodes
    assert found.rejected == {exports[1]: {1}}
    assert Node(2, 0, state) not in accepted([BEFORE], [FIRST, SECOND], exports[:1]).nodes


def test_state_is_compared_without_where_it_came_from() -> None:
    assert bare(None) is bare(encode_departed(7)) is bare(encode_departed(7, 1)) is None
    _, state = told((MORE, SECOND))
    assert bare(state) == state
