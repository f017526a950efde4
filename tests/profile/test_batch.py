"""One batch through the core: no event keeps the others from being exported, whatever happens to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from processor.errors import InvalidStateRecord, Reason
from processor.governance.plan import Plan
from processor.profile.batch import Batch, Limits
from processor.profile.core import Core
from processor.profile.processing import process
from processor.profile.state_record import encode_departed, encode_record
from processor.profile.structs import StateRecord
from tests.support.failing_core import SECRET, Record, core_that_fails, record
from tests.support.strategies import Given, destinations, governances, streams

if TYPE_CHECKING:
    from processor.governance.destination import Destination
    from processor.governance.document import Governance

NO_LIMITS = Limits(1 << 30, 1 << 30)
FAILURES = [
    TypeError(SECRET),
    RecursionError(SECRET),
    MemoryError(SECRET),
    KeyError(SECRET),
    OverflowError(SECRET),
    SystemError(SECRET),
    AssertionError(SECRET),
    UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    OSError(SECRET),
    StopIteration(SECRET),
    type("OddError", (Exception,), {"__str__": lambda _: 1 / 0})(),
]


def exported(batch: Batch) -> list[tuple[int, int]]:
    """Each export's offset, and the offset that its data names."""
    return [
        (record.offset, json.loads(export.data)["a"][0])
        for record, export in zip(batch.exported, batch.exports, strict=True)
    ]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_an_event_that_the_core_fails_on_is_its_own_dead_letter(error: Exception) -> None:
    records = [record(offset, f"p{offset % 2}", fails=offset in {1, 4, 5}) for offset in range(8)]
    batch = process(core_that_fails(error), {b"p0": None, b"p1": None}, records, NO_LIMITS)
    assert exported(batch) == [(offset, offset) for offset in (0, 2, 3, 6, 7)]
    assert [(letter.record.offset, letter.reason) for letter in batch.dead_letters] == [
        (offset, Reason.INTERNAL) for offset in (1, 4, 5)
    ]
    assert [failure.offset for failure in batch.failures] == [1, 4, 5]
    assert batch.unchanged == 0
    for letter, failure in zip(batch.dead_letters, batch.failures, strict=True):
        assert type(error).__name__ in letter.detail
        assert failure.error == type(error).__name__
        assert "verdict" in failure.trace
        assert "JSONDecodeError" in failure.trace  # what it arose from
        assert SECRET not in f"{letter.detail} {failure}"


def test_an_event_that_the_core_fails_on_changes_no_state() -> None:
    core, states = core_that_fails(TypeError()), {b"p": None}
    before = process(core, dict[bytes, bytes | None](states), [record(0, "p")], NO_LIMITS).changes
    batch = process(core, {**before}, [record(1, "p", fails=True)], NO_LIMITS)
    assert (batch.changes, batch.exports, batch.next_offset) == ({}, [], 2)


def test_a_failure_without_end_is_reported_in_some_lines() -> None:
    def fail(depth: int) -> None:
        fail(depth + 1)

    try:
        fail(0)
    except RecursionError as error:
        deep = error
    (failure,) = process(
        core_that_fails(deep), {b"p": None}, [record(0, "p", fails=True)], NO_LIMITS
    ).failures
    assert len(failure.trace.splitlines()) < 100


def test_a_state_record_of_another_release_is_no_events_fault() -> None:
    with pytest.raises(InvalidStateRecord):
        process(core_that_fails(TypeError()), {b"p": b"\xff"}, [record(0, "p")], NO_LIMITS)


@given(destinations(), governances(), streams())
def test_a_batch_has_room_for_every_event(
    destination: Destination, governance: Governance, stream: list[Given]
) -> None:
    """Each event is exported, unchanged, skipped or a letter; and nothing is unexpected."""
    records = [Record(n, g.key, g.value, g.headers, g.timestamp_ms) for n, g in enumerate(stream)]
    states: dict[bytes, bytes | None] = {each.key: None for each in records if each.key is not None}
    batch = process(Core(Plan(destination, governance)), states, records, NO_LIMITS)
    assert batch.failures == []
    assert len(batch.exports) + len(batch.dead_letters) + batch.skipped + batch.unchanged == len(records)
    assert batch.unchanged >= 0


def test_a_batch_that_lets_go_of_what_is_stored_holds_its_changes_and_has_the_figures_that_it_had() -> None:
    records = [record(offset, f"p{offset}") for offset in range(3)]
    batch = process(core_that_fails(TypeError()), dict.fromkeys([b"p0", b"p1", b"p2"]), records, NO_LIMITS)
    changes, former_bytes = dict(batch.changes), batch.size_bytes
    freed_bytes = batch.let_go()
    assert (batch.exports, batch.exported, batch.changes) == ([], [], changes)
    assert batch.size_bytes == former_bytes - freed_bytes == sum(map(len, changes.values()))
    assert (batch.exports_made, batch.unchanged) == (3, 0)
    assert batch.let_go() == 0, "nothing is left of it"
    assert batch.exports_made == 3


def test_a_batch_whose_changes_are_larger_than_its_events_holds_no_more_for_letting_go() -> None:
    batch = Batch(1, 1, 10)
    batch.change(b"p", bytes(100))
    batch.complete()
    assert (batch.let_go(), batch.size_bytes) == (0, 10)


@pytest.mark.parametrize("departs", [False, True])
def test_a_batch_that_is_complete_knows_what_its_changes_take_and_whether_a_profile_departed(
    *, departs: bool
) -> None:
    batch = Batch(2, 2, 10)
    last = encode_departed(1) if departs else encode_record(StateRecord(1))
    batch.change(b"p", encode_departed(0))
    batch.change(b"q", bytes(100))
    batch.change(b"p", last)
    batch.complete()
    assert (batch.changes_bytes, batch.has_departed) == (100 + len(last), departs)
