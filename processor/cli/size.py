"""The command line: `processor size`."""

from __future__ import annotations

from typing import Annotated

import typer

from processor.settings import StateSettings


def size(
    *,
    events_per_second: Annotated[
        float, typer.Option("--events-per-second", min=0, max=1e9, help="Events, at the peak.")
    ],
    profiles: Annotated[
        float, typer.Option("--profiles", min=0, max=1e12, help="Profiles in mapped segments.")
    ],
    event_bytes: Annotated[
        float, typer.Option("--event-bytes", min=1, max=10_000_000, help="An event's value.")
    ] = 1200,
    share_of_changes: Annotated[
        float,
        typer.Option("--share-of-changes", min=0, max=1, help="Of the events: those that are exported."),
    ] = 0.7,
    segments_mapped: Annotated[
        int, typer.Option("--segments-mapped", min=1, max=10_000, help="Segments mapped.")
    ] = 5,
    utilisation: Annotated[
        float, typer.Option("--utilisation", min=0.05, max=1, help="Of a worker's CPU, at the peak.")
    ] = 0.6,
    replicas: Annotated[int, typer.Option("--replicas", min=1, max=10, help="Of the changelog.")] = 3,
) -> None:
    """Work out how large a deployment must be, by a model of what was measured (docs/performance.md)."""
    from processor.operations.size_table import size_table
    from processor.operations.sizing import Load, load_constants
    from processor.operations.sizing import size as sized
    from processor.operations.text_table import show

    load = Load(
        events_per_second,
        event_bytes,
        share_of_changes,
        profiles,
        segments_mapped=segments_mapped,
        utilisation=utilisation,
        replicas=replicas,
    )
    kept_s = StateSettings.model_fields["changelog_min_compaction_lag_ms"].default / 1000
    show(size_table(sized(load, load_constants(), kept_s)))
