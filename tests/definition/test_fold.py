"""All readers of the topic find the same definition in force, wherever compaction has been before them."""

from __future__ import annotations

import json
import random

import pytest

from processor.definition.fold import Fold, InForce
from processor.definition.model import Definition
from processor.definition.record import LINEAGE_MAX, encoded
from tests.support.definitions import LogRecord, names, proposal, record, tombstone


def folded(*records: LogRecord) -> Fold:
    fold = Fold()
    fold.take(records)
    return fold


def in_force(*records: LogRecord) -> list[str]:
    definition = folded(*records).in_force.definition
    assert definition is not None
    return names(definition)


A = proposal("a", 1)
B = proposal("b", 2, ["a"])
RIVAL = proposal("r", 2, ["a"])
C = proposal("c", 3, ["b", "a"])


def test_nothing_is_defined_by_an_empty_topic() -> None:
    assert folded().in_force == InForce(0, (), Definition())


def test_what_was_made_from_what_is_in_force_is_accepted() -> None:
    fold = folded(record(A), record(B), record(C))
    assert fold.in_force == InForce(3, ("c", "b", "a"), C.definition)


def test_of_two_that_were_made_from_one_version_the_first_is_accepted() -> None:
    assert in_force(record(A), record(B), record(RIVAL)) == ["b"]
    assert in_force(record(A), record(RIVAL), record(B)) == ["r"]


def test_what_comes_late_changes_nothing() -> None:
    assert in_force(record(A), record(B), record(C), record(RIVAL), record(A)) == ["c"]


def test_what_compaction_took_is_not_missed() -> None:
    assert in_force(record(C)) == ["c"]
    assert in_force(record(RIVAL), record(C)) == ["c"]
    assert in_force(record(C), record(RIVAL), tombstone(B), tombstone(A)) == ["c"]


def test_tombstones_change_nothing_not_even_one_of_what_is_in_force() -> None:
    fold = folded(record(A), record(B), tombstone(A), tombstone(B))
    assert fold.in_force.version == 2
    assert fold.superfluous == []


def test_what_was_superseded_or_refused_is_superfluous_until_it_has_a_tombstone() -> None:
    fold = folded(record(A), record(B), record(RIVAL), LogRecord(b"garbage", b"x"))
    assert fold.superfluous == [A.key, RIVAL.key]
    fold.take([tombstone(A)])
    assert fold.superfluous == [RIVAL.key]
    fold.take([record(A), tombstone(RIVAL)])
    assert fold.superfluous == [A.key]


def test_what_is_none_of_this_service_s_is_passed_over() -> None:
    garbage = [LogRecord(None, None), LogRecord(b"x", b"y"), LogRecord(A.key, b"{}"), LogRecord(b"x", None)]
    fold = folded(record(A), *garbage, record(B))
    assert (fold.in_force.version, fold.passed_over) == (2, 4)


def test_what_a_later_release_wrote_is_in_force_and_cannot_be_read() -> None:
    value = json.dumps({**json.loads(encoded(B)), "format": 2}).encode()
    fold = folded(record(A), LogRecord(B.key, value), record(RIVAL))
    assert fold.in_force == InForce(2, ("b", "a"), None)
    fold.take([record(C)])
    assert fold.in_force.definition == C.definition


def test_a_writer_learns_what_became_of_its_proposal_also_later() -> None:
    one = folded(record(A)).in_force
    assert one.became_of("b", 2) is None
    later = folded(record(A), record(B), record(RIVAL), record(C)).in_force
    assert later.became_of("b", 2) is True
    assert later.became_of("r", 2) is False


def test_a_writer_learns_where_it_is_too_long_ago_to_be_told() -> None:
    fold, lineage = Fold(), list[str]()
    for version in range(1, LINEAGE_MAX + 10):
        fold.take([record(proposal(f"id{version}", version, lineage[:LINEAGE_MAX]))])
        lineage.insert(0, f"id{version}")
    assert fold.in_force.became_of(lineage[LINEAGE_MAX], fold.in_force.version - LINEAGE_MAX) is True
    with pytest.raises(LookupError):
        fold.in_force.became_of("other", 3)


@pytest.mark.parametrize("seed", range(200))
def test_a_reader_of_whatever_compaction_leaves_ends_with_the_same(seed: int) -> None:
    """Tombstones come once what supersedes is there; compaction has got to any place, and left what it may in any segment."""
    rng = random.Random(seed)
    log, truth, late = list[LogRecord](), Fold(), list[LogRecord]()
    for number in range(rng.randrange(1, 40)):
        match rng.randrange(4):
            case 0 if late:
                log.append(late.pop(rng.randrange(len(late))))
            case 1 if truth.superfluous:
                log.append(LogRecord(rng.choice(truth.superfluous), None))
            case _:
                force = truth.in_force
                made = record(proposal(f"id{number}", force.version + 1, force.lineage))
                (log if rng.random() < 0.6 else late).append(made)
        truth = folded(*log)
    cleaned_to = rng.randrange(len(log) + 1)
    last = {each.key: at for at, each in enumerate(log[:cleaned_to])}
    left = [
        each for at, each in enumerate(log) if at >= cleaned_to or last[each.key] == at or rng.random() < 0.3
    ]
    # Tombstones go, too, once they have been there for long enough.
    gone = [each for each in left[: rng.randrange(len(left) + 1)] if each.value is None]
    kept_keys = {each.key for each in left if each.value is not None}
    left = [each for each in left if each not in gone or each.key in kept_keys]
    assert folded(*left).in_force == truth.in_force
