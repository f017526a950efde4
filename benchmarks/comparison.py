"""The tables that docs/performance.md leads with: beside whom, how quick, in what order; and what it was to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.peers.flink_job import FLINK, FLINK_ROCKSDB
from benchmarks.peers.quix_streams import QUIX
from benchmarks.tables import figures_of, listed, median_and_range, share_of, table

if TYPE_CHECKING:
    from collections.abc import Callable

_COSTS: Final = {
    "events a CPU-second, warm": "events_per_cpu_s_warm",
    "all of the run": "events_per_cpu_s",
    "warm, with the broker's CPU": "events_per_cpu_s_with_broker_warm",
    "all of the run, with the broker's": "events_per_cpu_s_with_broker",
}
_CONNECT: Final = "Redpanda Connect"


class Aim(NamedTuple):
    """What the processor is to be, and what was measured of it."""

    name: str
    bound: float
    value: float
    form: str
    is_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is what it is to be."""
        return self.value <= self.bound if self.is_most else self.value >= self.bound


def _aims() -> str:
    return table(
        ["", "to be", "is", ""],
        [
            [
                aim.name,
                f"{'at most' if aim.is_most else 'at least'} {aim.form.format(aim.bound)}",
                aim.form.format(aim.value),
                "" if aim.is_met else "missed",
            ]
            for aim in [*_aims_beside_others(), *_aims_alone()]
        ],
    )


def _aims_beside_others() -> list[Aim]:
    flink, peers = figures_of("flink")["times"], figures_of("peers")["times"]["events_per_cpu_s"]
    of_flink = "events a CPU-second, times those of Flink once it is warm"
    aims = [
        Aim(of_flink, 1.3, flink["events_per_cpu_s_warm"][FLINK]["median"], "{:.2f}"),
        Aim(
            f"{of_flink}, with the broker's CPU",
            1.1,
            flink["events_per_cpu_s_with_broker_warm"][FLINK]["median"],
            "{:.2f}",
        ),
    ]
    if _CONNECT in peers:
        aims.append(
            Aim(f"events a CPU-second, times those of {_CONNECT}", 5.5, peers[_CONNECT]["median"], "{:.1f}")
        )
    return aims


def _aims_alone() -> list[Aim]:
    throughput, latency = figures_of("end_to_end")["throughput"], figures_of("end_to_end")["latency"]
    resident = [sample["resident_mib"] for sample in figures_of("endurance")["samples"]]
    cost = {
        p["value"]: 1 / p["events_per_cpu_s"]["median"] for p in figures_of("scaling-event-bytes")["points"]
    }
    skewed = {p["value"]: p["events_per_s"]["median"] for p in figures_of("scaling-skew")["points"]}
    of_one = "of one worker's events a CPU-second"
    return [
        Aim("events a second, one worker, one CPU", 25_000, throughput["events_per_s"]["median"], "{:,.0f}"),
        Aim("events a CPU-second", 40_000, throughput["events_per_cpu_s"]["median"], "{:,.0f}"),
        Aim(f"{of_one}: 2 workers on two CPUs, with all else", 0.9, _shares_of_one("-unpinned")[2], "{:.0%}"),
        *(
            Aim(f"{of_one}: {count} workers, each with a CPU to itself in its turn", 0.95, share, "{:.0%}")
            for count, share in _shares_of_one("-in-turns").items()
        ),
        Aim("events a second, a hot profile (Zipf 1.5)", 20_000, skewed[1.5], "{:,.0f}"),
        Aim("p99 at half load, ms", 50, latency["50% of the most"]["p99_ms"], "{:.0f}", is_most=True),
        Aim("p99 at 100 events a second, ms", 15, latency["idle"]["p99_ms"], "{:.1f}", is_most=True),
        Aim("resident memory in five million events, MiB", 238, max(resident), "{:.0f}", is_most=True),
        Aim("an event of 20 KB, times one of 1.2 KB", 4, cost[20_000] / cost[1200], "{:.1f}", is_most=True),
    ]


def _shares_of_one(sweep: str) -> dict[int, float]:
    first, *others = figures_of(f"scaling-workers{sweep}")["points"]
    return {
        point["value"]: share_of(first["events_per_cpu_s"], point["events_per_cpu_s"]) for point in others
    }


def _flink() -> str:
    figures = figures_of("flink")
    workload, runs = figures["workload"], len(next(iter(_throughputs(figures)))["events_per_s"]["runs"])
    return table(
        [
            f"{workload['events'] / 1e6:g} million events of {workload['event_bytes']:,} bytes, median of {runs}",
            *_COSTS,
            "events a second",
            "peak memory, MiB",
        ],
        [
            [
                name,
                *(_beside(row["throughput"], figures["times"], figure, name) for figure in _COSTS.values()),
                f"{row['throughput']['events_per_s']['median']:,.0f}",
                f"{row['throughput']['peak_mib_largest']['median']:.0f}",
            ]
            for name, row in figures["contenders"].items()
        ],
    )


def _throughputs(figures: dict[str, Any]) -> list[dict[str, Any]]:
    return [row["throughput"] for row in figures["contenders"].values()]


def _beside(throughput: dict[str, Any], times: dict[str, Any], figure: str, name: str) -> str:
    """A peer's figure, and how many times that the processor does."""
    told = f"{throughput[figure]['median']:,.0f}"
    return f"{told} ({times[figure][name]['median']:.2f})" if name in times[figure] else told


def _peers() -> str:
    figures = figures_of("peers")
    times = figures["times"]["events_per_cpu_s"]
    return table(
        ["", "state", "events a CPU-second", "the processor's, times", "events a second", "peak memory, MiB"],
        [
            [
                name,
                "durable"
                if name in {"processor", QUIX, FLINK, FLINK_ROCKSDB}
                else str(row["setting"]["state"]).split(":")[0],
                median_and_range(row["throughput"]["events_per_cpu_s"]),
                f"{times[name]['median']:.2f}" if name in times else "1",
                f"{row['throughput']['events_per_s']['median']:,.0f}",
                f"{row['throughput']['peak_mib_largest']['median']:.0f}",
            ]
            for name, row in figures["contenders"].items()
        ],
    )


def _order() -> str:
    figures = figures_of("order")
    workload, contenders = figures["workload"], figures["contenders"]
    cases = next(iter(contenders.values()))
    return table(
        [f"{workload['events']:,} events of {workload['profiles']:,} profiles", *cases],
        [[name, *map(_ordering, row.values())] for name, row in contenders.items()],
    )


def _ordering(told: dict[str, int]) -> str:
    lost = f"; {told['lost']:,} records lost" if told["lost"] else ""
    return f"{told['out_of_order']:,} ({told['stale_at_the_end']:,}) of {told['profiles']:,}{lost}"


def _settings() -> str:
    contenders = figures_of("peers")["contenders"] | figures_of("flink")["contenders"]
    return "\n".join(f"- **{name}**: {listed(row['setting'])}." for name, row in contenders.items())


COMPARISON_TABLES: Final[dict[str, Callable[[], str]]] = {
    "flink": _flink,
    "order": _order,
    "peers": _peers,
    "settings": _settings,
    "aims": _aims,
}
"""What each is called in the page."""
