"""Plots of the results: python -m benchmarks.plots draws every figure in benchmarks/results anew."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SWEEPS = {
    "workers": ("workers, all on one CPU", "linear"),
    "workers-in-turns": ("workers, each alone on the CPU in its turn", "linear"),
    "workers-unpinned": ("workers, on all CPUs, with Kafka and the endpoint", "linear"),
    "share-of-changes": ("share of events that are exported", "linear"),
    "segments-mapped": ("segments mapped", "log"),
    "event-bytes": ("bytes an event", "log"),
    "profiles": ("profiles known", "log"),
    "skew": ("Zipf exponent of the profiles (0: uniform)", "linear"),
}
_COLOUR, _OTHER = "#1f5fa8", "#b0b7c3"


def main() -> None:
    """Draw what there are results for."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    for sweep, (label, scale) in _SWEEPS.items():
        if figures := _figures(f"scaling-{sweep}"):
            _draw_sweep(f"scaling-{sweep}", figures, label, scale)
    if figures := _figures("peers"):
        _draw_peers(figures)
    if figures := _figures("end_to_end"):
        _draw_latency(figures)
    if figures := _figures("stages"):
        _draw_stages(figures)
    if figures := _figures("endurance"):
        _draw_endurance(figures)
    if figures := _figures("backfill"):
        _draw_backfill(figures)


def _draw_sweep(name: str, figures: dict[str, Any], label: str, scale: str) -> None:
    points = figures["points"]
    figure, cost, rate = _two()
    x = [point["value"] for point in points]
    per_cpu_s = [point["events_per_cpu_s"] for point in points]
    cost.errorbar(
        x,
        [1e6 / each["median"] for each in per_cpu_s],
        yerr=[
            [1e6 / each["median"] - 1e6 / each["max"] for each in per_cpu_s],
            [1e6 / each["min"] - 1e6 / each["median"] for each in per_cpu_s],
        ],
        marker="o",
        capsize=3,
        color=_COLOUR,
    )
    cost.set_ylabel("µs of CPU an event")
    rate.plot(x, [point["events_per_s"]["median"] for point in points], marker="o", color=_COLOUR)
    rate.set_ylabel("events a second")
    for axes in (cost, rate):
        axes.set_xlabel(label)
        axes.set_xscale(scale)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
        axes.grid(alpha=0.3)
    _save(figure, name)


def _draw_peers(figures: dict[str, Any]) -> None:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.subplots()
    rows = sorted(figures["contenders"].items(), key=lambda row: _median(row[1], "events_per_cpu_s"))
    names = [name for name, _ in rows]
    values = [_median(row, "events_per_cpu_s") for _, row in rows]
    spreads = [row["throughput"]["events_per_cpu_s"] for _, row in rows]
    bars = axes.barh(
        names,
        values,
        color=[_COLOUR if name == "processor" else _OTHER for name in names],
        xerr=[
            [each["median"] - each["min"] for each in spreads],
            [each["max"] - each["median"] for each in spreads],
        ],
        error_kw={"ecolor": "#444", "capsize": 2, "linewidth": 0.8},
    )
    axes.bar_label(bars, [f" {value:,.0f}" for value in values], padding=2)
    axes.set_xlabel("events a CPU-second")
    _save(figure, "peers")


def _draw_latency(figures: dict[str, Any]) -> None:
    if "latency" not in figures:
        return
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    loads = [name for name in figures["latency"] if name != "idle"]
    for percentile in ("p50_ms", "p95_ms", "p99_ms"):
        axes.plot(
            [name.split("%")[0] for name in loads],
            [figures["latency"][name][percentile] for name in loads],
            marker="o",
            label=percentile.removesuffix("_ms"),
        )
    axes.set_xlabel("load, % of the most")
    axes.set_ylabel("ms from Kafka to Kinesis")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, "latency")


def _draw_stages(figures: dict[str, Any]) -> None:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.subplots()
    names = list(figures)
    axes.bar(names, [figures[name]["ns_an_event"] / 1000 for name in names], color=_COLOUR, label="stage")
    axes.bar(
        names,
        [figures[name]["floor_ns_an_event"] / 1000 for name in names],
        color=_OTHER,
        width=0.4,
        label="floor: C primitives",
    )
    axes.set_ylabel("µs an event")
    axes.legend(frameon=False)
    _save(figure, "stages")


def _draw_endurance(figures: dict[str, Any]) -> None:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.subplots()
    rows = figures["samples"]
    axes.plot([row["events"] / 1e6 for row in rows], [row["resident_mib"] for row in rows], color=_COLOUR)
    axes.set_xlabel("million events")
    axes.set_ylabel("resident MiB")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    _save(figure, "endurance")


def _draw_backfill(figures: dict[str, Any]) -> None:
    figure, memory, latency = _two()
    for name, colour in (("alone", _OTHER), ("many", _COLOUR)):
        if name not in figures:  # parts are kept apart
            continue
        rows, profiles = figures[name]["samples"], figures[name]["profiles"]
        memory.plot(
            [row["at_s"] for row in rows],
            [row["resident_mib"] for row in rows],
            color=colour,
            label=f"{profiles / 1e6:g} million profiles",
        )
    memory.set_xlabel("seconds, one backfill after the other")
    memory.set_ylabel("resident MiB")
    memory.legend(frameon=False)
    windows = figures["live"]["windows"]
    for number, (name, window) in enumerate(windows.items()):
        bars = latency.bar(
            [place + (number - 1) * 0.27 for place in range(2)],
            [window["p50_ms"], window["p99_ms"]],
            width=0.27,
            color=_COLOUR if number else _OTHER,
            alpha=1.0 if number != 1 else 0.6,
            label=name,
        )
        latency.bar_label(bars, fmt="{:.0f}")
    latency.set_xticks([0, 1], ["p50", "p99"])
    latency.set_ylabel("ms, live events, from Kafka to Kinesis")
    latency.legend(frameon=False)
    for axes in (memory, latency):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    _save(figure, "backfill")


def _two() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, left, right


def _save(figure: Figure, name: str) -> None:
    # Without a date, so that what did not change is the same file.
    figure.savefig(RESULTS / f"{name}.png", dpi=110, metadata={"Software": None})


def _figures(name: str) -> dict[str, Any] | None:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))["figures"] if file.exists() else None


def _median(row: dict[str, Any], name: str) -> float:
    return float(row["throughput"][name]["median"])


if __name__ == "__main__":
    main()
