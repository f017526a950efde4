"""The account of a night finds what is lost, invented, repeated and out of order."""

from __future__ import annotations

import json

import pytest

from processor.configuration import parse_configuration
from tests.night.ledger import Ledger, Place, Verdict
from tests.support.members import DESTINATION, plain
from tests.support.naive_model import NaiveModel

_CLEAN = Verdict(0, 0, 0, 0, 0)


def _model() -> NaiveModel:
    text = json.dumps({**DESTINATION, "connection": {"region": "eu-west-1"}})
    return NaiveModel(*parse_configuration((text, "destination.yaml"), None, {}))


def _event(number: int) -> bytes:
    entry = {"status": "realized", "lastQualificationTime": f"2020-01-01T00:00:00.{number:09d}Z"}
    return json.dumps({"number": number, "segmentMembership": {"ups": {"one": entry}}}).encode()


@pytest.fixture
def ledger() -> Ledger:
    """Three exports of one profile are awaited, since seconds 0, 1 and 2; and a dead letter."""
    ledger = Ledger(_model())
    for number in range(3):
        ledger.happened(Place(0, number), b"p", _event(number), 0, float(number))
    ledger.happened(Place(1, 0), b"q", b"not JSON", 0, 3.0)
    return ledger


@pytest.fixture
def exports() -> list[tuple[str, bytes]]:
    model, found = _model(), []
    for number in range(3):
        told = model.apply(b"p", _event(number), (), 0)
        assert told.partition_key is not None
        found.append((told.partition_key, json.dumps(plain(told.data)).encode()))
    return found


def _told(ledger: Ledger, exports: list[tuple[str, bytes]], order: list[int]) -> Verdict:
    for at, place in enumerate(order):
        ledger.arrived(*exports[place], 10.0 + at)
    return ledger.verdict({Place(1, 0)})


def test_a_night_where_all_comes_in_order_is_clean(ledger: Ledger, exports: list[tuple[str, bytes]]) -> None:
    assert _told(ledger, exports, [0, 1, 2]) == _CLEAN
    assert not ledger.awaited
    assert (ledger.events, ledger.exports, ledger.repeats) == (4, 3, [])


def test_what_comes_before_its_event_was_read_here_is_no_invention(exports: list[tuple[str, bytes]]) -> None:
    ledger = Ledger(_model())
    ledger.arrived(*exports[0], 0.0)
    ledger.happened(Place(0, 0), b"p", _event(0), 0, 1.0)
    assert ledger.verdict(set()) == _CLEAN
    assert not ledger.awaited


def test_what_does_not_come_is_awaited_and_lost(ledger: Ledger, exports: list[tuple[str, bytes]]) -> None:
    assert _told(ledger, exports, [0, 2]).lost == 1
    assert ledger.awaited == 1
    assert ledger.oldest_awaited_s(5.0) == 4.0


def test_repeats_are_counted_and_nothing_else_is_wrong(
    ledger: Ledger, exports: list[tuple[str, bytes]]
) -> None:
    assert _told(ledger, exports, [0, 1, 0, 1, 2]).is_clean
    assert [(each.first_at_s, each.at_s) for each in ledger.repeats] == [(10.0, 12.0), (11.0, 13.0)]


def test_another_order_of_first_occurrences_is_found(
    ledger: Ledger, exports: list[tuple[str, bytes]]
) -> None:
    assert _told(ledger, exports, [1, 0, 2]) == _CLEAN._replace(out_of_order=2)


def test_what_no_event_asked_for_is_found(ledger: Ledger, exports: list[tuple[str, bytes]]) -> None:
    ledger.arrived(exports[0][0], b'{"number": 99}', 9.0)
    assert _told(ledger, exports, [0, 1, 2]).invented == 1


def test_dead_letters_are_accounted_for(ledger: Ledger, exports: list[tuple[str, bytes]]) -> None:
    assert ledger.verdict(set()).letters_lost == 1
    assert ledger.verdict({Place(1, 0), Place(0, 2)}).letters_invented == 1
