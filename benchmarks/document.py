"""The tables of docs/performance.md, from the results: python -m benchmarks.document writes them anew.

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.comparison import COMPARISON_TABLES
from benchmarks.report import RESULTS
from benchmarks.tables import figures_of, median_and_range, share_of, table
from processor.operations.size_table import rows
from processor.operations.sizing import Load, load_constants, size
from processor.settings import StateSettings

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- figures: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LOAD = "load of the machine's CPUs meanwhile"
_LOADS = {
    "1,000/s, 1 million": Load(1_000, 1200, 0.7, 1e6),
    "20,000/s, 50 million": Load(20_000, 1200, 0.7, 5e7),
    "100,000/s, 200 million": Load(100_000, 1200, 0.7, 2e8),
    "1,000,000/s, 1 billion": Load(1_000_000, 1200, 0.7, 1e9),
}


def main() -> None:
    """Write them."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    _PAGE.write_text(written(_PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def written(page: str) -> str:
    """The page with its tables from the results of now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_TABLES[found[2]]()}\n\n{found[3]}", page)


def _machine() -> str:
    machine = json.loads((RESULTS / "end_to_end.json").read_text(encoding="utf-8"))["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['cpus']} CPUs of {machine['cpu']}, {machine['system']}, Python {machine['python']}; {versions}; "
        f"{machine['at'][:10]}."
    )


def _end_to_end() -> str:
    throughput = figures_of("end_to_end")["throughput"]
    told = {
        "events a second": ("events_per_s", "{:,.0f}"),
        "events a CPU-second": ("events_per_cpu_s", "{:,.0f}"),
        "CPUs used": ("cpu_share", "{:.2f}"),
        "peak memory, MiB": ("peak_mib_largest", "{:.0f}"),
        "records a PutRecords call": ("records_a_call", "{:.0f}"),
        "bytes an event: from Kafka": ("kafka_bytes_an_event", "{:,.0f}"),
        "bytes an event: to the changelog": ("changelog_bytes_an_event", "{:,.0f}"),
        "bytes an event: to Kinesis": ("kinesis_bytes_an_event", "{:,.0f}"),
    }
    count = len(throughput["events_per_s"]["runs"])
    return table(
        ["", f"median of {count}", "least", "most"],
        [
            [name, *(form.format(throughput[figure][which]) for which in ("median", "min", "max"))]
            for name, (figure, form) in told.items()
        ],
    )


def _latency() -> str:
    latency = figures_of("end_to_end")["latency"]
    return table(
        ["load", "events a second", "p50, ms", "p95, ms", "p99, ms", "max, ms", "CPUs used"],
        [
            [
                name,
                f"{row['rate']:,.0f}",
                *(f"{row[figure]:.1f}" for figure in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
                f"{row['cpu_share']:.2f}",
            ]
            for name, row in latency.items()
        ],
    )


def _stages() -> str:
    return table(
        ["stage", "ns an event", "floor, ns", "times the floor", "bytes allocated an event"],
        [
            [
                name,
                f"{row['ns_an_event']:,}",
                f"{row['floor_ns_an_event']:,}",
                f"{row['ns_an_event'] / row['floor_ns_an_event']:.1f}",
                f"{row['allocated_bytes_an_event']:,}",
            ]
            for name, row in figures_of("stages").items()
        ],
    )


def _workers() -> str:
    return _scaled_workers("scaling-workers", "all on one CPU")


def _workers_in_turns() -> str:
    return _scaled_workers("scaling-workers-in-turns", "on one CPU in turns")


def _workers_unpinned() -> str:
    return _scaled_workers("scaling-workers-unpinned", "on all CPUs, with all else")


def _scaled_workers(name: str, where: str) -> str:
    points = figures_of(name)["points"]
    alone = points[0]["events_per_cpu_s"]
    return table(
        [
            "workers",
            "events a CPU-second",
            "of one worker's, by round",
            f"events a second, {where}",
            "peak memory, all, MiB",
        ],
        [
            [
                f"{point['value']:g}",
                median_and_range(point["events_per_cpu_s"]),
                f"{share_of(alone, point['events_per_cpu_s']):.0%}",
                f"{point['events_per_s']['median']:,.0f}",
                f"{point['peak_mib_all']['median']:.0f}",
            ]
            for point in points
        ],
    )


def _profile() -> str:
    shares = figures_of("profile")["share of samples, on top of the stack"]
    return table(
        ["on top of the stack", "share of samples"],
        [[f"`{name}`", f"{share:.1%}"] for name, share in list(shares.items())[:12]],
    )


def _endurance() -> str:
    figures = figures_of("endurance")
    rows = figures["samples"]
    tenth = max(1, len(rows) // 10)
    parts = {"first tenth of the run": rows[:tenth], "last tenth": rows[-tenth:], "all of it": rows}
    return table(
        [f"{figures['events'] / 1e6:g} million events", "resident, MiB, least", "most"],
        [
            [
                name,
                f"{min(r['resident_mib'] for r in part):.0f}",
                f"{max(r['resident_mib'] for r in part):.0f}",
            ]
            for name, part in parts.items()
        ],
    )


def _endpoint() -> str:
    return table(
        ["endpoint", "records a second that it was sent", "records a CPU-second", "µs of CPU a record"],
        [
            [
                name,
                f"{r['records_per_s']:,.0f}",
                f"{r['records_per_cpu_s']:,.0f}",
                f"{r['cpu_us_a_record']:.2f}",
            ]
            for name, r in figures_of("endpoint").items()
        ],
    )


def _state() -> str:
    few, many = (figures_of("state")[f"throughput with {count} profiles"] for count in (100_000, 10_000_000))
    told = {
        "events a second, one partition, one process": ("events_per_s", "{:,.0f}"),
        "events a CPU-second": ("events_per_cpu_s", "{:,.0f}"),
        "RocksDB's memory, MiB": ("rocksdb_memory_mib", "{:.0f}"),
        "the process' peak memory, MiB (both in one process)": ("peak_rss_mib", "{:.0f}"),
    }
    return table(
        ["", "100 thousand profiles", "10 million profiles"],
        [
            [name, form.format(few[figure]), form.format(many[figure])]
            for name, (figure, form) in told.items()
        ],
    )


def _restores() -> str:
    figures = figures_of("state")
    rounds, handover = figures["many / few, every round"], figures["hand-over"]
    return table(
        ["", ""],
        [
            [
                f"throughput, 10 million / 100 thousand, median of {len(rounds)} rounds",
                f"{figures['many / few']:.2f} ({min(rounds):.2f} to {max(rounds):.2f})",
            ],
            [
                "restore from a real broker, records a second",
                f"{figures['restore']['records_per_s']:,.0f}",
            ],
            [
                "hand-over of a partition of a million profiles, store absent",
                f"{handover['store_absent_s']:.2f} s",
            ],
            ["the same, store warm", f"{handover['store_warm_s']:.2f} s"],
        ],
    )


def _writer() -> str:
    return table(
        [
            "",
            "writer, µs of CPU a record",
            "`client.put_records`",
            "ratio, median of five rounds",
            "writer, records a second",
        ],
        [
            [
                name,
                f"{row['writer']['cpu_us_a_record']:.2f}",
                f"{row['client.put_records']['cpu_us_a_record']:.2f}",
                f"{row['client.put_records / writer, CPU']:.2f}",
                f"{row['writer']['records_a_second']:,.0f}",
            ]
            for name, row in figures_of("writer").items()
        ],
    )


def _sizes() -> str:
    kept_s = StateSettings.model_fields["changelog_min_compaction_lag_ms"].default / 1000
    told = [rows(size(load, load_constants(), kept_s)) for load in _LOADS.values()]
    lines = [[line[0], *(column[n][1] for column in told)] for n, line in enumerate(told[0])]
    return table(["events a second, profiles", *_LOADS], lines)


def _partitions() -> str:
    figures = figures_of("partitions")
    told = {
        "seconds until it is ready": ("ready_s", "{:.1f}"),
        "CPU-seconds until then": ("start_cpu_s", "{:.1f}"),
        "CPUs used at rest": ("idle_cpus", "{:.3f}"),
        "resident memory, MiB": ("resident_mib", "{:.0f}"),
        "open files": ("open_files", "{:,}"),
        "threads": ("threads", "{}"),
        "bringing a file to this disk meanwhile, ms": ("disk_sync_ms", "{:.1f}"),
        _LOAD: ("load", "{:.1f}"),
    }
    starts = figures["starts"]
    return table(
        [f"{figures['partitions']} partitions", *starts],
        [
            [name, *(form.format(start[figure]) for start in starts.values())]
            for name, (figure, form) in told.items()
        ],
    )


def _backfill(part: str) -> str:
    figures = figures_of("backfill")[part]
    told = {
        "events a second": ("events_per_s", "{:,.0f}"),
        "events a CPU-second": ("events_per_cpu_s", "{:,.0f}"),
        "profiles looked at a second": ("profiles_per_s", "{:,.0f}"),
        "profiles exported": ("exported", "{:,}"),
        "CPUs used": ("cpu_share", "{:.2f}"),
        "bytes of events read, times those there are": ("read_times", "{:.2f}"),
        "bytes over the loopback, exports and state included, times the topic's": (
            "loopback_times",
            "{:.2f}",
        ),
        "resident before, MiB": ("resident_before_mib", "{:.0f}"),
        "resident at most, MiB": ("resident_peak_mib", "{:.0f}"),
        _LOAD: ("load", "{:.1f}"),
    }
    return table(
        [
            f"{figures['profiles'] / 1e6:g} million profiles, {figures['events'] / 1e6:g} million events of {figures['event_bytes']} bytes",
            *figures["cases"],
        ],
        [
            [name, *(form.format(case[figure]) for case in figures["cases"].values())]
            for name, (figure, form) in told.items()
        ],
    )


def _backfill_live() -> str:
    live = figures_of("backfill")["live"]
    told = {
        "live events, p50, ms": ("p50_ms", "{:.1f}"),
        "live events, p99, ms": ("p99_ms", "{:.1f}"),
        "lag in the first third of the time": ("lag_first_third", "{:,}"),
        "lag in the last third": ("lag_last_third", "{:,}"),
        "profiles that the backfill looks at a second": ("backfilled_per_s", "{:,}"),
        _LOAD: ("load", "{:.1f}"),
    }
    return table(
        [
            f"{live['rate']:,.0f} live events a second, {live['profiles'] / 1e6:g} million profiles",
            *live["windows"],
        ],
        [
            [name, *(form.format(window[figure]) for window in live["windows"].values())]
            for name, (figure, form) in told.items()
        ],
    )


_TABLES: dict[str, Callable[[], str]] = {
    **COMPARISON_TABLES,
    "machine": _machine,
    "end-to-end": _end_to_end,
    "latency": _latency,
    "stages": _stages,
    "workers": _workers,
    "workers-unpinned": _workers_unpinned,
    "workers-in-turns": _workers_in_turns,
    "endurance": _endurance,
    "partitions": _partitions,
    "backfill": partial(_backfill, "alone"),
    "backfill-live": _backfill_live,
    "backfill-many": partial(_backfill, "many"),
    "profile": _profile,
    "endpoint": _endpoint,
    "sizes": _sizes,
    "state": _state,
    "restores": _restores,
    "writer": _writer,
}


if __name__ == "__main__":
    main()
