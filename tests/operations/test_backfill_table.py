"""What `backfill status` and `backfill --dry-run` say of what they found."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from rich.console import Console

from processor.backfill.messages import Reported, Request
from processor.backfill.note import BackfillNote
from processor.operations.backfill_dry_run_figures import DryRunFigures
from processor.operations.backfill_dry_run_table import dry_run_notes, dry_run_tables, dry_run_tree
from processor.operations.backfill_requests import BackfillView, PartitionView
from processor.operations.backfill_table import backfill_notes, backfill_table, backfill_tree
from processor.operations.text_table import show
from processor.profile.batch import BatchAgain
from processor.profile.structs import Export

NOW_MS = 1_700_000_000_000
REQUEST = Request("a1", NOW_MS - 60_000, "us")
COMPLETE = Reported("complete", "new", NOW_MS - 3_600_000, request="a1", share=1.0, profiles=70, exported=5)
RUNNING = Reported(
    "running",
    "new",
    NOW_MS - 4_000,
    request="a1",
    number=3,
    boundary=9,
    begun_at_ms=NOW_MS,
    share=0.424,
    profiles=1_000,
    exported=70,
    refused={"bad-membership": 2, "too-large": 1},
    source_from_ms=1_500_000_000_000,
    unmet=4,
    left_s=3_725.0,
)


def view(*reported: Reported | None, request: Request | None = REQUEST) -> BackfillView:
    partitions = [
        PartitionView(number, each, request is None or (each is not None and each.request == request.id))
        for number, each in enumerate(reported)
    ]
    return BackfillView(request, partitions)


def rows(found: BackfillView) -> list[list[str]]:
    out = io.StringIO()
    show(backfill_table(found, "backfills", NOW_MS), Console(file=out, width=300))
    return [
        [cell.strip() for cell in line.strip("│┃ \n").split("│")]
        for line in out.getvalue().splitlines()
        if line.startswith("│")
    ]


def notes(found: BackfillView, members: int | None = 2) -> str:
    return "\n".join(backfill_notes(found, members, NOW_MS))


def test_a_row_says_how_far_a_partition_is() -> None:
    assert rows(view(RUNNING, COMPLETE, None)) == [
        ["0", "under way", "heeded", "42%", "1000", "70", "bad-membership 2, too-large 1", "2017-07-14 02:40:00Z", "4", "1 h 2 min", "4 s ago"],
        ["1", "complete", "heeded", "100%", "70", "5", "-", "-", "-", "-", "1 h 0 min ago"],
        ["2", "nothing reported", "not yet", *["-"] * 8],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "is_done"),
    [
        (view(COMPLETE, COMPLETE), True),
        (view(COMPLETE, RUNNING), False),
        (view(COMPLETE, None), False),
        (view(COMPLETE, None, request=None), True),
        (view(COMPLETE, RUNNING, request=None), False),
        (view(COMPLETE, COMPLETE, request=Request("later", NOW_MS)), False),
    ],
)
def test_all_is_done_once_nothing_is_due_and_the_newest_request_is_heeded(
    found: BackfillView, *, is_done: bool
) -> None:
    assert found.is_done == is_done
    assert backfill_tree(found, 1)["isDone"] == is_done


def test_where_nothing_was_reported_that_is_said() -> None:
    assert "Nothing was reported yet of partitions 0, 1" in notes(view(None, None, request=None))
    assert "No backfill was asked for." in notes(view(None, None, request=None))
    assert "Nothing was reported" not in notes(view(COMPLETE, COMPLETE))


def test_partitions_that_have_not_heeded_the_newest_request_are_named_some_of_many() -> None:
    assert "a1, of 2023-11-14 22:12:20Z, by 'us': not heeded yet by partition 1." in notes(
        view(RUNNING, None)
    )
    assert "heeded by every partition" in notes(view(RUNNING, COMPLETE))
    assert "18, 19 and 30 more" in notes(view(*[None] * 50))


def test_what_runs_and_is_reported_no_more_is_named() -> None:
    silent = Reported("running", "new", NOW_MS - 61_000, request="a1")
    assert "nothing was reported of partition 1, under way then" in notes(view(RUNNING, silent))
    assert "under way then" not in notes(view(RUNNING, COMPLETE))


def test_a_group_without_members_and_one_that_begins_none_by_itself_are_reported() -> None:
    assert "The group has no members now" in notes(view(RUNNING), members=0)
    assert "The group has no members now" not in notes(view(RUNNING), members=None)
    assert "`processor backfill` begins what is due of partition 0" in notes(
        view(Reported("off", "new", NOW_MS))
    )


def test_two_configurations_of_one_group_are_reported_with_both_fingerprints() -> None:
    other = Reported("complete", "other", NOW_MS, request="a1")
    assert "2 configurations, with the fingerprints new, other" in notes(view(COMPLETE, other))
    assert "configurations" not in notes(view(COMPLETE, RUNNING))


def test_whatever_is_in_the_topic_can_be_shown() -> None:
    odd = Reported(
        "running", "\x1b[2J", -(2**63), share=-7.5, profiles=-1, source_from_ms=2**63 - 1, left_s=1e300
    )
    found = view(odd, request=Request("\x1b[31m", 2**63 - 1, "[red]"))
    assert "\x1b" not in str(rows(found)) + json.dumps(backfill_tree(found, None))
    notes(found)


def looked_at(*statuses: tuple[str, str], refused: str | None = None) -> BatchAgain:
    batch = BatchAgain(1, 1, 1)
    if statuses:
        segments = {name: {"status": status} for name, status in statuses}
        data = json.dumps({"segmentMembership": {"ups": segments}}).encode()
        batch.exports.append(Export(b"p", "p", data))
    if refused:
        batch.refused[refused] = 1
    return batch


def test_a_dry_run_counts_profiles_by_segment_and_status() -> None:
    figures = DryRunFigures(3)
    figures.note(None, "new")
    figures.note(BackfillNote(1, "new", True), "new")
    figures.note(BackfillNote(1, "new", False), "new")
    figures.add_read(9)
    figures.add(looked_at(("one", "realized"), ("two", "existing")))
    figures.add(looked_at(("one", "exited")))
    figures.add(looked_at())
    figures.add(looked_at(refused="bad-membership"))
    figures.add_left(untaken=5, unmet=2)
    figures.lacks_before(1_500_000_000_000)
    figures.lacks_before(1_400_000_000_000)
    tree = dry_run_tree(figures)
    assert tree["segments"] == {"ups/one": {"exited": 1, "realized": 1}, "ups/two": {"existing": 1}}
    assert (tree["profiles"], tree["exports"], tree["refused"]) == (4, 2, {"bad-membership": 1})
    assert (tree["completeForTheseFiles"], tree["withoutNote"]) == (1, 1)
    said = "\n".join(dry_run_notes(figures))
    for text in (
        "2 of 4 profiles would be exported",
        "bad-membership 1",
        "2 profiles have state and no event",
        "2017-07-14",
        "5 offsets",
    ):
        assert text in said
    out = io.StringIO()
    for table in dry_run_tables(figures):
        show(table, Console(file=out, width=200))
    assert "ups/one" in out.getvalue()
    assert figures.by_segment == Counter(
        {("ups/one", "realized"): 1, ("ups/one", "exited"): 1, ("ups/two", "existing"): 1}
    )
