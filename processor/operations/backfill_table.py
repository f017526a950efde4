"""How far a deployment's backfills are, as a table for people and as a tree for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from rich.table import Table

from processor.operations.text_table import plain, time_text

if TYPE_CHECKING:
    from processor.backfill.messages import Reported, Request
    from processor.operations.backfill_requests import BackfillView, PartitionView

_COLUMNS = (
    ("partition", "right"),
    ("stage", "left"),
    ("request", "left"),
    ("read", "right"),
    ("profiles", "right"),
    ("exported", "right"),
    ("refused", "left"),
    ("source from", "left"),
    ("not met", "right"),
    ("left", "right"),
    ("reported", "left"),
)
_STAGES = {
    "off": "due, and waits to be asked for",
    "waiting": "due, and waits for its turn",
    "running": "under way",
    "complete": "complete",
}
_SILENT_S = 60.0
"""What runs is reported every 10 s."""
_NAMED_MAX = 20


def backfill_table(view: BackfillView, title: str, now_ms: int) -> Table:
    """Return a row a partition; `now_ms` is the time of now, in ms since the epoch."""
    table = Table(title=plain(title), title_justify="left")
    for name, side in _COLUMNS:
        table.add_column(name, justify="right" if side == "right" else "left")
    for each in view.partitions:
        table.add_row(*map(plain, _row(each, view.request, now_ms)))
    return table


def backfill_notes(view: BackfillView, members: int | None, now_ms: int) -> list[str]:
    """Return sentences on what the rows do not say by themselves, or not loudly."""
    notes = [_request_note(view)]
    if view.unreported:
        notes.append(
            f"Nothing was reported yet of {_named(view.unreported)}: no worker of a release that reports has worked on it since this topic is "
            "there, or none may write to it."
        )
    if members == 0:
        notes.append("The group has no members now: what is due begins when the service runs.")
    silent = [
        each.partition
        for each in view.partitions
        if each.reported is not None
        and each.reported.stage == "running"
        and now_ms - each.reported.at_ms > _SILENT_S * 1000
    ]
    if silent:
        notes.append(
            f"For more than {_SILENT_S:g} s nothing was reported of {_named(silent)}, under way then: the worker is away, or may not "
            "write to the topic. The next owner begins it anew."
        )
    off = [
        each.partition
        for each in view.partitions
        if each.reported is not None and each.reported.stage == "off"
    ]
    if off:
        notes.append(f"PROCESSOR_BACKFILL is off: `processor backfill` begins what is due of {_named(off)}.")
    fingerprints = sorted(
        {each.reported.fingerprint for each in view.partitions if each.reported is not None}
    )
    if len(fingerprints) > 1:
        notes.append(
            f"Partitions were reported to follow {len(fingerprints)} configurations, with the fingerprints {', '.join(fingerprints)}: "
            "where that stays so, two deployments of one group have different files, or not all have the new ones."
        )
    return notes


def backfill_tree(view: BackfillView, members: int | None) -> dict[str, Any]:
    """Return the view for JSON: the members of what was reported, with the partition, `hasHeeded` and `isDone` beside them."""
    return {
        "isDone": view.is_done,
        "members": members,
        "request": None if view.request is None else to_builtins(view.request),
        "partitions": [
            {
                "partition": each.partition,
                "hasHeeded": each.has_heeded,
                "isDone": each.is_done,
                "reported": None if each.reported is None else to_builtins(each.reported),
            }
            for each in view.partitions
        ],
    }


def _request_note(view: BackfillView) -> str:
    request = view.request
    if request is None:
        return "No backfill was asked for."
    by = f", by {request.by!r}" if request.by else ""
    asked = f"The newest request is {request.id}, of {time_text(request.at_ms)}{by}"
    if view.unheeding:
        return f"{asked}: not heeded yet by {_named(view.unheeding)}."
    return f"{asked}: heeded by every partition."


def _row(view: PartitionView, request: Request | None, now_ms: int) -> list[str]:
    reported = view.reported
    heeded = "-" if request is None else "heeded" if view.has_heeded else "not yet"
    if reported is None:
        return [str(view.partition), "nothing reported", heeded, *("-" for _ in _COLUMNS[3:])]
    return [
        str(view.partition),
        _STAGES[reported.stage],
        heeded,
        f"{reported.share:.0%}",
        str(reported.profiles),
        str(reported.exported),
        _refused(reported),
        "-" if reported.source_from_ms is None else time_text(reported.source_from_ms),
        "-" if reported.unmet is None else str(reported.unmet),
        "-" if reported.left_s is None else _duration(reported.left_s),
        f"{_duration(max(now_ms - reported.at_ms, 0) / 1000)} ago",
    ]


def _refused(reported: Reported) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reported.refused.items())) or "-"


def _named(partitions: list[int]) -> str:
    some = ", ".join(map(str, partitions[:_NAMED_MAX]))
    more = len(partitions) - _NAMED_MAX
    return f"partition{'s' if len(partitions) > 1 else ''} {some}{f' and {more} more' if more > 0 else ''}"


def _duration(seconds: float) -> str:
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
