"""Store, changelog, committed offset and source: what agrees, and what is refused with a remedy."""

from __future__ import annotations

import pytest

from processor.errors import StateRefused
from processor.kafka.commit_metadata import Committed, Mark
from processor.kafka.offsets import Bounds, SourceBounds
from processor.kafka.topic_ids import TopicIdentity
from processor.worker.consistency import (
    Passed,
    check_changelog,
    check_identity,
    check_source,
    check_store,
    check_stream,
    passed_by_hand,
)

FORMER, NOW = TopicIdentity("here", "former"), TopicIdentity("here", "now")
ELSEWHERE = TopicIdentity("elsewhere", "former")


@pytest.mark.parametrize(
    ("committed", "changelog", "store"),
    [
        (None, Bounds(0, 0), 0),
        (Committed(0, is_start=True), Bounds(0, 0), 0),
        (Committed(5, is_start=True), Bounds(0, 1), 0),
        (Committed(50, is_start=False), Bounds(0, 9), 0),
        (Committed(50, is_start=False), Bounds(0, 9), 9),
        (Committed(50, is_start=False), Bounds(4, 9), 4),
        (Committed(50, is_start=False, mark=Mark(NOW, 9)), Bounds(0, 9), 0),
    ],
)
def test_what_agrees(committed: Committed | None, changelog: Bounds, store: int) -> None:
    check_changelog(3, committed, changelog, store)


@pytest.mark.parametrize(
    ("committed", "changelog", "store", "words"),
    [
        (None, Bounds(0, 9), 0, "no committed offset, but its changelog has records"),
        (None, Bounds(9, 9), 0, "no committed offset, but its changelog has records"),
        (Committed(5, is_start=False), Bounds(0, 0), 0, "its changelog is empty"),
        (Committed(5, is_start=False), Bounds(0, 3), 4, "the changelog ends at 3"),
        (
            Committed(5, is_start=False, mark=Mark(NOW, 10)),
            Bounds(0, 9),
            0,
            "relies on the changelog up to 10",
        ),
        (Committed(5, is_start=False), Bounds(3, 9), 0, "the changelog begins at offset 3"),
        (Committed(5, is_start=False), Bounds(3, 9), 2, "records between were deleted"),
    ],
)
def test_what_is_refused(committed: Committed | None, changelog: Bounds, store: int, words: str) -> None:
    with pytest.raises(StateRefused, match=words) as refused:
        check_changelog(3, committed, changelog, store)
    assert "partition 3" in str(refused.value)
    assert "start a new group" in str(refused.value)


def test_a_source_that_ends_before_what_was_processed_is_refused() -> None:
    check_source(0, 5, SourceBounds(0, 5, 0), 4)
    for committed, highest in ((6, -1), (0, 5)):
        with pytest.raises(
            StateRefused, match="events up to offset 5 were processed, but the source ends at 5"
        ):
            check_source(0, committed, SourceBounds(0, 5, 0), highest)


def test_another_stream_is_refused() -> None:
    check_stream(0, None, "eu-west-1/new")
    check_stream(0, "eu-west-1/new", "eu-west-1/new")
    with pytest.raises(StateRefused, match="exported to eu-west-1/old, the destination is eu-west-1/new"):
        check_stream(0, "eu-west-1/old", "eu-west-1/new")


@pytest.mark.parametrize(
    ("mark", "store", "now", "is_of_no_use"),
    [
        (None, None, NOW, False),
        (None, "now", NOW, False),
        (Mark(NOW, 5), "now", NOW, False),
        (Mark(NOW, 5), None, NOW, True),
        (Mark(NOW, 5), "former", NOW, True),
        (Mark(ELSEWHERE, 5), None, NOW, False),
        (Mark(None, 5), None, NOW, False),
        (Mark(FORMER, 5), "former", None, False),
    ],
)
def test_a_store_of_a_former_changelog_is_of_no_use_where_the_offset_relies_on_the_one_of_now(
    mark: Mark | None, store: str | None, now: TopicIdentity | None, is_of_no_use: bool
) -> None:
    assert check_identity(3, mark, store, now) is is_of_no_use


@pytest.mark.parametrize(
    ("mark", "store"),
    [(Mark(FORMER, 5), None), (Mark(FORMER, 5), "former"), (Mark(FORMER, 5), "now"), (None, "former")],
)
def test_a_changelog_that_was_made_anew_is_refused(mark: Mark | None, store: str | None) -> None:
    with pytest.raises(
        StateRefused, match=r"partition 3: .* is now: it was deleted and made anew"
    ) as refused:
        check_identity(3, mark, store, NOW)
    assert "processor state restore-changelog" in str(refused.value)


def test_state_that_is_left_without_offsets_and_changelog_is_refused() -> None:
    check_store(3, 0, -1)
    check_store(3, 1, -1)
    with pytest.raises(StateRefused, match=r"processor state rebuild.*restore-changelog"):
        check_store(3, 9, 4)


def by_hand(offset: int) -> Committed:
    return Committed(offset, is_start=False)


@pytest.mark.parametrize(
    ("committed", "consumed", "highest", "passed"),
    [
        (by_hand(50), 20, 19, Passed(20, 50)),
        (by_hand(50), 20, 3, Passed(20, 50)),
        (by_hand(20), 20, 3, None),
        (by_hand(7), 20, 19, None),
        (by_hand(50), None, 19, None),
        (by_hand(50), 20, 30, None),
        (Committed(50, is_start=False, mark=Mark(NOW, 9)), 20, 3, None),
        (Committed(50, is_start=True), 0, -1, None),
    ],
    ids=["forward", "with few members", "to where it was", "back", "a former release", "a former release since", "own", "start"],
)  # fmt: skip
def test_an_offset_that_was_set_forward_by_hand_is_known(
    committed: Committed, consumed: int | None, highest: int, passed: Passed | None
) -> None:
    assert passed_by_hand(committed, consumed, highest) == passed
