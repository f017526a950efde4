"""A deployment's size, for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from processor.operations.sizing import Size

_STEP = 1024


def size_table(size: Size) -> Table:
    """Return `size` as a table, a figure a row."""
    table = Table(title="A deployment for this load", show_header=False)
    for name, value, about in rows(size):
        table.add_row(name, value, about)
    return table


def rows(size: Size) -> list[tuple[str, str, str]]:
    """Return each row's name, value and remark."""
    return [
        ("workers", f"{size.workers:,}", f"one CPU each; an event costs {size.cpu_us_an_event:.1f} µs of it"),
        ("partitions", f"{size.partitions:,}", "of the source, at least: none can be added later"),
        ("memory", _bytes(size.worker_memory_bytes), "a worker, resident, at most"),
        ("disk", _bytes(size.worker_disk_bytes), "a worker, for its stores, with room to compact"),
        ("changelog", _bytes(size.changelog_bytes), "in Kafka, all replicas"),
        ("restore", _seconds(size.restore_s), "of a worker whose stores are gone"),
        ("from Kafka", f"{_bytes(size.source_bytes_per_s)}/s", "events, before compression"),
        ("shards", f"{size.shards:,}", "of the stream, with a fifth to spare"),
        (
            "PUT units",
            f"{size.put_units_per_s:,.0f}/s",
            f"{size.put_units_a_month / 1e6:,.0f} million a month",
        ),
    ]


def _bytes(count: float) -> str:
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    power = min(int(math.log(count, _STEP)), len(units) - 1) if count >= 1 else 0
    return f"{count / _STEP**power:,.1f} {units[power]}"


def _seconds(count: float) -> str:
    minute_s, hour_s = 60, 3600
    if count < 2 * minute_s:
        return f"{count:,.1f} s"
    return f"{count / minute_s:,.0f} min" if count < 2 * hour_s else f"{count / hour_s:,.1f} h"
