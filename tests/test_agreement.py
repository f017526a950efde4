"""Store, changelog, committed offset and source: what agrees, and what is refused with a remedy."""

from __future__ import annotations

import pytest

from processor.agreement import check_changelog, check_source, check_stream
from processor.errors import StateRefused
from processor.kafka.positions import Bounds, Committed, SourceBounds


@pytest.mark.parametrize(
    ("committed", "changelog", "store"),
    [
        (None, Bounds(0, 0), 0),
        (Committed(0, is_start=True), Bounds(0, 0), 0),
        (Committed(5, is_start=True), Bounds(0, 1), 0),
        (Committed(50, is_start=False), Bounds(0, 9), 0),
        (Committed(50, is_start=False), Bounds(0, 9), 9),
        (Committed(50, is_start=False), Bounds(4, 9), 4),
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
