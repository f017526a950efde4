"""What a backfill would come to, as tables and sentences for people and as a tree for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from processor.errors import Reason
from processor.kinesis.connection import RECORD_BYTES_DEFAULT
from processor.operations.text_table import plain, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.operations.backfill_dry_run_figures import DryRunFigures

_STATUSES = ("realized", "existing", "exited")


def dry_run_tables(figures: DryRunFigures) -> Iterator[Table]:
    """Yield a table of the segments in what would be exported, and one of what policies remove, each where there is any."""
    if figures.by_segment:
        table = Table(
            title="profiles that would be exported, by segment and its status", title_justify="left"
        )
        table.add_column("segment")
        for status in _STATUSES:
            table.add_column(status, justify="right")
        for segment in sorted({segment for segment, _ in figures.by_segment}):
            counts = [str(figures.by_segment[segment, status]) for status in _STATUSES]
            table.add_row(*map(plain, [segment, *counts]))
        yield table
    if figures.items_by_policy:
        table = Table(title="removed by policy, of all that is looked at", title_justify="left")
        table.add_column("policy")
        table.add_column("items", justify="right")
        table.add_column("of profiles", justify="right")
        for policy, items in figures.items_by_policy.most_common():
            table.add_row(*map(plain, [policy, str(items), str(figures.profiles_by_policy[policy])]))
        yield table


def dry_run_notes(figures: DryRunFigures) -> Iterator[str]:
    """Yield sentences: what it comes to in all, and what keeps it from being all there is to say."""
    yield (
        f"{figures.exports} of {figures.profiles} profiles would be exported, {figures.export_bytes / 2**20:.1f} MiB; "
        f"{figures.read} events were read."
    )
    if figures.complete_for_these_files:
        yield (
            f"{figures.complete_for_these_files} of {figures.partitions} partitions are complete for these files already: no backfill "
            "is due there."
        )
    if figures.without_note:
        yield (
            f"The state of {figures.without_note} of {figures.partitions} partitions has no note of its configuration, for an earlier "
            "release made it: a start takes it to be complete for the files that it finds, and `processor backfill` asks for one."
        )
    if figures.refused:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(figures.refused.items()))
        yield f"Profiles that would stay as they are, for their latest event is refused: {reasons}."
    if Reason.TOO_LARGE in figures.refused:
        yield f"The stream is taken to accept records of {RECORD_BYTES_DEFAULT} bytes, key included: Kinesis was not asked."
    if figures.unmet:
        yield (
            f"{figures.unmet} profiles have state and no event in the source: they would stay as they are until their next event."
        )
    if figures.source_from_ms is not None:
        yield f"Every partition of the source is there from {time_text(figures.source_from_ms)} on."
    if figures.untaken:
        yield f"{figures.untaken} offsets of the source are not taken yet: live events come before any backfill, and are not in these figures."


def dry_run_tree(figures: DryRunFigures) -> dict[str, Any]:
    """Return the figures for JSON."""
    segments: dict[str, dict[str, int]] = {}
    for (segment, status), profiles in sorted(figures.by_segment.items()):
        segments.setdefault(segment, {})[status] = profiles
    return {
        "partitions": figures.partitions,
        "completeForTheseFiles": figures.complete_for_these_files,
        "withoutNote": figures.without_note,
        "read": figures.read,
        "profiles": figures.profiles,
        "exports": figures.exports,
        "exportBytes": figures.export_bytes,
        "segments": segments,
        "policies": {
            policy: {"items": items, "profiles": figures.profiles_by_policy[policy]}
            for policy, items in sorted(figures.items_by_policy.items())
        },
        "refused": dict(sorted(figures.refused.items())),
        "unmet": figures.unmet,
        "untaken": figures.untaken,
        "sourceFromMs": figures.source_from_ms,
    }
