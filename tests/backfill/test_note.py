"""The note of a partition's backfills: what it keeps, and which of several is the newest, a zombie's late one among them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.backfill.note import BackfillNote, decode_note, encode_note, newest
from processor.errors import InvalidStateRecord

NOTES = st.builds(
    BackfillNote,
    number=st.integers(0, 2**40),
    fingerprint=st.text(),
    is_complete=st.booleans(),
    former=st.none() | st.text(),
    request=st.none() | st.text(),
    boundary=st.none() | st.integers(0, 2**62),
    at_ms=st.none() | st.integers(0, 2**50),
    partitions=st.none() | st.integers(1, 10_000),
)

# A partition's life: events are worked on under other files, a backfill begins, and is at its end.
COMPLETE = BackfillNote(4, "A", True)
DUE = BackfillNote(5, "B", False, former="A")
BEGUN = BackfillNote(6, "B", False, former="A", boundary=10, at_ms=1)
ENDED = BackfillNote(6, "B", True, former="A")
LIFE = [COMPLETE, DUE, BEGUN, ENDED]


def newest_of(*notes: BackfillNote) -> BackfillNote:
    found = newest(map(encode_note, notes))
    assert found is not None
    return decode_note(found)


@given(NOTES)
def test_a_note_is_read_as_it_was_written(note: BackfillNote) -> None:
    assert decode_note(encode_note(note)) == note


def test_a_note_is_json_that_a_person_can_read() -> None:
    assert json.loads(encode_note(BEGUN)) == {
        "number": 6,
        "fingerprint": "B",
        "isComplete": False,
        "former": "A",
        "boundary": 10,
        "atMs": 1,
    }


def test_what_a_later_release_adds_to_a_note_is_passed_over() -> None:
    later = {**json.loads(encode_note(DUE)), "colour": "red"}
    assert decode_note(json.dumps(later).encode()) == DUE


@pytest.mark.parametrize("data", [b"", b"{}", b'{"number": "5"}', encode_note(DUE)[:-1]])
def test_a_damaged_note_is_refused_with_a_remedy(data: bytes) -> None:
    with pytest.raises(InvalidStateRecord, match=r"note is damaged .*: rebuild the local state"):
        decode_note(data)


def test_where_there_is_no_note_none_is_the_newest() -> None:
    assert newest([]) is None


@pytest.mark.parametrize("life", [LIFE[:length] for length in range(1, 5)], ids=len)
def test_of_a_partitions_notes_the_last_is_the_newest_wherever_it_stands(life: list[BackfillNote]) -> None:
    for order in itertools.permutations(life):
        assert newest_of(*order) == life[-1]


@given(st.permutations(LIFE), st.integers(1, 3))
def test_folded_in_parts_notes_come_to_the_same(notes: list[BackfillNote], cut: int) -> None:
    assert newest_of(newest_of(*notes[:cut]), *notes[cut:]) == newest_of(*notes)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(COMPLETE, id="the end of its backfill"),
        pytest.param(BackfillNote(5, "C", False, former="A"), id="other files"),
        pytest.param(
            BackfillNote(5, "A", False, request="r", boundary=9, at_ms=0), id="the begin of a backfill"
        ),
    ],
)
def test_a_zombies_last_note_that_comes_late_does_not_take_the_place_of_what_the_owner_has_begun_since(
    late: BackfillNote,
) -> None:
    assert newest_of(COMPLETE, DUE, BEGUN, late) == BEGUN
    assert newest_of(COMPLETE, DUE, BEGUN, ENDED, late) == ENDED


@pytest.mark.parametrize(
    "late",
    [BackfillNote(5, "C", False, former="A"), BackfillNote(5, "A", False, request="r", boundary=9, at_ms=0)],
)
def test_a_zombies_note_that_stands_beside_the_owners_first_leaves_a_backfill_due(late: BackfillNote) -> None:
    assert not newest_of(COMPLETE, DUE, late).is_complete


def test_the_end_of_a_zombies_backfill_does_not_complete_what_the_next_owner_is_to_do() -> None:
    under_way = BackfillNote(5, "A", False, boundary=9, at_ms=0)
    next_owners = BackfillNote(6, "A", False, boundary=10, at_ms=1)
    ended_late = BackfillNote(5, "A", True)
    assert newest_of(under_way, next_owners, ended_late) == next_owners
